package plugins

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// poisoned doubles values and dies of a record with the value 13.
func poisoned() []byte { return bitter(assemble.Unreachable) }

// bitter doubles values and does something else with the value 13.
func bitter(of assemble.Code) []byte {
	return assemble.Guest{
		Manifest: assemble.All(), Locals: "ii",
		Transform: assemble.EachRecord(2, 3,
			assemble.Get(2)+assemble.F64Load(8)+assemble.F64(13)+assemble.F64Eq+assemble.If+of+assemble.End+
				assemble.Get(2)+assemble.Get(2)+assemble.F64Load(8)+assemble.F64(2)+assemble.F64Mul+assemble.F64Store(8)) + assemble.I64(0),
	}.Bytes()
}

func worker(t testing.TB, wasm []byte, o Options) *Worker {
	t.Helper()
	o.Limits = patient(o.Limits)
	p, err := Load(t.Context(), wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	w, err := NewUse(p).Worker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func TestOneBadRecordCostsOneRecord(t *testing.T) {
	w := worker(t, poisoned(), Options{})
	rapid.Check(t, func(r *rapid.T) {
		w.use.breaker = breaker{}
		n, bad := rapid.IntRange(1, 1024).Draw(r, "n"), 0
		b := batchOf(n)
		for i := range b.Records {
			b.Records[i].Value = 1
		}
		bad = rapid.IntRange(0, n-1).Draw(r, "bad")
		b.Records[bad].Value = 13
		if err := w.Run(t.Context(), b); err != nil {
			r.Fatal(err)
		}
		if len(b.Failed) != 1 || b.Failed[0].Record != bad || b.Failed[0].Code != abi.Trap {
			r.Fatalf("of record %d of %d failed %+v", bad, n, b.Failed)
		}
		if len(b.Records) != n-1 {
			r.Fatalf("%d of %d records are left", len(b.Records), n)
		}
		for i, rec := range b.Records {
			if want := uint32(i); rec.Value != 2 || rec.Source != want && rec.Source != want+1 {
				r.Fatalf("record %d is %+v", i, rec)
			}
		}
	})
}

func TestNarrowingDownIsBounded(t *testing.T) {
	w := worker(t, poisoned(), Options{})
	b := batchOf(1024)
	for i := range b.Records {
		b.Records[i].Value = 13
	}
	if err := w.Run(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Failed) != 1024 || len(b.Records) != 0 {
		t.Errorf("%d failed, %d are left", len(b.Failed), len(b.Records))
	}
	if !slices.IsSortedFunc(b.Failed, func(a, b Failure) int { return a.Record - b.Record }) {
		t.Error("failures are not in the order of the rows")
	}
	if n := w.use.plugin.Counts().Calls; n > maxCalls {
		t.Errorf("the plugin was called %d times", n)
	}
}

func TestTooLargeABatchIsCut(t *testing.T) {
	w := worker(t, assemble.Rename("task_name", "task", 2), Options{})
	b := batchOf(5000)
	if err := w.Run(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Failed) != 0 || len(b.Records) != 5000 || b.Records[4999].Source != 4999 || b.Records[4999].Value != 2*4999 {
		t.Errorf("%d failed, %d are left, the last is %+v", len(b.Failed), len(b.Records), b.Records[len(b.Records)-1])
	}
}

func TestBreakerRefusesWithoutACall(t *testing.T) {
	w := worker(t, poisoned(), Options{})
	for n := range breakerBatches {
		if s := w.use.Breaker(); s != BreakerClosed {
			t.Fatalf("after %d failed batches the breaker is %s", n, s)
		}
		b := batchOf(1)
		b.Records[0].Value = 13
		if err := w.Run(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.use.Breaker(); s != BreakerOpen {
		t.Fatalf("the breaker is %s", s)
	}
	calls := w.use.plugin.Counts().Calls
	b := batchOf(2)
	if err := w.Run(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Failed) != 2 || b.Failed[1].Code != abi.Broken || len(b.Records) != 0 || w.use.plugin.Counts().Calls != calls {
		t.Errorf("with the breaker open %+v failed and %d are left", b.Failed, len(b.Records))
	}
}

func TestNothingIsDecidedWithoutAPlugin(t *testing.T) {
	w := worker(t, bitter(assemble.Loop+assemble.Br(0)+assemble.End), Options{Limits: Limits{Batch: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	b := batchOf(14)
	done := make(chan error)
	go func() { done <- w.Run(ctx, b) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || len(b.Records) != 14 || len(b.Failed) != 0 {
		t.Errorf("a call that was cancelled: %v, %d records left", err, len(b.Records))
	}
	if err := w.use.plugin.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context(), b); !errors.Is(err, ErrClosed) || len(b.Records) != 14 || len(b.Failed) != 0 {
		t.Errorf("a closed plugin: %v, %d records left", err, len(b.Records))
	}
}

func TestBreaker(t *testing.T) {
	start := time.Unix(1000, 0)
	type step struct {
		after         time.Duration
		records, lost int
		allowed       bool
		state         BreakerState
	}
	for name, steps := range map[string][]step{
		"five batches within a minute": {
			{0, 10, 1, true, BreakerClosed}, {10 * time.Second, 10, 1, true, BreakerClosed}, {20 * time.Second, 10, 1, true, BreakerClosed},
			{30 * time.Second, 10, 1, true, BreakerClosed}, {40 * time.Second, 10, 1, true, BreakerOpen},
		},
		"five batches in more than a minute": {
			{0, 10, 1, true, BreakerClosed}, {16 * time.Second, 10, 1, true, BreakerClosed}, {32 * time.Second, 10, 1, true, BreakerClosed},
			{48 * time.Second, 10, 1, true, BreakerClosed}, {64 * time.Second, 10, 1, true, BreakerClosed},
		},
		"more than one in a hundred records": {
			{0, 990, 0, true, BreakerClosed}, {time.Second, 10, 10, true, BreakerClosed}, {2 * time.Second, 1, 1, true, BreakerOpen},
		},
		"it opens for twice as long, and closes": {
			{0, 1000, 1000, true, BreakerOpen}, {900 * time.Millisecond, 0, 0, false, BreakerOpen},
			{time.Second, 10, 1, true, BreakerOpen}, {2900 * time.Millisecond, 0, 0, false, BreakerOpen},
			{3 * time.Second, 10, 0, true, BreakerClosed}, {4 * time.Second, 10, 1, true, BreakerClosed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b breaker
			for i, s := range steps {
				now := start.Add(s.after)
				if got := b.allow(now); got != s.allowed {
					t.Fatalf("step %d: allowed is %t", i, got)
				}
				if s.allowed {
					b.report(now, s.records, s.lost)
				}
				if got := b.now(); got != s.state {
					t.Fatalf("step %d: the breaker is %s, want %s", i, got, s.state)
				}
			}
		})
	}
	var b breaker
	for range 20 {
		b.open(start)
	}
	if b.pause != breakerLongest {
		t.Errorf("it opens for %s", b.pause)
	}
}
