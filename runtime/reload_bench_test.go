package runtime

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// manyRules is a set of n rules, spread evenly over teams, of the kinds that authors
// write most.
func manyRules(n, teams int) fstest.MapFS {
	kinds := []string{
		`policy: control: "r-%d": schema.#Drop & {description: "noise", tier: "tenant", match: {metrics: ["flink_x_%d_*", "*_debug_%d"], tasks: ["order-*"]}, reason: "not needed", order: %d}`,
		`policy: control: "r-%d": schema.#Sample & {description: "less", tier: "tenant", accept: "loss", match: {metrics: ["flink_y_%d_*"], labels: host: ["a%d", "b"]}, rate: 0.5, order: %d}`,
		`policy: control: "r-%d": schema.#Thin & {description: "less often", tier: "tenant", accept: "loss", match: {metrics: ["flink_z_%d_*"], kinds: ["gauge"]}, every: "1m", unless: metrics: ["m_%d"], order: %d}`,
		`policy: rewrite: "r-%d": schema.#DropLabels & {description: "labels", match: metrics: ["flink_%d_*"], labels: ["host", "tm_%d"], order: %d}`,
		`policy: rewrite: "r-%d": schema.#Extract & {description: "more", match: metrics: ["flink_%d_*"], from: "task_name", regex: "Source: (.*)", into: "t_%d", order: %d}`,
	}
	const head = "package policies\nimport \"github.com/sluice-metrics/sluice/schema\"\n"
	set := fstest.MapFS{}
	for team := range teams {
		var b strings.Builder
		fmt.Fprintf(&b, "%spolicy: schema.#Policy & {team: \"t%d\"}\n", head, team)
		for i := range n / teams {
			fmt.Fprintf(&b, kinds[i%len(kinds)]+"\n", i, i, i, i%1000)
		}
		set[fmt.Sprintf("teams/t%d/policy.cue", team)] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return set
}

// BenchmarkOneTeamChanges loads a set again of which one rule of one team is another.
func BenchmarkOneTeamChanges(b *testing.B) {
	for _, c := range []struct{ rules, teams int }{{1000, 20}, {10_000, 200}} {
		b.Run(fmt.Sprintf("rules=%d/teams=%d", c.rules, c.teams), func(b *testing.B) {
			set, how := manyRules(c.rules, c.teams), Loading{cache: &policy.Cache{}, known: sync.OnceValues(loadCatalogue)}
			first := set["teams/t0/policy.cue"].Data
			load := func(i int) {
				set["teams/t0/policy.cue"].Data = fmt.Appendf(nil, "%s// %d\npolicy: control: \"r-0\": match: metrics: [\"flink_n_%d_*\"]\n",
					strings.Replace(string(first), `metrics: ["flink_x_0_*", "*_debug_0"], `, "", 1), i, i)
				l, err := loadSet(b.Context(), set, how, "")
				if err != nil || l.report.Refused() {
					b.Fatal(err, l.report.Findings)
				}
			}
			load(0)
			runtime.GC()
			began, _ := processorTime()
			n := 0
			for b.Loop() {
				n++
				load(n)
			}
			ended, _ := processorTime() // 0 where it is not known
			b.ReportMetric((ended-began).Seconds()*1000/float64(n), "cpu-ms/op")
		})
	}
}

// BenchmarkLoadBundle compiles a bundle of 10,000 rules, as an instance does that
// follows the control topic. heap-MB is what stays in memory of it.
func BenchmarkLoadBundle(b *testing.B) {
	set, err := loadSet(b.Context(), manyRules(10_000, 200), Loading{}, "")
	if err != nil || set.report.Refused() {
		b.Fatal(err, set.report.Findings)
	}
	text := jsonOf(b, set.bundle)
	set = loadedSet{}
	known := knownMetrics(sync.OnceValues(loadCatalogue))
	load := func() loadedSet {
		l, err := loadBundle([]byte(text), Loading{known: known})
		if err != nil || l.report.Refused() {
			b.Fatal(err, l.report.Findings)
		}
		return l
	}
	load()
	before := heapInUse()
	kept := load()
	held := float64(heapInUse()-before) / (1 << 20)
	runtime.KeepAlive(kept)
	for b.Loop() {
		load()
	}
	b.ReportMetric(held, "heap-MB")
	b.ReportMetric(float64(len(text))/(1<<20), "bundle-MB")
}

// heapInUse is what is reachable, in bytes.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
