package transform

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// totals is a sink that adds up what it is given, and dead letters that are counted.
type totals struct {
	refs    engine.Ref
	values  float64
	samples int
	letters []engine.Outgoing
}

func (s *totals) Lane(engine.Partition) (engine.Lane, error)             { return s, nil }
func (s *totals) RecordLane(engine.Partition) (engine.RecordLane, error) { return letters{s}, nil }
func (s *totals) Bind(engine.Series) engine.Ref                          { s.refs++; return s.refs }
func (s *totals) Release(engine.Ref)                                     {}
func (s *totals) Flush(context.Context) error                            { return nil }
func (s *totals) Close()                                                 {}

func (s *totals) Write(_ context.Context, samples []engine.Sample) error {
	for _, x := range samples {
		if !engine.IsStale(x.Value) {
			s.values += x.Value
			s.samples++
		}
	}
	return nil
}

type letters struct{ *totals }

func (l letters) Write(_ context.Context, r engine.Outgoing) error {
	l.letters = append(l.letters, r)
	return nil
}

type noMetrics struct{}

func (noMetrics) Origin(string, string) metric.Origin { return metric.Native }
func (noMetrics) Counts(string) bool                  { return false }

// generation sends everything through a plugin.
func generation(t testing.TB, p *Plugins, plugin, revision string, config map[string]any) engine.Generation {
	t.Helper()
	set := &policy.Set{Teams: []policy.Team{{Name: "platform", Transform: map[string]policy.Transform{"it": {
		Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}},
		Plugin:  plugin, Scope: "sample", OnError: "quarantine", Config: config,
	}}}}}
	prog, found := program.Compile(set, program.Options{Plugins: p})
	if prog == nil {
		t.Fatal(found)
	}
	return engine.Generation{Program: prog, Revision: revision}
}

// governed is a worker that runs a generation, and where it writes.
func governed(t testing.TB, gen engine.Generation) (*engine.Engine, *engine.Worker, *totals, *ledger.Book) {
	t.Helper()
	to, book := &totals{}, &ledger.Book{}
	e, err := engine.New(engine.Options{
		Name: "test", Samples: to, Letters: to, LetterTopic: "letters", Catalogue: noMetrics{}, CacheBytes: 64 << 20, Book: book,
		Now: func() time.Time { return time.UnixMilli(1_763_800_000_000) }, Transforms: Workers{},
	}, gen)
	if err != nil {
		t.Fatal(err)
	}
	w, err := e.Open(engine.Partition{Topic: "in", Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	return e, w, to, book
}

// load is a batch of n records of series that differ.
func load(n int, ts int64) (batch []engine.Message) {
	for i := range n {
		batch = append(batch, engine.Message{Offset: ts*int64(n) + int64(i), Value: fmt.Appendf(nil,
			`{"torrent_task_id":"t-%d","report_timestamp":%d,"metric":"m%d","type":"gauge","value":%d,"labels":{"host":"h","job_name":"j-%d"}}`,
			i%7, 1_763_800_000_000+ts*1000, i/7, i, i%7)})
	}
	return batch
}

// A plugin is put in another's place while samples go through it: each sample goes
// through one of the two.
func TestHotSwapLosesAndDoublesNothing(t *testing.T) {
	p, refs := stored(t)
	one := generation(t, p, refs["double.wasm"], "r1", map[string]any{"level": 1})
	two := generation(t, p, refs["double.wasm"], "r2", map[string]any{"level": 2})
	e, w, to, book := governed(t, one)
	defer w.Close()
	const n, rounds = 300, 30
	for i := range rounds {
		e.Apply([]engine.Generation{one, two}[i%2])
		if err := w.Process(t.Context(), load(n, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := book.Sum()
	if want := float64(rounds) * n * (n - 1); to.samples != n*rounds || to.values != want || all.By[ledger.Out] != n*rounds || all.Imbalance() != 0 {
		t.Errorf("%d samples, sum %g, want %d and %g; %v", to.samples, to.values, n*rounds, want, all.By)
	}
}

// A plugin that traps has its samples put aside one by one, and rests after a while.
func TestSamplesOfATrappingPluginArePutAside(t *testing.T) {
	p, refs := stored(t)
	_, w, to, book := governed(t, generation(t, p, refs["trap.wasm"], "r1", nil))
	defer w.Close()
	for i := range 8 {
		batch := load(11, int64(i))
		for j := range 10 { // it traps at a user
			batch[j].Value = bytes.Replace(batch[j].Value, []byte(`"host":"h"`), []byte(`"user":"ann"`), 1)
		}
		if err := w.Process(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := book.Sum()
	if all.By[ledger.Quarantined] < 80 || len(to.letters) != int(all.By[ledger.Quarantined]) || all.By[ledger.Out] == 0 || all.Imbalance() != 0 {
		t.Errorf("%v, %d letters", all.By, len(to.letters))
	}
	if all.DeadLetters["plugin-trap"] == 0 || all.DeadLetters["plugin-broken"] == 0 {
		t.Errorf("by reason %v", all.DeadLetters)
	}
}

// BenchmarkSwaps reports how long batches of 1,000 take at the worst while every
// tenth one comes with another plugin, or some ten a second do, beside one plugin
// throughout. Who has just come decides every series anew.
func BenchmarkSwaps(b *testing.B) {
	p, refs := stored(&testing.T{})
	var gens []engine.Generation
	for i := range 2 {
		gens = append(gens, generation(b, p, refs["double.wasm"], fmt.Sprint("r", i), map[string]any{"level": i}))
	}
	for _, every := range []int{0, 200, 10} {
		b.Run(fmt.Sprintf("every=%d", every), func(b *testing.B) {
			e, w, _, _ := governed(b, gens[0])
			defer w.Close()
			var took []time.Duration
			batch := load(1000, 1)
			for i := 0; b.Loop(); i++ {
				if every > 0 && i%every == 0 {
					e.Apply(gens[i/every%2])
				}
				began := time.Now()
				if err := w.Process(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
				if err := w.Flush(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			for _, q := range []int{50, 99} {
				b.ReportMetric(float64(took[len(took)*q/100].Microseconds()), fmt.Sprintf("p%d-µs", q))
			}
		})
	}
}
