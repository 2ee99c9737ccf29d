package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/explain"
)

func ask(t *testing.T, dir string, q explain.Question) Answer {
	t.Helper()
	a, report, err := Explain(context.Background(), dir, Loading{}, q)
	if err != nil || report.Revision == "" || a.Revision != report.Revision {
		t.Fatalf("%+v: error %v, report %v", q, err, report.Findings)
	}
	return a
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
	a, err := r.Explain(explain.Question{Series: "noise"})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Series[0].Control[0].Samples["dropped"]; got != 1 || a.Revision != r.Status().Revision || a.Policies == "" {
		t.Errorf("%d samples dropped at %q by %q, want 1", got, a.Revision, a.Policies)
	}
	// It knows what the short identifiers stand for that it has made.
	id := ask(t, r.cfg.Policies, explain.Question{Series: `m{task_name="Source"}`}).Series[0].Result[0]
	gone, err := r.Explain(explain.Question{WhyNot: id})
	if err != nil {
		t.Fatal(err)
	}
	if o := gone.WhyNot.Origins; len(o) == 0 || !strings.Contains(jsonText(t, o), `m{task_name=\"Source\"}`) {
		t.Errorf("%s: %+v", id, o)
	}
	if _, err := r.Explain(explain.Question{Rule: "nois"}); !errors.Is(err, ErrRejected) {
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
	a, err := r.Explain(explain.Question{Series: `seen{torrent_task_id="t-1", user="d"}`})
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
	a, err = r.Explain(explain.Question{Series: `calls{torrent_task_id="t-1", host="h", path="/"}`, Kind: "counter"})
	if err != nil {
		t.Fatal(err)
	}
	e := a.Series[0]
	if diff := cmp.Diff([]string{`calls{path="/", torrent_task_id="t-1"}`}, e.Result); diff != "" || len(e.Aggregates) != 1 || len(e.Budgets) != 0 {
		t.Errorf("%s: %+v", diff, e.Aggregates)
	}
}
