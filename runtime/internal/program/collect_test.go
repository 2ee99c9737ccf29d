package program

import (
	"fmt"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// What a document says, in full: of a task, of a task with a job, of the set.
func TestCollectDocuments(t *testing.T) {
	thin := ruleOf(4, "thin", policy.Match{Metrics: []string{"t_*", "u**"}, Kinds: []string{"gauge"}})
	thin.Every, thin.Unless = "1m30s", &policy.Match{Tasks: []string{"pay"}}
	sample := ruleOf(5, "sample", policy.Match{Origin: []string{"sql", "native"}, Tags: map[string][]string{"tier": {"?*"}}})
	sample.Rate, sample.By = 0.25, "series"
	top := ruleOf(6, "thin", policy.Match{Labels: map[string][]string{"job_name": {"pay"}, "zone": {"*"}}})
	top.Every, top.Pick = "1s", "max"
	set := teamOf(map[string]policy.Control{
		"of-tasks": ruleOf(1, "drop", policy.Match{Metrics: []string{"re:a|b", "*c*"}, Tasks: []string{"t-2", "pay"}}),
		"nobody":   ruleOf(2, "drop", policy.Match{Tags: map[string][]string{"tier": {"tin"}}}),
		"expired":  {Ordered: policy.Ordered{Enabled: true, Expires: "2026-11-22", Match: everyMetric}, Tier: "guard", Action: "drop"},
		"thin":     thin, "sample": sample, "top": top,
		"all":   ruleOf(7, "keep", everyMetric),
		"never": ruleOf(8, "drop", everyMetric),
	}, map[string]policy.Rewrite{"a": dropOf("t*_id", "zone", "user")})
	set.Teams[0].Task = map[string]policy.Task{"gold": taskOf(true, "", map[string]string{"tier": "gold"}, "pay")}
	p := mustCompile(t, set)
	for _, tt := range []struct{ name, got, want string }{
		{"task", string(p.CollectTask("t-1", "").Encode("7f")), `{"v":1,"cv":80340498037702,"revision":"7f","rules":[` +
			`{"id":"platform/thin","do":"thin","every_ms":90000,"pick":"last","match":{"metrics":["t_*","u*"],"kinds":["gauge"]}},` +
			`{"id":"platform/all","do":"keep","match":{}}],` +
			`"labels":[{"id":"platform/a","drop":["task_attempt_id","task_id","tm_id","user","zone"],"match":{}}]}`},
		{"task with a job", string(p.CollectTask("t-1", "pay").Encode("7f")), `{"v":1,"cv":60861167401682,"revision":"7f","rules":[` +
			`{"id":"platform/of-tasks","do":"drop","match":{"metrics":["re:a|b","*c*"],"labels":{"job_name":["pay"]}}},` +
			`{"id":"platform/thin","do":"thin","every_ms":90000,"pick":"last","match":{"metrics":["t_*","u*"],"kinds":["gauge"]},"unless":{"labels":{"job_name":["pay"]}}},` +
			`{"id":"platform/sample","do":"sample","share":"4611686018427387904","by":"series","match":{"labels":{"job_name":["pay"]},"origin":["native","sql"]}},` +
			`{"id":"platform/top","do":"send","match":{"labels":{"job_name":["pay"]}}},` +
			`{"id":"platform/all","do":"keep","match":{}}],` +
			`"labels":[{"id":"platform/a","drop":["task_attempt_id","tm_id"],"match":{}}]}`},
		{"set", string(p.CollectAll().Encode("")), `{"v":1,"cv":117429071907306,"tasks":[{"match":["pay"],"tags":{"tier":"gold"},"enabled":true}],"rules":[` +
			`{"id":"platform/of-tasks","do":"drop","match":{"tasks":["t-2","pay"],"metrics":["re:a|b","*c*"]}},` +
			`{"id":"platform/nobody","do":"drop","match":{"tags":{"tier":["tin"]}}},` +
			`{"id":"platform/thin","do":"thin","every_ms":90000,"pick":"last","match":{"metrics":["t_*","u*"],"kinds":["gauge"]},"unless":{"tasks":["pay"]}},` +
			`{"id":"platform/sample","do":"sample","share":"4611686018427387904","by":"series","match":{"tags":{"tier":["?*"]},"origin":["native","sql"]}},` +
			`{"id":"platform/top","do":"send","match":{"labels":{"job_name":["pay"]}}},` +
			`{"id":"platform/all","do":"keep","match":{}}],` +
			`"labels":[{"id":"platform/a","drop":["task_attempt_id","tm_id"],"match":{}}]}`},
	} {
		if tt.got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.name, tt.got, tt.want)
		}
	}
}

// The version is of the content, however and wherever it was derived.
func TestControlVersion(t *testing.T) {
	set := teamOf(map[string]policy.Control{"a": ruleOf(1, "drop", policy.Match{Metrics: []string{"<a>"}, Labels: map[string][]string{"x": {"1"}, "y": {"2"}, "z": {"3"}}})}, nil)
	doc := mustCompile(t, set).CollectTask("t-1", "pay")
	text := string(doc.Encode("one"))
	for i := range 20 {
		again := mustCompile(t, set).CollectTask(fmt.Sprint("t-", i), "")
		if got := string(again.Encode("one")); got != text || again.CV != doc.CV {
			t.Fatalf("%s, want %s", got, text)
		}
	}
	cv := doc.CV
	if doc.Encode("two"); doc.CV != cv || cv == 0 || cv >= 1<<48 {
		t.Errorf("version %d of another revision, want %d", doc.CV, cv)
	}
	set.Teams[0].Control["b"] = ruleOf(2, "drop", policy.Match{Metrics: []string{"b"}})
	other := mustCompile(t, set).CollectTask("t-1", "pay")
	if other.Encode("one"); other.CV == cv {
		t.Error("another document has the same version")
	}
}

// Twins that differ by a label that a rewrite drops are thinned each by itself, so
// the label must not be missing: the runtime would take them for one.
func TestThinnedSeriesKeepTheirLabels(t *testing.T) {
	thin := ruleOf(1, "thin", everyMetric)
	thin.Every, thin.Pick = "1m", "first"
	p := mustCompile(t, teamOf(map[string]policy.Control{"a": thin}, map[string]policy.Rewrite{"b": dropOf("task_attempt_id")}))
	r, err := newSourceReporter(p.CollectTask("t-1", "").Encode(""), "t-1", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var in []arrival
	for _, attempt := range []string{"a", "b"} {
		in = append(in, arrival{usualTopic, sampleOf("m", "task_attempt_id", attempt).reported})
	}
	alone, after := govern(p, "t-1", nil, in), govern(p, "t-1", nil, r.obey(in))
	if len(alone) != 2 || fmt.Sprint(alone) != fmt.Sprint(after) {
		t.Errorf("alone %v, after the source %v", alone, after)
	}
}

// A route is a topic only where the stream has a processed topic of its own.
func TestRoutesAtTheSource(t *testing.T) {
	for to, want := range map[string]CollectRule{
		"isolated": {Do: CollectTopic, Topic: "flink.isolated"}, "direct": {Do: CollectSend}, "store": {Do: CollectSend},
	} {
		route := ruleOf(1, "route", policy.Match{Metrics: []string{"m"}})
		route.To = []string{to}
		set := teamOf(map[string]policy.Control{"a": route}, nil)
		set.Teams[0].Stream["direct"] = policy.Stream{Topics: []string{"flink.direct"}, Processed: "p", Direct: true}
		got := mustCompile(t, set).CollectAll().Rules[0]
		if got.Do != want.Do || got.Topic != want.Topic {
			t.Errorf("to %s: %+v, want %+v", to, got, want)
		}
	}
}

func BenchmarkCollectTask(b *testing.B) {
	p := mustCompile(b, manyRules(1000))
	b.ReportAllocs()
	size := 0
	for i := 0; b.Loop(); i++ {
		size = len(p.CollectTask(fmt.Sprint("t-", i), "pay").Encode("r"))
	}
	b.ReportMetric(float64(size), "bytes")
}
