package program

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Why and Reach say of a rule what the interpreter does with it, and Rewrite does
// what the interpreter does.
func TestWhyReachAndRewriteAgreeWithTheInterpreter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, findings := Compile(drawSet(t), Options{})
		if p == nil {
			t.Fatal(findings)
		}
		in := drawInput(t)
		v, events := p.Explain(in)
		for _, e := range events {
			if p.rules[e.Rule].Section == SectionTask {
				continue
			}
			why := p.Why(e.Rule, in)
			if (why == "") != (e.Mismatch == "") {
				t.Fatalf("rule %d: why %q, but the interpreter says %q", e.Rule, why, e.Mismatch)
			}
			switch reach := p.Reach(e.Rule, in.Name, in.Kind, in.Origin); {
			case p.rules[e.Rule].Inert != "":
			case why == "" && reach == MatchesNone, why != "" && reach == MatchesAll:
				t.Fatalf("rule %d reaches %d, but why is %q", e.Rule, reach, why)
			}
		}
		name, labels, _ := p.Rewrite(in)
		if v.Disposition == ledger.Out && (v.Name != name || !slices.Equal(v.Labels, labels)) {
			t.Fatalf("Rewrite gives %s%s, Decide %s%s", name, labels, v.Name, v.Labels)
		}
	})
}

func TestWhy(t *testing.T) {
	unless := inForce(1, everyMetric)
	unless.Unless = &policy.Match{Metrics: []string{"u*"}, Labels: map[string][]string{"zone": {""}}}
	off := inForce(1, everyMetric)
	off.Enabled = false
	drop := func(o policy.Ordered) policy.Control {
		return policy.Control{Ordered: o, Tier: "tenant", Action: "drop"}
	}
	match := func(m policy.Match) policy.Control { return drop(inForce(1, m)) }
	set := &policy.Set{Teams: []policy.Team{
		{Name: "order", Control: map[string]policy.Control{"own": match(everyMetric)}},
		{Name: "platform", Control: map[string]policy.Control{
			"a": match(policy.Match{Metrics: []string{"a", "b*", "*c", "*d*", "e?*"}}), "b": match(policy.Match{Kinds: []string{"meter", "counter"}}),
			"c": match(policy.Match{Origin: []string{"sql"}}), "d": match(policy.Match{Tasks: []string{"pay-*"}}),
			"e": match(policy.Match{Labels: map[string][]string{"host": {"h1"}}}), "f": match(policy.Match{Labels: map[string][]string{"rack": {"?*"}}}),
			"g": match(policy.Match{Tags: map[string][]string{"tier": {"gold"}}}), "h": drop(unless), "i": drop(off), "j": match(everyMetric),
		}},
	}}
	p := mustCompile(t, set)
	in := series("up", "host", "h")
	got := map[string]string{}
	for i, r := range p.Rules() {
		got[string(r.ID)] = p.Why(int32(i), in)
	}
	want := map[string]string{
		"order/own":  "no entry gives the task to team order",
		"platform/a": `metric matches none of ["a", "b*", "*c", "*d*", and 1 more]`,
		"platform/b": "kind gauge is none of counter, meter",
		"platform/c": "origin native is none of sql",
		"platform/d": `task matches none of ["pay-*"]`,
		"platform/e": `label host is "h" and matches none of ["h1"]`,
		"platform/f": `there is no label rack, and it must match ["?*"]`,
		"platform/g": `there is no tag tier, and it must match ["gold"]`,
		"platform/h": `unless: metrics ["u*"], labels.zone [""]`,
		"platform/i": "disabled",
		"platform/j": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTaskSaysWhereTagsComeFrom(t *testing.T) {
	set := &policy.Set{Teams: []policy.Team{
		{Name: "platform", Task: map[string]policy.Task{"gold": taskOf(true, "", map[string]string{"tier": "gold", "team": "order"}, "order-*")}},
		{Name: "order", Task: map[string]policy.Task{
			"all": taskOf(true, "", map[string]string{"tier": "bronze", "owner": "ada"}, "order-*"), "old": taskOf(false, "", nil, "*-old")}},
	}}
	p := mustCompile(t, set)
	got := p.Task("order-old", "")
	rules := p.Rules()
	for i, want := range []struct{ tag, by string }{{"owner=ada", "order/all"}, {"team=order", "platform/gold"}, {"tier=gold", "platform/gold"}} {
		if tag := got.Tags[i]; tag.Name+"="+tag.Value != want.tag || string(rules[tag.Rule].ID) != want.by {
			t.Errorf("tag %d is %s=%s by %s, want %v", i, tag.Name, tag.Value, rules[tag.Rule].ID, want)
		}
	}
	if len(got.Tags) != 3 || got.Disabled == NoRule || rules[got.Disabled].ID != "order/old" {
		t.Errorf("%+v", got)
	}
	if none := p.Task("pay-1", ""); len(none.Tags) != 0 || none.Disabled != NoRule {
		t.Errorf("of a task of nobody: %+v", none)
	}
}

// Taking rewrites back finds what they may have been applied to.
func TestPreimages(t *testing.T) {
	rewrites := map[string]policy.Rewrite{
		"name":  {Ordered: inForce(1, policy.Match{Metrics: []string{"old", "older_*"}}), Action: "rename-metric", To: "new"},
		"label": {Ordered: inForce(2, everyMetric), Action: "rename-label", From: "host", To: "node"},
		"map":   {Ordered: inForce(3, everyMetric), Action: "map-value", Label: "dc", Map: map[string]string{"1": "east", "2": "east", "3": "west"}},
		"set":   {Ordered: inForce(4, everyMetric), Action: "set-label", Label: "env", Value: "prod"},
		"short": {Ordered: inForce(5, everyMetric), Action: "short-id", Label: "task_name", Length: 8},
	}
	set := &policy.Set{Teams: []policy.Team{{Name: "x", Rewrite: rewrites}}}
	p := mustCompile(t, set)
	in := Input{Task: "t-1", Name: "older_a", Kind: metric.Gauge, Origin: metric.Custom,
		Labels: labelsOf("host", "h", "dc", "2", "task_name", "Source")}
	name, labels, _ := p.Rewrite(in)
	known := Lookup{Names: []string{"older_a", "unrelated"}, Value: func(id string) (string, bool) { return "Source", id == labels.Get("task_name") }}
	found := false
	for _, pre := range p.Preimages(set, name, labels, known) {
		found = found || pre.Name == in.Name && slices.Equal(pre.Labels, in.Labels)
	}
	if !found {
		t.Errorf("%s%s is not among the preimages of %s%s", in.Name, in.Labels, name, labels)
	}
	if got := p.Makes(set, "task_name"); len(got) != 1 || p.Rules()[got[0]].ID != "x/short" {
		t.Errorf("task_name is made by %v", got)
	}
	many := p.Preimages(set, name, labels, Lookup{Names: make([]string, 10_000)})
	if len(many) > maxPreimages {
		t.Errorf("%d preimages, the most is %d", len(many), maxPreimages)
	}
}

func TestCoverage(t *testing.T) {
	given := []policy.TestInput{gauge("t", "x_debug", "0s", 1)}
	set := trialSet(map[string]policy.Test{"a": {Given: given}})
	p := mustCompile(t, set)
	c := p.Cover(RunTests(p, set, classify))
	want := []SectionCoverage{{SectionControl, 9, 1}, {SectionRewrite, 2, 0}, {SectionTask, 1, 0}}
	if diff := cmp.Diff(want, c.Sections); diff != "" {
		t.Error(diff)
	}
	if len(c.Unused) != 11 || int(c.Percent()) != 8 {
		t.Errorf("%d unused, %v percent", len(c.Unused), c.Percent())
	}
	if none := (&Coverage{}); none.Percent() != 100 {
		t.Errorf("of no rules, %v percent are exercised", none.Percent())
	}
}

// Each sample has a decision, and expectations that are made of what was seen hold.
func TestSeen(t *testing.T) {
	given := []policy.TestInput{
		gauge("t", "x_debug", "0s", 1, "a", "1"), gauge("t", "x_debug", "0s", 1, "a", "2"), gauge("quiet", "up", "0s", 1),
		gauge("t", "last", "1s", 1), gauge("t", "last", "59s", 2), gauge("t", "last", "61s", 3),
		gauge("t", "series", "0s", 1), gauge("t", "series", "0s", 1), gauge("t", "half", "0s", 1), gauge("t", "away", "0s", 4),
	}
	samples := []string{"dropped", "dropped", "disabled", "thinned", "out", "out", "out", "limited", "sampled", "out"}
	dropped := []policy.TestDropped{{Metric: "x_debug", Labels: map[string]string{"a": "2"}, By: "debug"}, {Metric: "x_debug", Labels: map[string]string{"a": "3"}, By: "debug"}}
	set := trialSet(map[string]policy.Test{"a": {Given: given, Expect: policy.TestExpect{Samples: samples, Dropped: dropped}}})
	p := mustCompile(t, set)
	r := RunTests(p, set, classify)[0]
	if got := messages(r.Failures); len(got) != 1 || got[0] != "x_debug is not stopped by x/debug: it was not given" {
		t.Errorf("failures %q", got)
	}
	if diff := cmp.Diff(samples, r.Seen.Samples); diff != "" {
		t.Error(diff)
	}
	again := p.TryTest(&policy.Test{Given: given, Expect: r.Seen}, "x", classify)
	if len(again.Failures) > 0 {
		t.Errorf("what was seen does not hold: %q", messages(again.Failures))
	}
	short := p.TryTest(&policy.Test{Given: given, Expect: policy.TestExpect{Samples: samples[1:]}}, "x", classify)
	if got := messages(short.Failures); len(got) != 1 || got[0] != "samples has 9 words, but 10 samples are given" {
		t.Errorf("failures %q", got)
	}
	samples[4] = "thinned"
	wrong := p.TryTest(&policy.Test{Given: given, Expect: policy.TestExpect{Samples: samples}}, "x", classify)
	if got := messages(wrong.Failures); len(got) != 1 || got[0] != "given[4], last, is out, not thinned (rule x/last)" {
		t.Errorf("failures %q", got)
	}
}
