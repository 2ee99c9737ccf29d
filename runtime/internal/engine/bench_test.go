package engine

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/sluice-metrics/sluice/examples/data"
	"github.com/sluice-metrics/sluice/runtime/internal/fleet"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// null is a sink of both kinds that takes everything and keeps nothing.
type null struct{ refs Ref }

func (n *null) Lane(Partition) (Lane, error)             { return n, nil }
func (n *null) RecordLane(Partition) (RecordLane, error) { return nullRecords{}, nil }
func (n *null) Bind(Series) Ref                          { n.refs++; return n.refs }
func (n *null) Release(Ref)                              {}
func (n *null) Write(context.Context, []Sample) error    { return nil }
func (n *null) Flush(context.Context) error              { return nil }
func (n *null) Close()                                   {}

type nullRecords struct{}

func (nullRecords) Write(context.Context, Outgoing) error { return nil }
func (nullRecords) Flush(context.Context) error           { return nil }
func (nullRecords) Close()                                {}

// messages are records as a source hands them over.
func messages(records [][]byte) []Message {
	out := make([]Message, len(records))
	for i, r := range records {
		out[i] = Message{Key: []byte("k"), Value: r, Offset: int64(i)}
	}
	return out
}

func workload(tasks int) []Message { return messages(testkit.Flat(tasks)) }
func grouped(tasks int) []Message  { return messages(testkit.Grouped(tasks)) }

func rules(n int) *policy.Team {
	team := testkit.Policy(n)
	return &team
}

func benchmarkWorker(b *testing.B, records bool, nrules int, batch []Message) {
	t := &testing.T{}
	s := newBench(t, setup{team: rules(nrules), pack: records, cache: 1 << 40})
	sink := &null{}
	s.engine.opts.Samples, s.engine.opts.Records = sink, nil
	if records {
		s.engine.opts.Samples, s.engine.opts.Records = nil, sink
	}
	w, err := s.engine.Open(Partition{Topic: "in", Count: 8})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	run := func() {
		for from := 0; from < len(batch); from += 2000 {
			if err := w.Process(ctx, batch[from:min(from+2000, len(batch))]); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}
	run()
	b.ReportAllocs()
	b.SetBytes(int64(len(batch[0].Value)))
	for i := 0; b.Loop(); i++ {
		from := i * 2000 % (len(batch) - 1999)
		if err := w.Process(ctx, batch[from:from+2000]); err != nil {
			b.Fatal(err)
		}
		if err := w.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
}

func BenchmarkFlatToSamples(b *testing.B) {
	batch := workload(2000)
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) { benchmarkWorker(b, false, n, batch) })
	}
}

func BenchmarkFlatToRecords(b *testing.B) { benchmarkWorker(b, true, 10, workload(2000)) }

func BenchmarkGroupedToRecords(b *testing.B) {
	benchmarkWorker(b, true, 10, grouped(500))
}

func BenchmarkGroupedToSamples(b *testing.B) {
	benchmarkWorker(b, false, 10, grouped(500))
}

func TestASteadyStateAllocatesNothing(t *testing.T) {
	for name, batch := range map[string][]Message{"flat": workload(20), "grouped": grouped(20)} {
		for _, records := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,records=%v", name, records), func(t *testing.T) {
				s := newBench(t, setup{team: rules(10), pack: records})
				s.engine.opts.Samples, s.engine.opts.Records = &null{}, nil
				if records {
					s.engine.opts.Samples, s.engine.opts.Records = nil, &null{}
				}
				w, err := s.engine.Open(Partition{Topic: "in", Count: 1})
				if err != nil {
					t.Fatal(err)
				}
				pass := func() {
					if err := w.Process(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
					if err := w.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				pass()
				pass()
				if n := testing.AllocsPerRun(20, pass); n > 0 {
					t.Errorf("%g allocations for %d records, want 0", n, len(batch))
				}
			})
		}
	}
}

// BenchmarkMemoryPerSeries reports what one cached series costs, sinks aside.
func BenchmarkMemoryPerSeries(b *testing.B) {
	for name, records := range map[string]bool{"samples": false, "records": true} {
		b.Run(name, func(b *testing.B) {
			batch := workload(2000)
			for b.Loop() {
				s := newBench(&testing.T{}, setup{team: rules(10), cache: 1 << 40, pack: records})
				s.engine.opts.Samples, s.engine.opts.Records = &null{}, nil
				if records {
					s.engine.opts.Samples, s.engine.opts.Records = nil, &null{}
				}
				w, _ := s.engine.Open(Partition{Topic: "in", Count: 8})
				before := heap()
				for from := 0; from < len(batch); from += 2000 {
					if err := w.Process(context.Background(), batch[from:from+2000]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Flush(context.Background()); err != nil {
					b.Fatal(err)
				}
				n := float64(len(batch))
				b.ReportMetric(float64(heap()-before)/n, "B/series")
				b.ReportMetric(float64(w.cache.size)/n, "accounted-B/series")
				runtime.KeepAlive(batch)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkRecordedToSamples governs what a real Flink reported.
func BenchmarkRecordedToSamples(b *testing.B) {
	records, err := fleet.Records(data.FS)
	if err != nil {
		b.Fatal(err)
	}
	var values [][]byte
	for _, r := range records[:20_000] {
		values = append(values, r.Value)
	}
	benchmarkWorker(b, false, 10, messages(values))
}
