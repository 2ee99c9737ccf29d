package engine

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// lap is how long something took, and how much of that its thread had a processor.
type lap struct{ wall, cpu time.Duration }

func timed(do func()) lap {
	began, cpu := time.Now(), threadTime()
	do()
	return lap{time.Since(began), threadTime() - cpu}
}

// passed are the laps of a pass over all series, and of its control.
type passed struct{ batches, control []lap }

// longest returns the longest of all, its time without a processor, and the most
// time that any had one.
func longest(all []lap) (wall, off, cpu time.Duration) {
	for _, t := range all {
		if t.wall > wall {
			wall, off = t.wall, t.wall-t.cpu
		}
		cpu = max(cpu, t.cpu)
	}
	return wall, off, cpu
}

// BenchmarkSwitch reports how long a worker with a million cached series takes over
// batches of 500 records in steady state, and right after another program is in
// force, when each batch decides about its series again. One of them being much
// longer than the others would be a pause. Each is followed by a control that does
// nothing for as long as a batch takes at median: what that takes longer is the machine's.
// max-off is of the longest, what it was without a processor, which others had; max-cpu is
// the most that one computed, its share of the garbage collection included.
func BenchmarkSwitch(b *testing.B) {
	const series, size = 1_000_000, 500
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	batch := workload(series / testkit.Metrics)
	for b.Loop() {
		s := newBench(&testing.T{}, setup{team: rules(10), cache: 1 << 40})
		s.engine.opts.Samples = &null{}
		w, err := s.engine.Open(Partition{Topic: "in", Count: 1})
		if err != nil {
			b.Fatal(err)
		}
		pass := func(control time.Duration) (all passed) {
			all = passed{make([]lap, 0, len(batch)/size), make([]lap, 0, len(batch)/size)}
			for from := 0; from+size <= len(batch); from += size {
				all.batches = append(all.batches, timed(func() {
					if err := w.Process(context.Background(), batch[from:from+size]); err != nil {
						b.Fatal(err)
					}
					if err := w.Flush(context.Background()); err != nil {
						b.Fatal(err)
					}
				}))
				all.control = append(all.control, timed(func() {
					for began := time.Now(); time.Since(began) < control; {
					}
				}))
			}
			return all
		}
		pass(0)
		steady := pass(0)
		median := quantileOf(steady.batches, 0.5)
		other := rules(10)
		other.Description = "another"
		s.engine.Apply(s.generation("r2", other))
		reportLaps(b, "steady", steady.batches)
		during := pass(median)
		reportLaps(b, "switch", during.batches)
		reportLaps(b, "control", during.control)
	}
}

func quantileOf(all []lap, q float64) time.Duration {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b lap) int { return int(a.wall - b.wall) })
	return sorted[int(float64(len(sorted))*q)].wall
}

func reportLaps(b *testing.B, of string, all []lap) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	wall, off, cpu := longest(all)
	b.ReportMetric(ms(quantileOf(all, 0.99)), of+"-p99-ms")
	b.ReportMetric(ms(wall), of+"-max-ms")
	if threadTime() > 0 {
		b.ReportMetric(ms(off), of+"-max-off-ms")
		b.ReportMetric(ms(cpu), of+"-max-cpu-ms")
	}
}
