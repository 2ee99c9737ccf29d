package program

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func impact(t interface {
	Helper()
	Fatal(...any)
}, before, after *policy.Set, span float64, traffic []Load) *Impact {
	t.Helper()
	changes, err := DiffRules(Written{Set: before}, Written{Set: after})
	if err != nil {
		t.Fatal(err)
	}
	compile := func(set *policy.Set) *Program {
		p, found := Compile(set, Options{})
		if p == nil {
			t.Fatal(found)
		}
		return p
	}
	d := NewDiffer(compile(before), compile(after), span, changes)
	for i := range traffic {
		d.Add(&traffic[i])
	}
	return d.Impact()
}

func drawTraffic(t *rapid.T) []Load {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Load {
		return Load{Input: drawInput(t), Samples: rapid.Uint64Range(0, 100).Draw(t, "samples"),
			Seconds: float64(rapid.IntRange(0, 100).Draw(t, "seconds")), Bytes: rapid.Uint64Range(0, 9999).Draw(t, "bytes")}
	}), 0, 30).Draw(t, "traffic")
}

// A set compared with itself changes nothing, whatever the traffic.
func TestDiffWithItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, traffic := drawSet(t), drawTraffic(t)
		i := impact(t, set, set, 60, traffic)
		if i.Unchanged != len(traffic) || len(i.Moves)+len(i.Relabels)+len(i.Reroutes)+len(i.Tasks)+i.NewSeries+i.Merged != 0 || i.Lost != 0 || i.Before != i.After {
			t.Fatalf("%+v", i)
		}
		for _, s := range i.Shadowed {
			if !s.Before {
				t.Fatalf("now shadowed: %+v", s)
			}
		}
		for _, s := range i.Teams {
			if s.Before != s.After {
				t.Fatalf("team %+v", s)
			}
		}
	})
}

// What a Differ counts is what Decide says, series by series, for both sets.
func TestDiffIsDecideTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after, traffic := drawSet(t), drawSet(t), drawTraffic(t)
		got := impact(t, before, after, 60, traffic)
		old, _ := Compile(before, Options{})
		now, _ := Compile(after, Options{})
		want := Impact{Unchanged: 0}
		reported, wasOut, isOut := map[string]bool{}, map[string]bool{}, map[string]bool{}
		moved, relabelled, nOld, nNow := 0, 0, 0, 0
		for _, l := range traffic {
			a, b := old.Decide(l.Input, Filter{}, Filter{}), now.Decide(l.Input, Filter{}, Filter{})
			reported[l.Name+l.Labels.String()] = true
			rate := float64(l.Samples) / 60
			if l.Seconds > 0 {
				rate = float64(l.Samples) / l.Seconds
			}
			want.Reported.Samples += rate
			if a.Disposition == ledger.Out {
				wasOut[a.Name+a.Labels.String()] = true
				want.Before.Samples += rate
				nOld++
			}
			if b.Disposition == ledger.Out {
				isOut[b.Name+b.Labels.String()] = true
				want.After.Samples += rate
				nNow++
			} else if a.Disposition == ledger.Out {
				want.Lost += rate
			}
			same := a.Disposition == b.Disposition
			if !same {
				moved++
			} else if a.Disposition == ledger.Out && (a.Name != b.Name || a.Scale != b.Scale || !slices.Equal(a.Labels, b.Labels)) {
				relabelled++
				same = false
			}
			if same {
				want.Unchanged++
			}
		}
		for id := range isOut {
			if !wasOut[id] {
				want.NewSeries++
			}
		}
		want.Reported.Series, want.Before.Series, want.After.Series = len(reported), len(wasOut), len(isOut)
		want.Merged = max(0, nNow-len(isOut)-(nOld-len(wasOut)))
		gotMoved, gotRelabelled := 0, 0
		for _, m := range got.Moves {
			gotMoved += m.Series
		}
		for _, r := range got.Relabels {
			gotRelabelled += r.Series
		}
		if gotMoved != moved || gotRelabelled != relabelled {
			t.Fatalf("moved %d, want %d; relabelled %d, want %d", gotMoved, moved, gotRelabelled, relabelled)
		}
		core := Impact{Reported: got.Reported, Unchanged: got.Unchanged, Before: got.Before, After: got.After, Lost: got.Lost, NewSeries: got.NewSeries, Merged: got.Merged}
		if d := cmp.Diff(want, core, cmpopts.EquateApprox(0, 1e-6), cmpopts.IgnoreFields(Volume{}, "Bytes")); d != "" {
			t.Fatal(d)
		}
		checkSums(t, got)
	})
}

// checkSums proves that teams add up to the total.
func checkSums(t *rapid.T, i *Impact) {
	var before, after Volume
	for _, s := range i.Teams {
		for sum, v := range map[*Volume]Volume{&before: s.Before, &after: s.After} {
			sum.Series += v.Series
			sum.Samples += v.Samples
			sum.Bytes += v.Bytes
		}
	}
	if d := cmp.Diff([2]Volume{i.Before, i.After}, [2]Volume{before, after}, cmpopts.EquateApprox(0, 1e-6)); d != "" {
		t.Fatalf("teams do not add up: %s", d)
	}
}

// The same traffic gives the same result, byte for byte.
func TestDiffIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after, traffic := drawSet(t), drawSet(t), drawTraffic(t)
		var texts [2]string
		for k := range texts {
			b, err := json.Marshal(impact(t, before, after, 60, traffic))
			if err != nil {
				t.Fatal(err)
			}
			texts[k] = string(b)
		}
		if texts[0] != texts[1] {
			t.Fatalf("%s\n%s", texts[0], texts[1])
		}
	})
}

func ruleTo(action string, order int, metrics ...string) policy.Control {
	return policy.Control{Ordered: inForce(order, policy.Match{Metrics: metrics}), Tier: "tenant", Action: action}
}

func TestDiffSteps(t *testing.T) {
	for name, c := range map[string]struct {
		rule    policy.Control
		word    string
		samples float64
		untimed float64
	}{
		"keep":           {policy.Control{Action: "keep"}, "", 4, 240},
		"drop":           {policy.Control{Action: "drop"}, "dropped", 0, 0},
		"sample":         {policy.Control{Action: "sample", Rate: 0.25, By: "record"}, "sampled to 0.25", 1, 60},
		"thin":           {policy.Control{Action: "thin", Every: "10s", Pick: "max"}, "thinned to the max of 10s", 0.4, 4},
		"thin slowly":    {policy.Control{Action: "thin", Every: "500ms"}, "thinned to the last of 500ms", 4, 4},
		"limit series":   {policy.Control{Action: "limit", Rate: 0.5}, "limited to 0.5/s per series", 2, 4},
		"limit task":     {policy.Control{Action: "limit", Rate: 3, Per: "task"}, "limited to 3/s per task", 3, 3},
		"limit rule":     {policy.Control{Action: "limit", Rate: 0.5, Per: "rule"}, "limited to 0.5/s per rule", 0.5, 1},
		"limit in vain":  {policy.Control{Action: "limit", Rate: 500, Per: "rule"}, "limited to 500/s per rule", 4, 240},
		"task is idle":   {policy.Control{Action: "keep"}, "", 4, 240},
		"whole or not":   {policy.Control{Action: "sample", Rate: 1e-18, By: "series"}, "outside the sample", 0, 0},
		"kept as before": {policy.Control{Action: "route", To: []string{"s"}}, "", 4, 240},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Ordered, c.rule.Tier = inForce(1, everyMetric), "tenant"
			sinks := map[string]policy.Sink{"s": {Type: "store"}}
			before := &policy.Set{Teams: []policy.Team{{Name: "a", Sink: sinks}}}
			after := &policy.Set{Teams: []policy.Team{{Name: "a", Sink: sinks, Control: map[string]policy.Control{"r": c.rule}}}}
			for span, want := range map[float64]float64{60: c.samples, 0: c.untimed} {
				i := impact(t, before, after, span, subtasks(4))
				if math.Abs(i.After.Samples-want) > 1e-9 {
					t.Errorf("over %g s %g samples go on, want %g", span, i.After.Samples, want)
				}
				if lost := i.Before.Samples - i.After.Samples; math.Abs(i.Lost-lost) > 1e-9 {
					t.Errorf("lost %g, want %g", i.Lost, lost)
				}
				if c.word == "" {
					if len(i.Moves) != 0 {
						t.Errorf("moves %+v", i.Moves)
					}
				} else if len(i.Moves) != 1 || i.Moves[0].From != "kept" || i.Moves[0].To != c.word || i.Moves[0].By.Rule != "a/r" {
					t.Errorf("moves %+v, want to %s", i.Moves, c.word)
				}
			}
		})
	}
}

// subtasks are n series of one metric, with one sample a second each.
func subtasks(n int) (out []Load) {
	for i := range n {
		out = append(out, Load{Input: series("m", "subtask_index", fmt.Sprint(i)), Samples: 60, Seconds: 60, Bytes: 6000})
	}
	return out
}

func TestDiffSharedOutcomes(t *testing.T) {
	ordered := inForce(1, everyMetric)
	aggregate := policy.Aggregate{Ordered: ordered, Drop: []string{"subtask_index"}, Window: "10s", Late: "0s", Gauge: "sum"}
	members := aggregate
	members.Members = "keep"
	budget := func(change func(*policy.Budget)) policy.Team {
		b := policy.Budget{Ordered: ordered, Per: "task"}
		change(&b)
		return policy.Team{Budget: map[string]policy.Budget{"r": b}}
	}
	for name, c := range map[string]struct {
		team    policy.Team
		word    string
		moved   int
		series  int
		samples float64
		lost    float64
	}{
		"aggregate":          {policy.Team{Aggregate: map[string]policy.Aggregate{"r": aggregate}}, "aggregated over 10s", 4, 1, 0.1, 0},
		"aggregate and keep": {policy.Team{Aggregate: map[string]policy.Aggregate{"r": members}}, "kept and aggregated over 10s", 4, 5, 4.1, 0},
		"budget, dropped":    {budget(func(b *policy.Budget) { b.Series, b.Overflow = 3, "drop" }), "over the budget a/r", 1, 3, 3, 1},
		"budget, merged":     {budget(func(b *policy.Budget) { b.Series, b.Overflow = 2, "merge" }), "into the overflow of a/r", 2, 3, 2 + 1.0/60, 0},
		"budget of samples":  {budget(func(b *policy.Budget) { b.SamplesPerSecond = 1 }), "kept, at most 1/s by a/r", 4, 4, 1, 3},
		"budget with room":   {budget(func(b *policy.Budget) { b.Series = 4 }), "", 0, 4, 4, 0},
		"degrade":            {policy.Team{Degrade: map[string]policy.Degrade{"r": degradeRule("P3", "*")}}, "kept, given up at P3", 4, 4, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.team.Name = "a"
			i := impact(t, &policy.Set{Teams: []policy.Team{{Name: "a"}}}, &policy.Set{Teams: []policy.Team{c.team}}, 60, subtasks(4))
			if i.After.Series != c.series || math.Abs(i.After.Samples-c.samples) > 1e-9 || math.Abs(i.Lost-c.lost) > 1e-9 {
				t.Errorf("%d series, %g samples, %g lost; want %d, %g, %g", i.After.Series, i.After.Samples, i.Lost, c.series, c.samples, c.lost)
			}
			if c.moved == 0 && len(i.Moves) == 0 {
				return
			}
			if len(i.Moves) != 1 || i.Moves[0].To != c.word || i.Moves[0].Series != c.moved {
				t.Fatalf("%+v, want %d series to %q", i.Moves, c.moved, c.word)
			}
			if by := i.Moves[0].By; by == nil || by.Rule != "a/r" {
				t.Errorf("by %+v", by)
			}
			if len(i.Idle) != 0 {
				t.Errorf("idle %+v", i.Idle)
			}
		})
	}
}

func TestDiffSaysWhatChanges(t *testing.T) {
	sinks := map[string]policy.Sink{"far": {Type: "remote-write"}, "near": {Type: "store", Default: true}}
	rewrite := func(action string) policy.Rewrite {
		return policy.Rewrite{Ordered: inForce(1, everyMetric), Action: action}
	}
	short := rewrite("short-id")
	short.Label, short.Length = "host", 8
	scale := rewrite("scale")
	scale.Factor, scale.Match = 0.001, policy.Match{Metrics: []string{"m"}}
	drop := rewrite("drop-labels")
	drop.Labels = []string{"subtask_index"}
	elsewhere := ruleTo("route", 1, "m")
	elsewhere.To = []string{"far"}
	task := taskOf(true, "", map[string]string{"team": "gold"}, "t-1")
	before := &policy.Set{Teams: []policy.Team{{Name: "platform", Sink: sinks, Task: map[string]policy.Task{"t": task},
		Control: map[string]policy.Control{"late": ruleTo("drop", 9, "x")}}}}
	after := &policy.Set{Teams: []policy.Team{{Name: "platform", Sink: sinks, Task: map[string]policy.Task{"t": task, "nobody": taskOf(true, "", nil, "zzz")},
		Control: map[string]policy.Control{"early": ruleTo("keep", 1, "x"), "late": ruleTo("drop", 9, "x"), "route": elsewhere, "unmet": ruleTo("drop", 1, "zzz")},
		Rewrite: map[string]policy.Rewrite{"short": short, "scale": scale, "drop": drop}}}}
	i := impact(t, before, after, 10, []Load{
		{Input: series("m", "host", "node-1", "subtask_index", "0"), Samples: 10}, {Input: series("m", "host", "node-1", "subtask_index", "1"), Samples: 10},
		{Input: series("x"), Samples: 10},
	})
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct{ what, got, want string }{
		{"moves", text(i.Moves), `[{"from":"dropped","to":"kept","was":{"section":"control","rule":"platform/late"},"by":{"section":"control","rule":"platform/early"},"series":1,` +
			`"before":{"series":0,"samples":0,"bytes":0},"after":{"series":1,"samples":1,"bytes":0},"examples":["x{torrent_task_id=\"t-1\"}"]}]`},
		{"relabels", text(i.Relabels[0].Labels) + text(i.Relabels[0].Scale) + text(i.Relabels[0].By) + i.Relabels[0].Examples[1][1], `["~host","-subtask_index"][1,0.001]` +
			`[{"section":"rewrite","rule":"platform/drop"},{"section":"rewrite","rule":"platform/scale"},{"section":"rewrite","rule":"platform/short"}]m{host="` + shortOf("node-1") + `", torrent_task_id="t-1"}`},
		{"reroutes", text(i.Reroutes), `[{"from":"default sinks","to":"sink far","by":{"section":"control","rule":"platform/route"},"series":2,` +
			`"examples":["m{host=\"node-1\", subtask_index=\"0\", torrent_task_id=\"t-1\"}","m{host=\"node-1\", subtask_index=\"1\", torrent_task_id=\"t-1\"}"]}]`},
		{"idle", text(i.Idle), `[{"section":"control","rule":"platform/unmet"},{"section":"task","rule":"platform/nobody"}]`},
		{"shadowed", text(i.Shadowed), `[{"section":"control","rule":"platform/late","by":{"section":"control","rule":"platform/early"},"series":1,"before":false}]`},
		{"teams", fmt.Sprint(i.Teams), "[{gold {2 2 0} {2 3 0}}]"},
		{"counts", fmt.Sprint(i.NewSeries, i.Merged, i.Unchanged, i.AllTasks), "2 1 0 1"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, c.got, c.want)
		}
	}
}

// shortOf is the identifier of 8 digits of a value.
func shortOf(value string) string {
	d := &draft{labels: metric.Labels{{Name: "l", Value: value}}}
	shortID("l", "", 8, 0)(d)
	return d.labels.Get("l")
}

func TestDiffRules(t *testing.T) {
	a := ruleTo("drop", 100, "a")
	b := a
	b.Match.Metrics, b.Reason = []string{"a", "b"}, "noise"
	before := Written{Set: &policy.Set{Teams: []policy.Team{{Name: "x", APIVersion: "v1", Description: "old",
		Control: map[string]policy.Control{"r": a, "gone": a, "same": a}, Test: map[string]policy.Test{"t": {}}}}},
		Provenance: policy.NewProvenance(map[string]diag.Pos{"x.control.gone": {File: "f.cue", Line: 7, Column: 1}})}
	after := Written{Set: &policy.Set{Teams: []policy.Team{{Name: "x", APIVersion: "v1", Description: "new",
		Control: map[string]policy.Control{"r": b, "new": a, "same": a}}}},
		Provenance: policy.NewProvenance(map[string]diag.Pos{"x.control.r": {File: "f.cue", Line: 3, Column: 1}, "x.control.r.match": {File: "f.cue", Line: 4, Column: 2},
			"x.control.new": {File: "g.cue", Line: 1, Column: 1}, "x.control.new.action": {File: "g.cue", Line: 2, Column: 2}})}
	got, err := DiffRules(before, after)
	if err != nil {
		t.Fatal(err)
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	want := []RuleChange{
		{Removed, "control", "x/gone", diag.Pos{File: "f.cue", Line: 7, Column: 1}, nil},
		{Added, "control", "x/new", diag.Pos{File: "g.cue", Line: 1, Column: 1}, []FieldChange{{"action", nil, raw(`"drop"`), diag.Pos{File: "g.cue", Line: 2, Column: 2}}}},
		{Changed, "control", "x/r", diag.Pos{File: "f.cue", Line: 3, Column: 1}, []FieldChange{
			{"match.metrics", raw(`["a"]`), raw(`["a","b"]`), diag.Pos{File: "f.cue", Line: 4, Column: 2}}, {"reason", nil, raw(`"noise"`), diag.Pos{}}}},
		{Changed, "team", "x", diag.Pos{}, []FieldChange{{"description", raw(`"old"`), raw(`"new"`), diag.Pos{}}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Rules differ exactly when revisions do.
func TestDiffRulesIsTheDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSet(t), drawSet(t)
		changes, err := DiffRules(Written{Set: a}, Written{Set: b})
		if err != nil {
			t.Fatal(err)
		}
		da, _ := a.Digest()
		db, _ := b.Digest()
		if (len(changes) == 0) != (da == db) {
			t.Fatalf("%d changes, digests %s and %s", len(changes), da, db)
		}
	})
}

// BenchmarkDiff compares two sets of 1,000 rules over 100,000 series.
func BenchmarkDiff(b *testing.B) {
	before := manyRules(1000)
	after := manyRules(1000)
	after.Teams[0].Control["new"] = ruleTo("drop", 1, "*_m1?")
	p, q := mustCompile(b, before), mustCompile(b, after)
	var traffic []Load
	for task := range 1000 {
		labels := benchInput(task).Labels
		for m := range 100 {
			in := benchInput(task)
			in.Labels, in.Name = labels, fmt.Sprintf("flink_taskmanager_job_task_operator_m%d", m)
			traffic = append(traffic, Load{Input: in, Samples: 60, Seconds: 600, Bytes: 36_000})
		}
	}
	var i *Impact
	began := time.Now()
	n := 0
	for b.Loop() {
		d := NewDiffer(p, q, 600, nil)
		for k := range traffic {
			d.Add(&traffic[k])
		}
		i = d.Impact()
		n++
	}
	b.ReportMetric(time.Since(began).Seconds()/float64(n), "s/100k-series")
	b.ReportMetric(float64(i.Reported.Series), "series")
}
