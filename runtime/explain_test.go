package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// writeFiles makes a directory of files.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const schemaImport = "package policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\n"

// explainedSet has a rule whose fields stand in two files.
var explainedSet = map[string]string{
	"policy.cue": schemaImport + `policy: schema.#Policy & {
	team: "platform"
	stream: flink: topics: ["flink.native"]
	sink: {store: {type: "store", default: true}, late: {type: "scrape"}}
	control: away: schema.#Route & {match: metrics: ["away_*"], to: ["late"]}
	control: half: schema.#Sample & {order: 300, match: metrics: ["half"], rate: 0.5, by: "record"}
	control: slow: schema.#Limit & {order: 400, match: metrics: ["slow"], rate: 2, per: "task"}
	rewrite: unit: schema.#Scale & {match: metrics: ["slow"], factor: 0.001}
}
`,
	"prod.cue": "package policies\n\npolicy: control: away: order: 200\n",
}

func ask(t *testing.T, dir string, q Question) Answer {
	t.Helper()
	a, report, err := Explain(context.Background(), dir, Loading{}, q)
	if err != nil || report.Revision == "" || a.Revision != report.Revision {
		t.Fatalf("%+v: error %v, report %v", q, err, report.Findings)
	}
	return a
}

func TestExplainPlacesFieldsOfOverlays(t *testing.T) {
	dir := writeFiles(t, explainedSet)
	e := ask(t, dir, Question{Series: `away_x{torrent_task_id="t-1"}`}).Series[0]
	last := e.Control[len(e.Control)-1]
	places := map[string]diag.Pos{}
	for _, f := range last.Fields {
		f.Pos.File = strings.TrimPrefix(f.Pos.File, filepath.ToSlash(dir)+"/")
		places[f.Name] = f.Pos
	}
	want := map[string]diag.Pos{
		"order": {File: "prod.cue", Line: 3, Column: 31}, "match.metrics": {File: "policy.cue", Line: 9, Column: 41}, "to": {File: "policy.cue", Line: 9, Column: 66},
		"enabled": {}, "tier": {}, "action": {},
	}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Error(diff)
	}
	if e.Decision.Text != "sent to late instead of where it would go" || len(e.Sinks) != 1 || e.Sinks[0].Sink != "late" || e.Sinks[0].Why != "named by the route" {
		t.Errorf("decision %+v, sinks %+v", e.Decision, e.Sinks)
	}
}

func TestExplainSamples(t *testing.T) {
	dir := writeFiles(t, explainedSet)
	record := func(name string, at int64) []byte {
		return []byte(flat("t-1", name, "gauge", at, "3"))
	}
	passes := map[string]bool{}
	for at := range int64(40) {
		passes[ask(t, dir, Question{Record: record("half", 1_763_800_000_000+at)}).Series[0].Decision.Sample] = true
		if len(passes) == 2 {
			break
		}
	}
	if !passes["this sample passes"] || !passes["this sample does not pass"] {
		t.Errorf("of 40 samples all are the same: %v", passes)
	}
	slow := ask(t, dir, Question{Record: record("slow", 1_763_800_000_000)}).Series[0]
	if slow.Decision.Text != "limited to 2 samples a second for each task, after a burst of as many" || slow.Scale != 0.001 || slow.Decision.Step != "limit" {
		t.Errorf("%+v, scale %v", slow.Decision, slow.Scale)
	}
	many := `{"v":1,"torrent_task_id":"t","report_timestamp":1763800000000,"metric":"m","type":"gauge","points":[{"v":1}` + strings.Repeat(`,{"v":1}`, 24) + `]}`
	if a := ask(t, dir, Question{Record: []byte(many)}); len(a.Series) != maxExplained || a.More != 5 {
		t.Errorf("%d points explained, %d more", len(a.Series), a.More)
	}
	text := `{"torrent_task_id":"t","report_timestamp":1763800000000,"metric":"m","type":"gauge","value":"RUNNING"}`
	if got := ask(t, dir, Question{Record: []byte(text)}).Series[0].Result[0]; got != `m_info{torrent_task_id="t", value="RUNNING"}` {
		t.Errorf("a text becomes %s", got)
	}
}

func TestWrongQuestions(t *testing.T) {
	for name, tt := range map[string]struct {
		question Question
		want     QuestionError
	}{
		"nothing":         {Question{}, QuestionError{"question", -1, "ask about one of a series, a record, a rule, and a series that is missing", ""}},
		"two":             {Question{Series: "up", Rule: "x"}, QuestionError{"question", -1, "ask about one of a series, a record, a rule, and a series that is missing", ""}},
		"a missing brace": {Question{WhyNot: "up{"}, QuestionError{"why-not", 3, "the text ends where the name of a label should be", ""}},
		"a kind":          {Question{Series: "up", Kind: "x"}, QuestionError{"kind", -1, `"x" is none`, "write one of counter, gauge, meter, histogram"}},
		"a rule":          {Question{Rule: "kafka-client"}, QuestionError{"rule", -1, `the set has no rule "kafka-client"`, "did you mean kafka-clients?"}},
		"no record":       {Question{Record: []byte(" ")}, QuestionError{"record", 0, "the record is empty (not-json)", "such a record goes to the dead letters"}},
	} {
		_, _, err := Explain(context.Background(), "", Loading{}, tt.question)
		got := (*QuestionError)(nil)
		if !errors.As(err, &got) || !errors.Is(err, ErrRejected) {
			t.Errorf("%s: error %v", name, err)
		} else if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhyNot(t *testing.T) {
	for series, want := range map[string]string{
		`flink_taskmanager_job_task_numRecordsInPerSecond_count{job_name="pay"}`: "no rule touches it: it was not reported",
		`flink_taskmanager_job_task_buffers_inPoolUsage`:                         "dropped by default/deprecated-duplicates",
		`flink_taskmanager_job_task_numBytesIn{task_attempt_id="1"}`:             "no series leaves like this: default/attempts rewrites it",
		`flink_jobmanager_job_lastCheckpointExternalPath_info{value="s3://x"}`:   "no rule touches it: it was not reported",
	} {
		a := ask(t, "", Question{WhyNot: series}).WhyNot
		if a.Verdict != want {
			t.Errorf("%s: %s, want %s; origins %+v", series, a.Verdict, want, a.Origins)
		}
	}
	// Of recorded traffic it knows what came.
	traffic := strings.Join([]string{
		flat("t-1", "away_x", "gauge", 1_763_800_000_000, "1"), flat("t-2", "slow", "gauge", 1_763_800_000_000, "1"), "nonsense"}, "\n")
	dir := writeFiles(t, explainedSet)
	a := ask(t, dir, Question{WhyNot: `slow{torrent_task_id="t-2"}`, Traffic: strings.NewReader(traffic)}).WhyNot
	if a.Verdict != "it is in the traffic and goes out: look for it in the sinks" || !a.Origins[0].Recorded {
		t.Errorf("%s, %+v", a.Verdict, a.Origins)
	}
	r := ask(t, dir, Question{Rule: "away", Traffic: strings.NewReader(traffic)}).Rule
	if diff := cmp.Diff(&RuleTraffic{Series: 2, Matched: 1, Acts: 1, Samples: 1, Top: []SeriesCount{{`away_x{torrent_task_id="t-1"}`, 1}}}, r.Traffic); diff != "" {
		t.Error(diff)
	}
	if _, _, err := Explain(context.Background(), dir, Loading{}, Question{Rule: "away", Traffic: strings.NewReader("nonsense")}); !errors.Is(err, ErrRejected) {
		t.Errorf("traffic without a record: %v", err)
	}
}

// A running instance answers by the program in force, and says what it did.
func TestRunningInstanceExplains(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, `
	stream: native: topics: ["flink.native"]
	sink: store: {type: "store", default: true}
	rewrite: short: schema.#ShortID & {match: metrics: ["*"], label: "task_name"}
	control: noise: schema.#Drop & {match: metrics: ["noise"], reason: "nobody reads it"}`))
	at := time.Now().UnixMilli()
	long := `{"torrent_task_id":"t-1","report_timestamp":` + jsonText(t, at) + `,"metric":"m","type":"gauge","value":1,"labels":{"task_name":"Source"}}`
	r.publish(t, "flink.native", flat("t-1", "noise", "gauge", at, "1"), long)
	r.settled(t, false, "native", 2)
	a, err := r.Explain(Question{Series: "noise"})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Series[0].Control[0].Samples["dropped"]; got != 1 || a.Revision != r.Status().Revision || a.Policies == "" {
		t.Errorf("%d samples dropped at %q by %q, want 1", got, a.Revision, a.Policies)
	}
	// It knows what the short identifiers stand for that it has made.
	id := ask(t, r.cfg.Policies, Question{Series: `m{task_name="Source"}`}).Series[0].Result[0]
	gone, err := r.Explain(Question{WhyNot: id})
	if err != nil {
		t.Fatal(err)
	}
	if o := gone.WhyNot.Origins; len(o) == 0 || !strings.Contains(jsonText(t, o), `m{task_name=\"Source\"}`) {
		t.Errorf("%s: %+v", id, o)
	}
	if _, err := r.Explain(Question{Rule: "nois"}); !errors.Is(err, ErrRejected) {
		t.Errorf("an unknown rule: %v", err)
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An aggregate and a budget are stages like the others: what comes out of them, and
// how much room there is on a running instance.
func TestExplainAggregatesAndBudgets(t *testing.T) {
	t.Parallel()
	const rules = `
	stream: native: {topics: ["flink.native"], level: "none"}
	sink: store: {type: "store", default: true}
	aggregate: totals: schema.#Aggregate & {match: metrics: ["calls"], drop: ["host"], gauge: "sum", window: "10s"}
	budget: users: schema.#Budget & {match: metrics: ["seen"], per: "metric", series: 2}`
	r := startInstance(t, testConfig(t, rules))
	at := time.Now().UnixMilli()
	labelled := func(user string) string {
		return strings.Replace(flat("t-1", "seen", "gauge", at, "1"), `"value"`, `"labels":{"user":"`+user+`"},"value"`, 1)
	}
	r.publish(t, "flink.native", labelled("a"), labelled("b"), labelled("c"))
	r.settled(t, false, "native", 3)
	a, err := r.Explain(Question{Series: `seen{torrent_task_id="t-1", user="d"}`})
	if err != nil {
		t.Fatal(err)
	}
	b := a.Series[0].Budgets[0]
	if b.ID != "platform/users" || b.Key != "t-1 seen" || b.Beyond != `seen{sluice_overflow="platform/users", torrent_task_id="t-1"}` {
		t.Errorf("%+v", b)
	}
	if b.Room == nil || b.Room.Series != 2 || b.Room.Limit != 2 || b.Room.Refused == 0 {
		t.Errorf("room %+v", b.Room)
	}
	a, err = r.Explain(Question{Series: `calls{torrent_task_id="t-1", host="h", path="/"}`, Kind: "counter"})
	if err != nil {
		t.Fatal(err)
	}
	e := a.Series[0]
	if diff := cmp.Diff([]string{`calls{path="/", torrent_task_id="t-1"}`}, e.Result); diff != "" || len(e.Aggregates) != 1 || len(e.Budgets) != 0 {
		t.Errorf("%s: %+v", diff, e.Aggregates)
	}
}
