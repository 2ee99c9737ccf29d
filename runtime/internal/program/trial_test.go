package program

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func classify(_, name string) metric.Origin {
	if strings.HasPrefix(name, "num") {
		return metric.Native
	}
	return metric.Custom
}

// trialSet has a rule of every kind that tests must show.
func trialSet(tests map[string]policy.Test) *policy.Set {
	metrics := func(m ...string) policy.Match { return policy.Match{Metrics: m} }
	return &policy.Set{Teams: []policy.Team{{
		Name: "x",
		Sink: map[string]policy.Sink{"archive": {}},
		Task: map[string]policy.Task{"quiet": taskOf(false, "", nil, "quiet")},
		Control: map[string]policy.Control{
			"debug":  {Ordered: inForce(1, metrics("*debug*")), Tier: "guard", Action: "drop"},
			"custom": {Ordered: inForce(2, policy.Match{Origin: []string{"custom"}, Metrics: []string{"c_*"}}), Tier: "tenant", Action: "drop"},
			"last":   {Ordered: inForce(3, metrics("last")), Tier: "tenant", Action: "thin", Every: "1m", Pick: "last"},
			"first":  {Ordered: inForce(3, metrics("first")), Tier: "tenant", Action: "thin", Every: "1m", Pick: "first"},
			"task":   {Ordered: inForce(4, metrics("task")), Tier: "tenant", Action: "limit", Rate: 1, Per: "task"},
			"rule":   {Ordered: inForce(4, metrics("rule")), Tier: "tenant", Action: "limit", Rate: 1, Per: "rule"},
			"series": {Ordered: inForce(4, metrics("series")), Tier: "tenant", Action: "limit", Rate: 1, Per: "series"},
			"half":   {Ordered: inForce(5, metrics("half")), Tier: "tenant", Action: "sample", Rate: 1e-9, By: "record"},
			"away":   {Ordered: inForce(6, metrics("away")), Tier: "tenant", Action: "route", To: []string{"archive"}},
		},
		Rewrite: map[string]policy.Rewrite{
			"double": {Ordered: inForce(1, metrics("last")), Action: "scale", Factor: 2},
			"zone":   {Ordered: inForce(2, policy.Match{Labels: map[string][]string{"zone": {"?*"}}}), Action: "drop-labels", Labels: []string{"zone"}},
		},
		Test: tests,
	}}}
}

func gauge(task, name, at string, value float64, labels ...string) policy.TestInput {
	in := policy.TestInput{Task: task, Metric: name, Kind: "gauge", Value: value, At: at, Labels: map[string]string{}}
	for i := 0; i < len(labels); i += 2 {
		in.Labels[labels[i]] = labels[i+1]
	}
	return in
}

func comes(task, name string, value float64, labels ...string) policy.TestSeries {
	out := policy.TestSeries{Task: task, Metric: name, Value: &value, Labels: map[string]string{}}
	for i := 0; i < len(labels); i += 2 {
		out.Labels[labels[i]] = labels[i+1]
	}
	return out
}

func TestRunTestsPasses(t *testing.T) {
	routed := comes("t", "away", 1)
	routed.To = []string{"archive"}
	scoped := gauge("t", "num.x", "0s", 1)
	scoped.Scope = "taskmanager.job"
	set := trialSet(map[string]policy.Test{
		"everything": {
			Given: []policy.TestInput{
				gauge("t", "x_debug", "0s", 1), gauge("quiet", "up", "0s", 1), gauge("t", "c_x", "0s", 1), scoped,
				gauge("t", "last", "1s", 1), gauge("t", "last", "59s", 2), gauge("t", "last", "61s", 3),
				gauge("t", "first", "1s", 1), gauge("t", "first", "2s", 2),
				gauge("t", "task", "0s", 1, "s", "0"), gauge("t", "task", "0s", 1, "s", "1"), gauge("u", "task", "0s", 1, "s", "0"),
				gauge("t", "rule", "0s", 1), gauge("u", "rule", "0s", 1),
				gauge("t", "series", "0s", 1, "s", "0"), gauge("t", "series", "0s", 1, "s", "1"),
				gauge("t", "half", "0s", 1), gauge("t", "away", "0s", 1),
				gauge("t", "up", "0s", 7, "zone", "a", "host", "h"),
			},
			Expect: policy.TestExpect{
				Kept: []policy.TestSeries{
					comes("t", "flink_taskmanager_job_num_x", 1), comes("t", "last", 6), comes("t", "first", 1),
					comes("t", "task", 1, "s", "0"), comes("u", "task", 1, "s", "0"), comes("t", "rule", 1),
					comes("t", "series", 1, "s", "0"), comes("t", "series", 1, "s", "1"), routed, comes("t", "up", 7, "host", "h"),
				},
				Dropped: []policy.TestDropped{
					{Metric: "x_debug", By: "debug"}, {Metric: "x_debug", Task: "t", By: "x/debug"}, {Metric: "up", By: "quiet"},
					{Metric: "c_x", By: "custom"}, {Metric: "task", By: "task"}, {Metric: "rule", Task: "u", By: "rule"}, {Metric: "half", By: "half"},
				},
			},
		},
		"only-dropped": {
			Given:  []policy.TestInput{gauge("t", "x_debug", "", 1), gauge("t", "up", "", 1)},
			Expect: policy.TestExpect{Dropped: []policy.TestDropped{{Metric: "x_debug", By: "debug"}}},
		},
	})
	p := mustCompile(t, set)
	results := RunTests(p, set, classify)
	if len(results) != 2 || results[0].ID != "x/everything" {
		t.Fatalf("results %+v", results)
	}
	for _, r := range results {
		if len(r.Failures) > 0 {
			t.Errorf("%s: %q", r.ID, r.Failures)
		}
	}
	if got, want := len(results[0].Covered), len(p.Rules()); got != want {
		t.Errorf("the test covers %d of %d rules", got, want)
	}
	if got := results[1].Covered; len(got) != 1 || p.Rules()[got[0]].ID != "x/debug" {
		t.Errorf("the second test covers %v", got)
	}
}

func TestRunTestsFails(t *testing.T) {
	away := comes("t", "away", 1)
	away.To = []string{"store"}
	up := []policy.TestInput{gauge("t", "up", "0s", 7), gauge("t", "x_debug", "0s", 7), gauge("t", "away", "0s", 1)}
	for _, tt := range []struct {
		given []policy.TestInput
		want  policy.TestExpect
		fails []string
	}{
		{up[:1], policy.TestExpect{Kept: []policy.TestSeries{comes("t", "up", 8)}},
			[]string{`up{torrent_task_id="t"} has the value 7, not 8`}},
		{up[:2], policy.TestExpect{Kept: []policy.TestSeries{comes("t", "up", 7, "a", "1"), comes("t", "x_debug", 7)}}, []string{
			`up{a="1", torrent_task_id="t"} did not come out; up{torrent_task_id="t"} did`,
			`x_debug{torrent_task_id="t"} did not come out; it ended as dropped (rule x/debug)`,
			`up{torrent_task_id="t"} came out and is not among kept`}},
		{up[:1], policy.TestExpect{Kept: []policy.TestSeries{}},
			[]string{`up{torrent_task_id="t"} came out and is not among kept`}},
		{up[2:], policy.TestExpect{Kept: []policy.TestSeries{away}},
			[]string{`away{torrent_task_id="t"} goes to [archive], not to [store]`}},
		{up, policy.TestExpect{Dropped: []policy.TestDropped{{Metric: "up", By: "debug"}, {Metric: "x_debug", By: "custom"}, {Metric: "gone", By: "debug"}, {Metric: "away", By: "away"}}}, []string{
			"up is not stopped by x/debug: it came out",
			"x_debug is not stopped by x/custom: it ended as dropped (rule x/debug)",
			"gone is not stopped by x/debug: it was not given",
			"away is not stopped by x/away: it came out (rule x/away)"}},
		{[]policy.TestInput{{Metric: "m", Kind: "timer"}, gauge("t", "m", "soon", 1)}, policy.TestExpect{}, []string{
			`given[0]: kind "timer" is none of counter, gauge, meter, histogram`,
			`given[1]: at: "soon" is not a duration such as 500ms, 5m or 1h30m`}},
	} {
		set := trialSet(map[string]policy.Test{"a": {Given: tt.given, Expect: tt.want}})
		p, findings := Compile(set, Options{Provenance: policy.NewProvenance(map[string]diag.Pos{"x.test.a": {File: "a_test.cue", Line: 9}})})
		if p == nil {
			t.Fatal(findings)
		}
		r := RunTests(p, set, classify)[0]
		if diff := cmp.Diff(tt.fails, messages(r.Failures)); diff != "" {
			t.Error(diff)
		}
		if r.Pos.Line != 9 {
			t.Errorf("the test is at %v", r.Pos)
		}
	}
}

func messages(failures []Failure) (out []string) {
	for _, f := range failures {
		out = append(out, f.String())
	}
	return out
}

func TestATestSaysWhichStepIsInForce(t *testing.T) {
	given := []policy.TestInput{gauge("t", "x_debug", "0s", 1), gauge("t", "x_debug", "1s", 2), gauge("t", "up", "0s", 7)}
	set := &policy.Set{Teams: []policy.Team{{Name: "x", Degrade: map[string]policy.Degrade{
		"debug": {Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*_debug"}}},
			Priority: "P2", Action: "drop", Back: "1m", When: policy.DegradeWhen{Memory: "90%"}},
	}}}}
	p := mustCompile(t, set)
	for step, word := range map[string]string{"": "out", "P0": "out", "P3": "out", "P2": "shed", "P1": "shed"} {
		test := policy.Test{Step: step, Given: given, Expect: policy.TestExpect{Samples: []string{word, word, "out"}}}
		if word == "shed" {
			test.Expect.Dropped = []policy.TestDropped{{Metric: "x_debug", By: "debug"}}
		}
		r := p.TryTest(&test, "x", classify)
		if len(r.Failures) > 0 || (len(r.Covered) == 1) != (word == "shed") {
			t.Errorf("at %q: %v, covered %v", step, r.Failures, r.Covered)
		}
	}
	r := p.TryTest(&policy.Test{Step: "P4", Given: given}, "x", classify)
	if len(r.Failures) != 1 || r.Failures[0].Message != `step "P4" is none of P0, P1, P2, P3` {
		t.Errorf("a step that there is not: %v", r.Failures)
	}
}

// What is counted together does not depend on how rules and tasks are called.
func TestATestKeepsRulesApart(t *testing.T) {
	limit := func(name string) policy.Control {
		return policy.Control{Ordered: inForce(1, policy.Match{Metrics: []string{name}}), Tier: "tenant", Action: "limit", Rate: 1, Per: "task"}
	}
	rules := map[string]policy.Control{}
	for i := range 12 { // the rules 1 and 11 of tasks "1x" and "x"
		rules[string(rune('a'+i))] = limit("m" + string(rune('a'+i)))
	}
	for name, tt := range map[string]struct {
		team   policy.Team
		given  []policy.TestInput
		expect policy.TestExpect
	}{
		"limits": {
			team:   policy.Team{Control: rules},
			given:  []policy.TestInput{gauge("1x", "mb", "0s", 1), gauge("x", "ml", "0s", 1)},
			expect: policy.TestExpect{Samples: []string{"out", "out"}},
		},
		"an aggregate and a budget of one name": {
			team: policy.Team{
				Aggregate: map[string]policy.Aggregate{"same": {Ordered: inForce(1, policy.Match{Metrics: []string{"sum"}}), Keep: []string{metric.TaskLabel}, Gauge: "sum", Window: "10m", Late: "0s"}},
				Budget:    map[string]policy.Budget{"same": {Ordered: inForce(1, policy.Match{Metrics: []string{"many"}}), Per: "task", Series: 1, Overflow: "merge"}},
			},
			given: []policy.TestInput{
				gauge("t", "sum", "0s", 1), gauge("t", "many", "0s", 1, "s", "0"),
				gauge("t", "many", "30s", 2, "s", "1"), gauge("t", "many", "90s", 3, "s", "1"),
			},
			expect: policy.TestExpect{Kept: []policy.TestSeries{comes("t", "sum", 1), comes("t", "many", 1, "s", "0"), comes("t", "many", 3, OverflowLabel, "x/same")}},
		},
	} {
		tt.team.Name = "x"
		p := mustCompile(t, &policy.Set{Teams: []policy.Team{tt.team}})
		if r := p.TryTest(&policy.Test{Given: tt.given, Expect: tt.expect}, "x", classify); len(r.Failures) > 0 {
			t.Errorf("%s: %v", name, r.Failures)
		}
	}
}
