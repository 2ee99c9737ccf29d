package rest

import (
	"encoding/json"
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

func explainOperations() []operation {
	const most = 512 << 10 // bytes of a series or a record in an address
	params := []param{
		{name: "series", in: inQuery, kind: text, maxBytes: most, linked: true, example: `flink_jobmanager_job_uptime{torrent_task_id="t-1"}`,
			about: "A series as it was reported, in PromQL notation."},
		{name: "record", in: inQuery, kind: text, maxBytes: most, about: "A record, as it stands in Kafka.", example: exampleRecord},
		{name: "rule", in: inQuery, kind: text, about: "A rule: team/name, or the name alone where no other has it.", example: "default/attempts"},
		{name: "why-not", in: inQuery, kind: text, maxBytes: most, example: `flink_jobmanager_job_uptime{torrent_task_id="t-1"}`,
			about: "A series that is missing, as it would leave, in PromQL notation."},
		{name: "kind", in: inQuery, kind: text, about: "Of series: counter, gauge, meter or histogram. Without it, what the catalogue knows.", example: "gauge"},
		{name: "origin", in: inQuery, kind: text, about: "Of series: where it came from. Without it, what the catalogue knows.", example: "custom"},
	}
	get := operation{
		id: "explain", method: http.MethodGet, path: "/explain", role: runtime.RoleViewer,
		summary: "What becomes of a series by the program in force, and why",
		about:   "Ask with exactly one of series, record, rule and why-not.",
		params:  params, answer: runtime.Answer{}, handle: becomes,
	}
	post := get
	post.id, post.method, post.summary = "explainRecord", http.MethodPost, "What becomes of the series of a record by the program in force, and why"
	post.about = "The body is a record, as it stands in Kafka."
	post.body = json.RawMessage(exampleRecord)
	return []operation{get, post}
}

const exampleRecord = `{"torrent_task_id":"t-1","report_timestamp":1763800000000,"metric":"up","type":"gauge","value":1}`

// becomes answers what becomes of what was asked about.
func becomes(c *call) (any, error) {
	q := explain.Question{
		Series: c.text("series"), Rule: c.text("rule"), WhyNot: c.text("why-not"), Kind: c.text("kind"), Origin: c.text("origin"),
	}
	if c.given("record") {
		q.Record = []byte(c.text("record"))
	}
	if c.body != nil {
		if q.Record != nil {
			return nil, wrong("there is a record in the query and one in the body")
		}
		q.Record = bodyOf[json.RawMessage](c)
	}
	return c.runtime.Explain(q)
}
