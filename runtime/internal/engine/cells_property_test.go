package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// given is one sample of the reference: all that it depends on.
type given struct {
	task, subtask, attempt int
	ts                     int // seconds
	kind                   string
	value                  int
	end                    bool
	at                     int // clock when it came
}

const (
	refWindow = 10
	refLate   = 7
)

// drawn is a sample relative to the one before it.
type drawn struct {
	given
	step, behind int
	restart      bool
}

var samples = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) drawn {
	return drawn{
		given: given{
			task: rapid.IntRange(0, 1).Draw(t, "task"), subtask: rapid.IntRange(0, 3).Draw(t, "subtask"),
			kind:  rapid.SampledFrom([]string{"counter", "gauge", "meter", "histogram"}).Draw(t, "kind"),
			value: rapid.IntRange(0, 9).Draw(t, "value"), end: rapid.IntRange(0, 7).Draw(t, "end") == 7,
		},
		step:    rapid.IntRange(0, 6).Draw(t, "step"),
		behind:  rapid.SampledFrom([]int{0, 0, 0, 1, 3, 9, 25}).Draw(t, "behind"),
		restart: rapid.IntRange(0, 10).Draw(t, "restart") == 10,
	}
}), 1, 80)

func (g *given) record() string {
	v := g.value
	point := map[string]string{
		"counter": fmt.Sprintf(`"c":%d`, v), "gauge": fmt.Sprintf(`"v":%d`, v), "meter": fmt.Sprintf(`"c":%d,"r":%d`, v, v),
		"histogram": fmt.Sprintf(`"c":%d,"min":%d,"max":%d,"mean":%d`, v, v-1, v+1, v),
	}[g.kind]
	if g.end {
		point = ""
	} else {
		point = "," + point
	}
	r := fmt.Sprintf(`{"torrent_task_id":"t-%d","report_timestamp":%d,"metric":"m_%s","type":"%s","points":[{"s":%d,"a":%d%s}]}`,
		g.task, at(g.ts), g.kind, g.kind, g.subtask, g.attempt, point)
	if g.end {
		r = strings.Replace(r, `"points"`, `"end":true,"points"`, 1)
	}
	return r
}

// The reference remembers every sample that counts and adds them up at the end.
type reference struct {
	clock    map[int]int // by task: each has a partition of its own
	accepted map[string][]given
	gauge    string
}

func (r *reference) add(g given) {
	clock, seen := r.clock[g.task]
	if !seen || g.ts > clock {
		r.clock[g.task] = g.ts
		clock = g.ts
	}
	g.at = clock
	key := fmt.Sprint(g.task, g.kind)
	if !g.end {
		if (g.ts/refWindow+1)*refWindow+refLate <= clock {
			return
		}
		for _, o := range r.accepted[key] {
			if o.subtask == g.subtask && !o.end && o.ts >= g.ts {
				return
			}
		}
	}
	r.accepted[key] = append(r.accepted[key], g)
}

// windows says what comes out of one cell, as lines.
func (r *reference) windows(key string) (out []string) {
	all := r.accepted[key]
	for n := range 40 {
		within := func(g given, n int) bool { return !g.end && g.ts/refWindow == n }
		i := slices.IndexFunc(all, func(g given) bool { return within(g, n) })
		if i < 0 || (n+1)*refWindow+refLate > r.clock[all[i].task] {
			continue
		}
		var members, extremes []given
		for s := range 4 {
			var last, before *given
			ended := false
			for j := range all {
				switch g := &all[j]; {
				case g.subtask != s:
				case g.end:
					ended = true
				case within(*g, n):
					last = g
					extremes = append(extremes, *g)
				case within(*g, n-1):
					before, ended = g, false
				}
			}
			// A member that ended, and was not heard of again in time, is not carried over.
			if last == nil && before != nil {
				ended = false
				from := slices.Index(all, *before)
				for j := from + 1; j < len(all) && !(all[j].subtask == s && !all[j].end); j++ {
					ended = ended || all[j].subtask == s && all[j].end && (n+1)*refWindow+refLate > all[j].at
				}
				if !ended {
					last = before
				}
			}
			if last != nil {
				members = append(members, *last)
			}
		}
		out = append(out, r.lines(all[i], n, members, append(extremes, members...), r.total(all, n))...)
	}
	return out
}

// total is what the members have counted by the end of a window.
func (r *reference) total(all []given, n int) (total int) {
	last := map[int]given{}
	for _, g := range all {
		if g.end {
			continue
		}
		o, ok := last[g.subtask]
		last[g.subtask] = g
		grown := g.value - o.value
		if !ok || o.attempt != g.attempt || grown < 0 {
			grown = g.value
		}
		if g.ts/refWindow <= n {
			total += grown
		}
	}
	return total
}

func (r *reference) lines(g given, n int, members, extremes []given, total int) []string {
	line := func(suffix string, v float64) string {
		return fmt.Sprintf(`m_%s%s{torrent_task_id="t-%d"} %v @%d`, g.kind, suffix, g.task, v, at((n+1)*refWindow))
	}
	sum, weight, weighted := 0.0, 0.0, 0.0
	least, greatest := math.Inf(1), math.Inf(-1)
	for _, m := range members {
		sum += float64(m.value)
		weight += float64(m.value)
		weighted += float64(m.value * m.value)
	}
	for _, m := range extremes {
		least, greatest = min(least, float64(m.value)), max(greatest, float64(m.value))
	}
	switch g.kind {
	case "counter":
		return []string{line("", float64(total))}
	case "meter":
		return []string{line("", sum), line("_count", float64(total))}
	case "histogram":
		out := []string{line("_count", float64(total)), line("_min", least-1), line("_max", greatest+1)}
		if weight > 0 {
			out = append(out, line("_mean", weighted/weight))
		}
		return out
	}
	newest := slices.MaxFunc(members, func(a, b given) int { return cmp.Compare(a.ts, b.ts) })
	return []string{line("", map[string]float64{
		"sum": sum, "avg": sum / float64(len(members)), "min": least, "max": greatest,
		"last": float64(newest.value), "count": float64(len(members)),
	}[r.gauge])}
}

// Aggregates by the engine are those of the reference, however samples are cut
// into batches and whatever order partitions are read in.
func TestAggregatesAreThoseOfAReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gauge := rapid.SampledFrom([]string{"sum", "avg", "min", "max", "count"}).Draw(rt, "gauge")
		ref := &reference{clock: map[int]int{}, accepted: map[string][]given{}, gauge: gauge}
		team := summing(func(a *policy.Aggregate) { a.Gauge, a.Late = gauge, "7s" })
		b := newBench(t, setup{team: team})
		b.now = time.UnixMilli(at(1000))
		workers := []*Worker{b.worker, nil}
		var err error
		if workers[1], err = b.engine.Open(Partition{Topic: "in", ID: 4, Count: 2}); err != nil {
			t.Fatal(err)
		}
		var all []string
		clock, attempts := 0, map[string]int{}
		queues := [2][]Message{}
		for _, d := range samples.Draw(rt, "samples") {
			g := d.given
			clock += d.step
			g.ts = max(clock-d.behind, 0)
			member := fmt.Sprint(g.task, g.kind, g.subtask)
			if d.restart {
				attempts[member]++
			}
			g.attempt = attempts[member]
			ref.add(g)
			all = append(all, fmt.Sprintf("%+v", g))
			queues[g.task] = append(queues[g.task], Message{Value: []byte(g.record()), Offset: int64(len(queues[g.task]))})
		}
		for len(queues[0])+len(queues[1]) > 0 {
			p := rapid.IntRange(0, 1).Draw(rt, "partition")
			n := min(rapid.IntRange(1, 20).Draw(rt, "batch"), len(queues[p]))
			if err := workers[p].Process(t.Context(), queues[p][:n]); err != nil {
				rt.Fatal(err)
			}
			queues[p] = queues[p][n:]
		}
		var want []string
		for key := range ref.accepted {
			want = append(want, ref.windows(key)...)
		}
		got := slices.DeleteFunc(b.sink.written, func(s string) bool { return strings.Contains(s, "stale") })
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("%s of\n  %s\ngot\n  %s\nwant\n  %s", gauge, strings.Join(all, "\n  "), strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		if sum := b.book.Sum(); sum.Imbalance() != 0 {
			rt.Fatalf("imbalance %d", sum.Imbalance())
		}
	})
}
