package engine

import (
	"context"
	"maps"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
)

// strict is a lane whose receiver refuses the samples that count of some series.
type strict struct {
	*wire
	refuse  string // name and labels
	refused int
}

func (s *strict) Write(ctx context.Context, samples []Sample) error {
	for _, x := range samples {
		if x.Counts && s.bound[x.Ref] == s.refuse {
			s.refused++
		}
	}
	return s.wire.Write(ctx, samples)
}

func (s *strict) Refused(report func(sink, reason string, samples int)) {
	if s.refused > 0 {
		report("", "too-old", s.refused)
	}
	s.refused = 0
}

func (s *strict) Lane(Partition) (Lane, error) { return s, nil }

func TestRefusedSamplesAreNotOut(t *testing.T) {
	for name, direct := range map[string]bool{"a sink of its own": false, "fed directly": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, setup{})
			picky := &strict{wire: b.sink, refuse: `flink_taskmanager_job_task_m{job_name="pay", subtask_index="0", tm_id="tm-1", torrent_task_id="t-1"}`}
			opts := b.engine.opts
			opts.Samples, opts.Sink, opts.Book = picky, "remote", &b.book
			if direct {
				takes := func([]string) bool { return true }
				opts.Samples = Fanout{{"remote", picky, takes}, {"store", &wire{}, takes}}
			}
			e, err := New(opts, Generation{})
			if err != nil {
				t.Fatal(err)
			}
			if b.worker, err = e.Open(Partition{Topic: "in", ID: 3, Count: 1}); err != nil {
				t.Fatal(err)
			}
			b.send(rec(0, "m", "meter", `{"s":0,"c":1,"r":1},{"s":1,"c":1,"r":1}`), rec(1, "m", "meter", `{"s":0,"c":2,"r":1}`))
			b.flush()
			if got := b.by(ledger.Refused); got != 2 {
				t.Errorf("%d refused, want 2; bound %q", got, b.sink.bound)
			}
			if got := b.by(ledger.Out); got != 1 {
				t.Errorf("%d out, want 1", got)
			}
			if got, want := b.book.Sum().Refused, map[ledger.Refusal]uint64{{Sink: "remote", Reason: "too-old"}: 2}; !maps.Equal(got, want) {
				t.Errorf("refused %v, want %v", got, want)
			}
			b.balanced()
		})
	}
}

// greedy reports more refusals than there are samples, as two sinks may that
// refuse the same ones.
type greedy struct{ *wire }

func (g greedy) Lane(Partition) (Lane, error)           { return g, nil }
func (greedy) Refused(report func(string, string, int)) { report("", "invalid", 5) }

func TestRefusedIsNeverMoreThanWasSent(t *testing.T) {
	b := newBench(t, setup{})
	opts := b.engine.opts
	opts.Samples, opts.Book = greedy{b.sink}, &b.book
	e, err := New(opts, Generation{})
	if err != nil {
		t.Fatal(err)
	}
	if b.worker, err = e.Open(Partition{Topic: "in", Count: 1}); err != nil {
		t.Fatal(err)
	}
	b.send(rec(0, "m", "gauge", `{"s":0,"v":1}`))
	b.flush()
	if b.by(ledger.Refused) != 1 || b.by(ledger.Out) != 0 {
		t.Errorf("refused %d, out %d; want 1 and 0", b.by(ledger.Refused), b.by(ledger.Out))
	}
	b.balanced()
}
