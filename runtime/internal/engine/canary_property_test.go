package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// drawTeam makes a team of some of the rules below. Rules of one name are the same
// in both sets, so that their state has to move; the suffix makes others. What thin
// rules hold comes out in any order, so no rate bounds it, and no budget counts what
// it becomes behind a transform.
func drawTeam(t *rapid.T, suffix string) *policy.Team {
	team := &policy.Team{
		Control: map[string]policy.Control{}, Rewrite: map[string]policy.Rewrite{},
		Aggregate: map[string]policy.Aggregate{}, Budget: map[string]policy.Budget{}, Transform: map[string]policy.Transform{},
	}
	metrics := []string{"*_a", "*_b", "*_c", "*_d"}
	ordered := func(order int) policy.Ordered {
		return policy.Ordered{Enabled: true, Order: order, Match: policy.Match{Metrics: []string{rapid.SampledFrom(metrics).Draw(t, "metric")}}}
	}
	same := func(order int, metric string) policy.Ordered {
		return policy.Ordered{Enabled: true, Order: order, Match: policy.Match{Metrics: []string{metric}}}
	}
	has := func(what string) bool { return rapid.Bool().Draw(t, what) }
	control := func(name string, c policy.Control) {
		c.Tier = "tenant"
		team.Control[name] = c
	}
	if has("drop") {
		control("drop"+suffix, policy.Control{Ordered: ordered(1), Action: "drop"})
	}
	if has("thin") {
		control("thin", policy.Control{Ordered: same(2, "*_b"), Action: "thin", Every: "20s", Pick: "last"})
	}
	if has("thin of its own") {
		control("thin"+suffix, policy.Control{Ordered: same(3, rapid.SampledFrom([]string{"*_b", "*_d"}).Draw(t, "thinned")), Action: "thin", Every: "30s", Pick: rapid.SampledFrom([]string{"last", "first", "max"}).Draw(t, "pick")})
	}
	if has("limit") {
		control("limit", policy.Control{Ordered: same(4, "*_c"), Action: "limit", Rate: 0.2, Per: "task"})
	}
	if has("sample") {
		control("sample"+suffix, policy.Control{Ordered: ordered(5), Action: "sample", Rate: 0.5, By: rapid.SampledFrom([]string{"series", "record"}).Draw(t, "by")})
	}
	if has("labels") {
		team.Rewrite["labels"+suffix] = policy.Rewrite{Ordered: ordered(1), Action: "drop-labels", Labels: []string{"tm_id"}}
	}
	transform := func(name, plugin string, o policy.Ordered) {
		team.Transform[name] = policy.Transform{Ordered: o, Plugin: plugin, Scope: "sample", OnError: rapid.SampledFrom([]string{"drop", "pass", "quarantine"}).Draw(t, "onError")}
	}
	if has("transform") {
		transform("mask", "mask", same(2, "*_b"))
	}
	if has("transform of its own") {
		transform("acts"+suffix, "acting", ordered(3))
	}
	aggregate := func(o policy.Ordered) policy.Aggregate {
		return policy.Aggregate{Ordered: o, Keep: []string{"torrent_task_id"}, Gauge: "sum", Window: "10s", Late: "5s", Members: "drop"}
	}
	if has("aggregate") {
		team.Aggregate["sum"] = aggregate(same(1, "*_d"))
	}
	if has("aggregate of its own") {
		team.Aggregate["sum"+suffix] = aggregate(ordered(2))
	}
	if has("budget") && len(team.Transform) == 0 {
		team.Budget["few"] = policy.Budget{Ordered: same(1, "*"), Per: "task", Series: rapid.IntRange(2, 6).Draw(t, "series"), Overflow: rapid.SampledFrom([]string{"drop", "merge"}).Draw(t, "overflow")}
	}
	if has("rate") {
		team.Budget["rate"] = policy.Budget{Ordered: same(1, "*_c"), Per: "task", SamplesPerSecond: 0.2, Overflow: "drop"}
	}
	return team
}

// stage is a plan in force: a generation, and the share of tasks that the other one
// governs.
type stage struct {
	base, other Generation
	share       float64 // of other; 0: none
}

func (s *stage) plan() Generation {
	g := s.base
	if s.share > 0 {
		g.Canary = &Canary{Program: s.other.Program, Revision: s.other.Revision, Share: program.ShareOfTasks(s.share)}
	}
	return g
}

// of is the generation that governs a task.
func (s *stage) of(task string) Generation {
	if s.share > 0 && program.ShareOfTasks(s.share).Takes(task) {
		return s.other
	}
	return s.base
}

// written takes what a bench wrote since the last call: revision and record, by task.
func (b *bench) written(into map[string][]string) {
	for _, r := range b.sink.records {
		task, _, _ := strings.Cut(string(r.Key), "\x00")
		rev, n := "", 0
		for _, h := range r.Headers {
			if h.Key == "sluice-rev" {
				rev = string(h.Value)
				n++
			}
		}
		into[task] = append(into[task], fmt.Sprintf("%d×%s %s %s", n, rev, r.Topic, r.Value))
	}
	b.sink.records = nil
}

// Each task gets, byte for byte, what an engine would give it that has nothing but
// this task, and goes over to the other set when the canary takes the task. Every
// series reports while a set governs it: one that does not has missed nothing and
// goes on where it was, which an engine that has two sets in turn cannot know.
func TestATaskIsGovernedByOneOfTwoSets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plugins := doing{"mask": mask, "acting": acting}
		b, _ := newTransit(t, setup{team: &policy.Team{}, pack: true}, plugins)
		one, two := b.generation("A", drawTeam(rt, "-a")), b.generation("B", drawTeam(rt, "-b"))
		stages := []stage{{one, two, 0}, {one, two, 0.3}, {one, two, 0.7}}
		if rapid.Bool().Draw(rt, "promote") {
			stages = append(stages, stage{two, one, 0})
		} else {
			stages = append(stages, stage{one, two, 0}, stage{one, two, 0.5})
		}
		tasks := []string{"t-1", "t-2", "t-3", "t-4", "t-5"}
		alone, governs := map[string]*bench{}, map[string]string{}
		metrics, later := map[string][]string{}, map[string][]string{}
		for _, task := range tasks {
			alone[task], _ = newTransit(t, setup{team: &policy.Team{}, pack: true}, plugins)
			alone[task].engine.Apply(one)
			governs[task] = "A"
			later[task] = rapid.Permutation([]string{"a", "b", "c", "d"}).Draw(rt, "metrics")
		}
		ts := 0
		for i, s := range stages {
			b.engine.Apply(s.plan())
			for _, task := range tasks {
				if gen := s.of(task); gen.Revision != governs[task] {
					alone[task].engine.Apply(gen)
					governs[task] = gen.Revision
				}
			}
			for _, task := range tasks {
				all := later[task]
				if n := min(rapid.IntRange(0, 2).Draw(rt, "new metrics"), len(all)); n > 0 {
					metrics[task], later[task] = append(metrics[task], all[:n]...), all[n:]
				}
			}
			for n := range rapid.IntRange(1, 6).Draw(rt, "batches") {
				ts += rapid.SampledFrom([]int{2, 5, 10, 40}).Draw(rt, "step")
				var all []string
				for _, task := range tasks {
					part := drawReport(rt, task, ts, metrics[task], n == 0)
					all = append(all, part...)
					alone[task].pass(ts, part)
				}
				b.pass(ts, all)
				got, want := map[string][]string{}, map[string][]string{}
				b.written(got)
				for _, task := range tasks {
					alone[task].written(want)
				}
				for _, task := range tasks {
					slices.Sort(got[task])
					slices.Sort(want[task])
					if !slices.Equal(got[task], want[task]) {
						rt.Fatalf("stage %d, %s under %s at %d s:\n  %s\nwant\n  %s", i, task, governs[task], ts,
							strings.Join(got[task], "\n  "), strings.Join(want[task], "\n  "))
					}
				}
			}
		}
		if sum := b.book.Sum(); sum.Imbalance() != 0 {
			rt.Fatalf("imbalance %d", sum.Imbalance())
		}
	})
}

// pass has a bench process a batch at a time, and flush.
func (b *bench) pass(ts int, records []string) {
	b.now = epoch.Add(time.Duration(ts) * time.Second)
	b.send(records...)
	b.flush()
}

// drawReport makes what a task reports at a time: all that it has so far, or a part.
func drawReport(t *rapid.T, task string, ts int, metrics []string, all bool) (out []string) {
	record := func(metric, kind, points string) {
		out = append(out, strings.Replace(rec(ts, metric, kind, points), "t-1", task, 1))
	}
	record("beat", "counter", fmt.Sprintf(`{"c":%d}`, ts))
	for _, m := range metrics {
		kind, value := "gauge", `"v"`
		if m == "d" {
			kind, value = "counter", `"c"`
		}
		var points []string
		for s := range 2 {
			if all || rapid.IntRange(0, 2).Draw(t, "reports") > 0 {
				points = append(points, fmt.Sprintf(`{"s":%d,"a":0,%s:%d}`, s, value, ts+rapid.IntRange(0, 9).Draw(t, "value")))
			}
		}
		if len(points) > 0 {
			record(m, kind, strings.Join(points, ","))
		}
	}
	return out
}
