package store

import (
	"fmt"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

const benchSeries = 100_000

// benchLane returns a lane with the series of a fleet bound, and one sample for each.
func benchLane(b *testing.B) (*lane, []engine.Sample) {
	l := openLane(b, open(b, b.TempDir(), Options{}))
	all := make([]engine.Sample, benchSeries)
	for i := range all {
		all[i] = engine.Sample{Time: at(0), Value: 1, Ref: l.Bind(newSeries(fmt.Sprintf("flink_taskmanager_job_task_operator_metric_%03d", i%100),
			"host", fmt.Sprintf("10.1.2.%d", i/100%250), "job_id", fmt.Sprintf("%032x", i/1000), "job_name", "orders_enrichment_v3",
			"operator", "Sink_kafka_orders_enriched", "subtask_index", fmt.Sprint(i/100%10), "task_name", fmt.Sprintf("tn-%016x", i/100),
			"tm_id", fmt.Sprintf("container_e17_%08d", i/500), "torrent_task_id", fmt.Sprintf("t-%06d", i/1000)))}
	}
	write(b, l, all...)
	b.ReportAllocs()
	return l, all
}

// BenchmarkWrite is one committed batch of samples in order.
func BenchmarkWrite(b *testing.B) {
	l, all := benchLane(b)
	for n := 0; b.Loop(); n++ {
		from := n * batch % benchSeries
		part := all[from : from+batch]
		for i := range part {
			part[i].Time += 1000
			part[i].Value++
		}
		write(b, l, part...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/sample")
}

// BenchmarkReplay is a batch that comes a second time through a new lane: each
// sample of another series, so that each is looked up.
func BenchmarkReplay(b *testing.B) {
	l, all := benchLane(b)
	const part = 500
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		from := n * part % benchSeries
		for i := range part {
			x := l.series.At(all[from+i].Ref)
			x.newest, x.known = at(1000), false // what a new lane knows
		}
		b.StartTimer()
		write(b, l, all[from:from+part]...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/part, "ns/sample")
	if n := l.store.Stats().Duplicates; n != uint64(b.N*part) {
		b.Errorf("%d duplicates, want %d", n, b.N*part)
	}
}
