package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// BenchmarkSwitch reports how long a worker with a million cached series takes over
// batches of 500 records in steady state, and right after another program is in
// force, when each batch decides about its series again. One of them being much
// longer than the others would be a pause.
func BenchmarkSwitch(b *testing.B) {
	const series, size = 1_000_000, 500
	batch := workload(series / testkit.Metrics)
	for b.Loop() {
		s := newBench(&testing.T{}, setup{team: rules(10), cache: 1 << 40})
		s.engine.opts.Samples = &null{}
		w, err := s.engine.Open(Partition{Topic: "in", Count: 1})
		if err != nil {
			b.Fatal(err)
		}
		pass := func() (p99, longest time.Duration) {
			took := make([]time.Duration, 0, len(batch)/size)
			for from := 0; from+size <= len(batch); from += size {
				began := time.Now()
				if err := w.Process(context.Background(), batch[from:from+size]); err != nil {
					b.Fatal(err)
				}
				if err := w.Flush(context.Background()); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			return took[len(took)*99/100], took[len(took)-1]
		}
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		pass()
		p99, longest := pass()
		b.ReportMetric(ms(p99), "steady-p99-ms")
		b.ReportMetric(ms(longest), "steady-max-ms")
		other := rules(10)
		other.Description = "another"
		s.engine.Apply(s.generation("r2", other))
		p99, longest = pass()
		b.ReportMetric(ms(p99), "switch-p99-ms")
		b.ReportMetric(ms(longest), "switch-max-ms")
	}
}
