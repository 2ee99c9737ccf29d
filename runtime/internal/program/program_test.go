package program

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// labelsOf builds labels from names and values in turn.
func labelsOf(pairs ...string) metric.Labels {
	var l metric.Labels
	for i := 0; i < len(pairs); i += 2 {
		l = l.Set(pairs[i], pairs[i+1])
	}
	return l
}

// everyMetric selects all series.
var everyMetric = policy.Match{Metrics: []string{"*"}}

// inForce is what a control rule or rewrite has that is in force.
func inForce(order int, m policy.Match) policy.Ordered {
	return policy.Ordered{Enabled: true, Order: order, Match: m}
}

func mustCompile(t testing.TB, set *policy.Set) *Program {
	t.Helper()
	p, findings := Compile(set, Options{Today: time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)})
	if len(findings) > 0 {
		t.Fatalf("findings: %v", findings)
	}
	return p
}

// decide decides by way of both filters, as the engine does.
func decide(p *Program, in Input) Verdict {
	return p.Decide(in, p.ByName(in.Name, in.Kind, in.Origin), p.BySource(in.Task, in.Labels))
}

func ruleID(p *Program, v Verdict) string {
	if v.Rule == NoRule {
		return ""
	}
	return string(p.Rules()[v.Rule].ID)
}

func series(name string, pairs ...string) Input {
	return Input{Task: "t-1", Name: name, Kind: metric.Gauge, Origin: metric.Native,
		Labels: labelsOf(append(pairs, metric.TaskLabel, "t-1")...)}
}

func TestControlOrder(t *testing.T) {
	rule := func(tier string, order int, action string, metrics ...string) policy.Control {
		return policy.Control{Ordered: inForce(order, policy.Match{Metrics: metrics}), Tier: tier, Action: action}
	}
	off := rule("guard", 0, "drop", "*")
	off.Enabled = false
	over := rule("guard", 0, "drop", "*")
	over.Expires = "2026-11-22"
	lasts := rule("tenant", 300, "drop", "expiring")
	lasts.Expires = "2026-11-23"
	unless := rule("tenant", 5, "drop", "u*")
	unless.Unless = &policy.Match{Metrics: []string{"up"}}
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{Name: "x", Control: map[string]policy.Control{
		"a-default": rule("default", 0, "drop", "*"),
		"z-guard":   rule("guard", 900, "drop", "both"),
		"keep-b":    rule("tenant", 20, "keep", "ab", "b*"),
		"drop-a":    rule("tenant", 10, "drop", "a*"),
		"drop-b":    rule("tenant", 20, "drop", "?b"),
		"off":       off,
		"over":      over,
		"lasts":     lasts,
		"unless":    unless,
	}}}})
	for name, want := range map[string]string{
		"both": "x/z-guard", "ab": "x/drop-a", "bb": "x/drop-b", "b": "x/keep-b", "c": "x/a-default",
		"expiring": "x/lasts", "under": "x/unless", "up": "x/a-default",
	} {
		v := decide(p, series(name))
		if got := ruleID(p, v); got != want {
			t.Errorf("%s is decided by %q, want %q", name, got, want)
		}
		if wantOut := strings.Contains(want, "keep"); (v.Disposition == ledger.Out) != wantOut {
			t.Errorf("%s ends as %s", name, v.Disposition)
		}
	}
	var inert []string
	for _, r := range p.Rules() {
		if r.Inert != "" {
			inert = append(inert, string(r.ID)+": "+r.Inert)
		}
	}
	if want := []string{"x/off: disabled", "x/over: expired on 2026-11-22"}; !slices.Equal(inert, want) {
		t.Errorf("inert rules %q, want %q", inert, want)
	}
}

func TestWithoutRules(t *testing.T) {
	p := mustCompile(t, &policy.Set{})
	in := series("flink_x", "a", "1", "empty", "")
	want := Verdict{Rule: NoRule, Name: "flink_x", Labels: labelsOf("a", "1", metric.TaskLabel, "t-1"), Scale: 1}
	if diff := cmp.Diff(want, decide(p, in)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, p.Decide(in, Filter{}, Filter{})); diff != "" {
		t.Error(diff)
	}
}

func TestEverySelector(t *testing.T) {
	in := Input{Task: "t-9", Name: "flink_x", Kind: metric.Meter, Origin: metric.Custom,
		Labels: labelsOf(metric.TaskLabel, "t-9", "job_name", "orders", "host", "h1", "subtask_index", "3")}
	for _, tt := range []struct {
		match policy.Match
		want  string // condition that does not hold
	}{
		{policy.Match{Metrics: []string{"y", "flink_?"}}, ""},
		{policy.Match{Metrics: []string{"flink"}}, "metrics"},
		{policy.Match{Tasks: []string{"t-*"}}, ""},
		{policy.Match{Tasks: []string{"orders"}}, ""},
		{policy.Match{Tasks: []string{"h1", ""}}, "tasks"},
		{policy.Match{Kinds: []string{"gauge", "meter"}}, ""},
		{policy.Match{Kinds: []string{"gauge"}}, "kinds"},
		{policy.Match{Origin: []string{"custom"}}, ""},
		{policy.Match{Origin: []string{"native", "sql", "system", "event"}}, "origin"},
		{policy.Match{Labels: map[string][]string{"host": {"h2", "h1"}, "zone": {""}}}, ""},
		{policy.Match{Labels: map[string][]string{"host": {"h2"}}}, "labels.host"},
		{policy.Match{Labels: map[string][]string{"host": {"*"}, "zone": {"?*"}}}, "labels.zone"},
		{policy.Match{Labels: map[string][]string{"subtask_index": {"3"}}}, ""},
		{policy.Match{Labels: map[string][]string{"subtask_index": {"4"}}}, "labels.subtask_index"},
		{policy.Match{Tags: map[string][]string{"tier": {"gold"}, "owner": {""}}}, ""},
		{policy.Match{Tags: map[string][]string{"tier": {"silver"}}}, "tags.tier"},
	} {
		p := mustCompile(t, &policy.Set{Teams: []policy.Team{{
			Name:    "x",
			Task:    map[string]policy.Task{"orders": {Match: policy.TaskMatch{Tasks: []string{"orders"}}, Enabled: true, Tags: map[string]string{"tier": "gold"}}},
			Control: map[string]policy.Control{"a": {Ordered: inForce(1, tt.match), Tier: "tenant", Action: "drop"}},
		}}})
		v := decide(p, in)
		if got := v.Disposition == ledger.Dropped; got != (tt.want == "") {
			t.Errorf("%+v matches: %t", tt.match, got)
		}
		_, events := p.Explain(in)
		if len(events) != 1 || events[0].Mismatch != tt.want {
			t.Errorf("%+v: events %+v, want mismatch %q", tt.match, events, tt.want)
		}
	}
}

func TestActions(t *testing.T) {
	m := inForce(1, everyMetric)
	for name, tt := range map[string]struct {
		rule policy.Control
		want Verdict
	}{
		"keep":   {policy.Control{Action: "keep"}, Verdict{}},
		"thin":   {policy.Control{Action: "thin", Every: "1m30s", Pick: "max"}, Verdict{Step: Step{Kind: ThinStep, Every: 90 * time.Second, Pick: Max}}},
		"limit":  {policy.Control{Action: "limit", Rate: 2.5, Per: "task"}, Verdict{Step: Step{Kind: LimitStep, Rate: 2.5, Per: PerTask}}},
		"sinks":  {policy.Control{Action: "route", To: []string{"archive", "store"}}, Verdict{To: []string{"archive", "store"}}},
		"stream": {policy.Control{Action: "route", To: []string{"bulk"}}, Verdict{Topic: "bulk.processed"}},
		"both":   {policy.Control{Action: "route", To: []string{"bulk", "store"}}, Verdict{Topic: "bulk.processed", To: []string{"store"}}},
	} {
		tt.rule.Ordered, tt.rule.Tier = m, "tenant"
		p := mustCompile(t, &policy.Set{Teams: []policy.Team{{
			Name:    "x",
			Stream:  map[string]policy.Stream{"bulk": {Processed: "bulk.processed"}},
			Sink:    map[string]policy.Sink{"store": {}, "archive": {}},
			Control: map[string]policy.Control{name: tt.rule},
		}}})
		tt.want.Name, tt.want.Labels, tt.want.Scale = "m", labelsOf(metric.TaskLabel, "t-1"), 1
		if diff := cmp.Diff(tt.want, decide(p, series("m"))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSampleKeepsWholeSeriesAcrossRestarts(t *testing.T) {
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{
		Name:    "x",
		Control: map[string]policy.Control{"some": {Ordered: inForce(1, everyMetric), Tier: "tenant", Action: "sample", Rate: 0.25, By: "series"}},
		Rewrite: map[string]policy.Rewrite{"attempts": {Ordered: inForce(1, everyMetric), Action: "drop-labels", Labels: []string{"task_attempt_*"}}},
	}}})
	kept := 0
	for i := range 4000 {
		name := strings.Repeat("n", i%80) + string(rune('a'+i/80))
		first := decide(p, series("m", "task_name", name, "task_attempt_num", "0", "host", "a"))
		if first.Disposition == ledger.Out {
			kept++
		} else if first.Disposition != ledger.Sampled || first.Rule != 0 || first.Labels != nil {
			t.Fatalf("verdict %+v", first)
		}
		if first.Step != (Step{}) {
			t.Fatalf("a sampled series has the step %+v", first.Step)
		}
		again := decide(p, series("m", "task_name", name, "task_attempt_num", "1", "task_attempt_id", "x", "host", "b", "tm_id", "tm-2", "job_id", "j"))
		if again.Disposition != first.Disposition {
			t.Fatalf("series of task %s: %s, after a restart %s", name, first.Disposition, again.Disposition)
		}
	}
	if kept < 900 || kept > 1100 {
		t.Errorf("a quarter of 4000 series: %d", kept)
	}
}

func TestSampleByRecord(t *testing.T) {
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{
		Name:    "x",
		Control: map[string]policy.Control{"some": {Ordered: inForce(1, everyMetric), Tier: "tenant", Action: "sample", Rate: 0.5, By: "record"}},
	}}})
	a, b := decide(p, series("m", "task_name", "a")), decide(p, series("m", "task_name", "b"))
	if a.Step.Kind != SampleStep || a.Step.Share != 1<<63 || a.Step.Seed == b.Step.Seed {
		t.Errorf("steps %+v and %+v", a.Step, b.Step)
	}
}

func TestFindings(t *testing.T) {
	control := func(c policy.Control) *policy.Set {
		c.Ordered, c.Tier = inForce(1, everyMetric), "tenant"
		return &policy.Set{Teams: []policy.Team{{Name: "x", Control: map[string]policy.Control{"a": c}}}}
	}
	rewrite := func(r policy.Rewrite) *policy.Set {
		r.Ordered = inForce(1, everyMetric)
		return &policy.Set{Teams: []policy.Team{{Name: "x", Rewrite: map[string]policy.Rewrite{"a": r}}}}
	}
	matching := func(m policy.Match) *policy.Set {
		return &policy.Set{Teams: []policy.Team{{Name: "x", Control: map[string]policy.Control{
			"a": {Ordered: inForce(1, m), Tier: "tenant", Action: "keep"}}}}}
	}
	twoStreams := control(policy.Control{Action: "route", To: []string{"s", "t"}})
	twoStreams.Teams[0].Stream = map[string]policy.Stream{"s": {Processed: "a"}, "t": {Processed: "b"}}
	for name, tt := range map[string]struct {
		set  *policy.Set
		code diag.Code
		path string
	}{
		"pattern": {matching(policy.Match{Metrics: []string{"re:("}}), diag.BadPattern, "x.control.a.match.metrics"},
		"label":   {matching(policy.Match{Labels: map[string][]string{"l": {"re:["}}}), diag.BadPattern, "x.control.a.match.labels.l"},
		"kind":    {matching(policy.Match{Kinds: []string{"timer"}}), diag.BadValue, "x.control.a.match.kinds"},
		"origin":  {matching(policy.Match{Origin: []string{"alien"}}), diag.BadValue, "x.control.a.match.origin"},
		"action":  {control(policy.Control{Action: "shred"}), diag.BadValue, "x.control.a.action"},
		"tier": {&policy.Set{Teams: []policy.Team{{Name: "x", Control: map[string]policy.Control{
			"a": {Ordered: inForce(1, everyMetric), Tier: "boss", Action: "keep"}}}}}, diag.BadValue, "x.control.a.tier"},
		"rate":         {control(policy.Control{Action: "sample", Rate: 1}), diag.BadValue, "x.control.a.rate"},
		"no rate":      {control(policy.Control{Action: "limit"}), diag.BadValue, "x.control.a.rate"},
		"per":          {control(policy.Control{Action: "limit", Rate: 1, Per: "day"}), diag.BadValue, "x.control.a.per"},
		"every":        {control(policy.Control{Action: "thin", Every: "1s2m"}), diag.BadQuantity, "x.control.a.every"},
		"zero":         {control(policy.Control{Action: "thin", Every: "0s"}), diag.BadQuantity, "x.control.a.every"},
		"pick":         {control(policy.Control{Action: "thin", Every: "1s", Pick: "any"}), diag.BadValue, "x.control.a.pick"},
		"sink":         {control(policy.Control{Action: "route", To: []string{"nowhere"}}), diag.UnknownName, "x.control.a.to"},
		"streams":      {twoStreams, diag.Conflict, "x.control.a.to"},
		"rewrite":      {rewrite(policy.Rewrite{Action: "shred"}), diag.BadValue, "x.rewrite.a.action"},
		"drop-labels":  {rewrite(policy.Rewrite{Action: "drop-labels", Labels: []string{"re:("}}), diag.BadPattern, "x.rewrite.a.labels"},
		"length":       {rewrite(policy.Rewrite{Action: "short-id", Label: "l", Length: 65}), diag.BadValue, "x.rewrite.a.length"},
		"regex":        {rewrite(policy.Rewrite{Action: "extract", From: "a", Into: "b", Regex: "a)(b"}), diag.BadPattern, "x.rewrite.a.regex"},
		"foreign team": {&policy.Set{Teams: []policy.Team{{Name: "platform"}, {Name: "x", Task: map[string]policy.Task{"a": {Tags: map[string]string{"team": "y"}}}}}}, diag.WrongTeam, "x.task.a.tags.team"},
	} {
		from := policy.NewProvenance(map[string]diag.Pos{"x.control.a": {File: "p.cue", Line: 3}, "x.rewrite.a": {File: "p.cue", Line: 4}, "x.task.a.tags": {File: "p.cue", Line: 5}})
		p, findings := Compile(tt.set, Options{Provenance: from})
		if p != nil || len(findings) != 1 {
			t.Errorf("%s: program %v, findings %v, want one", name, p != nil, findings)
			continue
		}
		if f := findings[0]; f.Code != tt.code || f.Path != tt.path || f.Pos.Line == 0 || f.Message == "" {
			t.Errorf("%s: finding %+v, want code %s at %s", name, f, tt.code, tt.path)
		}
	}
}
