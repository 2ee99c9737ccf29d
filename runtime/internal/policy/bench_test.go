package policy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// manyRules returns a set of n rules, spread evenly over teams, of all the kinds
// that authors write most.
func manyRules(n, teams int) Snapshot {
	kinds := []string{
		`policy: control: "r-%d": schema.#Drop & {match: {metrics: ["flink_x_%d_*", "*_debug_%d"], tasks: ["order-*"]}, reason: "not needed", order: %d}`,
		`policy: control: "r-%d": schema.#Sample & {match: {metrics: ["flink_y_%d_*"], labels: host: ["a%d", "b"]}, rate: 0.5, order: %d}`,
		`policy: control: "r-%d": {action: "thin", match: {metrics: ["flink_z_%d_*"], kinds: ["gauge"]}, every: "1m", unless: metrics: ["m_%d"], order: %d}`,
		`policy: rewrite: "r-%d": schema.#DropLabels & {match: metrics: ["flink_%d_*"], labels: ["host", "tm_%d"], order: %d}`,
		`policy: rewrite: "r-%d": schema.#Extract & {match: metrics: ["flink_%d_*"], from: "task_name", regex: "Source: (.*)", into: "t_%d", order: %d}`,
	}
	snap := Snapshot{"org.cue": []byte(setHead + "#Team: schema.#Policy & {control?: [_]: tier: \"tenant\" | error(\"tenant only\")}\n")}
	for team := range teams {
		var b strings.Builder
		fmt.Fprintf(&b, "%spolicy: schema.#Policy & #Team & {team: \"t%d\"}\n", setHead, team)
		for i := range n / teams {
			fmt.Fprintf(&b, kinds[i%len(kinds)]+"\n", i, i, i, i%1000)
		}
		snap[fmt.Sprintf("teams/t%d/policy.cue", team)] = []byte(b.String())
	}
	return snap
}

func BenchmarkCompile(b *testing.B) {
	for _, c := range []struct{ rules, teams int }{{10, 1}, {1000, 1}, {1000, 20}, {50, 1}} {
		snap := manyRules(c.rules, c.teams)
		b.Run(fmt.Sprintf("rules=%d/teams=%d", c.rules, c.teams), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if set, found, err := Compile(snap, Options{}); set == nil {
					b.Fatal(found, err)
				}
			}
		})
	}
}

func BenchmarkChild(b *testing.B) {
	snap, child := manyRules(1000, 20), testChild(b, Limits{})
	for b.Loop() {
		if set, found, err := compile(b.Context(), snap, nil, Options{Child: child}); set == nil {
			b.Fatal(found, err)
		}
	}
}

// Nothing of an evaluation outlives it.
func TestReloadsLeaveTheHeapFlat(t *testing.T) {
	snap := manyRules(50, 2)
	load := func(times int) uint64 {
		for range times {
			if set, found, err := Compile(snap, Options{}); set == nil {
				t.Fatal(found, err)
			}
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := load(3)
	after := load(20)
	if after > before+before/2+1<<20 {
		t.Errorf("after 3 loads the heap is %d KiB, after 23 it is %d KiB", before>>10, after>>10)
	}
}
