package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// quick is a transformer that allocates nothing. It renames a label to one value and
// scales, or does nothing.
type quick struct{ changes bool }

func (q quick) Transform(_ context.Context, b *Batch) error {
	if !q.changes {
		return nil
	}
	masked := uint32(len(b.Strings))
	b.Strings = append(b.Strings, "masked")
	for i := range b.Records {
		r := &b.Records[i]
		r.Value *= 2
		b.Pairs[r.First].Value = masked
	}
	return nil
}

func (quick) Close() {}

// quickly opens one for every rule.
type quickly struct{ quick }

func (q quickly) Open(*program.Transform) (Transformer, error) { return q.quick, nil }

// passing are teams that send all of the load through one transform, by what it does.
func passing(does string) *policy.Team {
	team := rules(10)
	team.Transform = through1("quarantine", does).Transform
	return team
}

func transitWorker(tb testing.TB, records, changes bool) *Worker {
	t := &testing.T{}
	does := doing{"changes": nothing, "nothing": nothing}
	name := map[bool]string{true: "changes", false: "nothing"}[changes]
	s, _ := newTransit(t, setup{team: passing(name), pack: records, cache: 1 << 40}, does)
	s.engine.opts.Transforms = quickly{quick{changes}}
	s.engine.opts.Samples, s.engine.opts.Records = &null{}, nil
	if records {
		s.engine.opts.Samples, s.engine.opts.Records = nil, &null{}
	}
	w, err := s.engine.Open(Partition{Topic: "in", Count: 8})
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func TestTransformsAllocateNothing(t *testing.T) {
	for name, batch := range map[string][]Message{"flat": workload(20), "grouped": grouped(20)} {
		for _, records := range []bool{false, true} {
			for _, changes := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s,records=%v,changes=%v", name, records, changes), func(t *testing.T) {
					w := transitWorker(t, records, changes)
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
					if len(w.transit.products.all) == 0 {
						t.Fatal("nothing has come out")
					}
					if n := testing.AllocsPerRun(20, pass); n > 0 {
						t.Errorf("%g allocations for %d records, want 0", n, len(batch))
					}
				})
			}
		}
	}
}

// BenchmarkTransforms is what a record costs that goes through a transform which
// costs nothing itself.
func BenchmarkTransforms(b *testing.B) {
	batch := workload(2000)
	for _, records := range []bool{false, true} {
		for _, changes := range []bool{false, true} {
			b.Run(fmt.Sprintf("records=%v,changes=%v", records, changes), func(b *testing.B) {
				w := transitWorker(b, records, changes)
				ctx := context.Background()
				pass := func(part []Message) {
					if err := w.Process(ctx, part); err != nil {
						b.Fatal(err)
					}
					if err := w.Flush(ctx); err != nil {
						b.Fatal(err)
					}
				}
				for from := 0; from+2000 <= len(batch); from += 2000 {
					pass(batch[from : from+2000])
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					from := i * 2000 % (len(batch) - 1999)
					pass(batch[from : from+2000])
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
			})
		}
	}
}
