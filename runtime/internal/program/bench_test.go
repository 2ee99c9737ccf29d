package program

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// manyRules is a set of n rules of the kinds that teams write: most are about
// some tasks and some metrics, a tenth are rewrites, and some are expressions.
func manyRules(n int) *policy.Set {
	team := policy.Team{Name: "x", Control: map[string]policy.Control{}, Rewrite: map[string]policy.Rewrite{}}
	for i := range n {
		m := policy.Match{Tasks: []string{fmt.Sprintf("team%d-*", i%2000)}}
		switch i % 5 {
		case 0:
			m.Metrics = []string{fmt.Sprintf("flink_taskmanager_job_task_operator_m%d", i)}
		case 1:
			m.Metrics = []string{"*_numRecords*", "flink_jobmanager_*"}
		case 2:
			m.Labels = map[string][]string{"operator_name": {fmt.Sprintf("Source: t%d[*", i)}}
		case 3:
			m.Tags = map[string][]string{"tier": {"gold"}}
		case 4:
			m = policy.Match{Metrics: []string{fmt.Sprintf("re:flink_.*_m%d(_count)?", i)}}
		}
		name := fmt.Sprintf("rule-%d", i)
		if i%10 == 1 {
			team.Rewrite[name] = policy.Rewrite{Ordered: inForce(i%100, m), Action: "drop-labels", Labels: []string{"host"}}
		} else {
			team.Control[name] = policy.Control{Ordered: inForce(i%100, m), Tier: "tenant", Action: "drop"}
		}
	}
	return &policy.Set{Teams: []policy.Team{team}}
}

func benchInput(i int) Input {
	task := fmt.Sprintf("team%d-%d", i%2000, i)
	return Input{Task: task, Name: "flink_taskmanager_job_task_operator_numRecordsIn", Kind: metric.Counter, Origin: metric.Native,
		Labels: labelsOf("host", "h", "job_id", "0123456789abcdef", "job_name", "job-"+task, "operator_id", "fedcba9876543210",
			"operator_name", "Source: orders[1]", "subtask_index", "3", metric.TaskLabel, task)}
}

// A miss of a series: filters of name and source are there.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, in := mustCompile(b, manyRules(n)), benchInput(7)
			byName, bySource := p.ByName(in.Name, in.Kind, in.Origin), p.BySource(in.Task, in.Labels)
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(in, byName, bySource)
			}
		})
	}
}

func BenchmarkByName(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, in := mustCompile(b, manyRules(n)), benchInput(7)
			for b.Loop() {
				p.ByName(in.Name, in.Kind, in.Origin)
			}
		})
	}
}

func BenchmarkBySource(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, in := mustCompile(b, manyRules(n)), benchInput(7)
			for b.Loop() {
				p.BySource(in.Task, in.Labels)
			}
		})
	}
}

// BenchmarkCompile also reports the heap that a program of 10,000 rules keeps.
func BenchmarkCompile(b *testing.B) {
	set := manyRules(10_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := mustCompile(b, set)
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		mustCompile(b, set)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB-heap")
	runtime.KeepAlive(kept)
}

func BenchmarkTableName(b *testing.B) {
	for _, name := range []string{"Calc[7]", "Source: orders[1]", "Source: TableSourceScan(table=[[hive, sales, orders, watermark=[-(ts, 5000:INTERVAL SECOND)]]], fields=[id, ts])"} {
		b.Run(name[:7], func(b *testing.B) {
			for b.Loop() {
				TableName(name)
			}
		})
	}
}
