package ledger

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEveryDispositionHasAName(t *testing.T) {
	seen := map[string]bool{}
	for d := range Count {
		if d.String() == "" || seen[d.String()] {
			t.Errorf("disposition %d: name %q is empty or taken", d, d)
		}
		seen[d.String()] = true
		if back, ok := Parse(d.String()); !ok || back != d {
			t.Errorf("the word %q names disposition %d", d, back)
		}
	}
}

func TestOtherWordsNameNothing(t *testing.T) {
	for _, word := range []string{"", "Out", "lost"} {
		if d, ok := Parse(word); ok {
			t.Errorf("%q names %s", word, d)
		}
	}
}

func TestBookSumsEntriesAndSeesAnImbalance(t *testing.T) {
	var b Book
	e := Entry{In: 5, Rules: map[Rule]uint64{{"a/b", Dropped}: 2}}
	e.By[Dropped], e.By[InFlight] = 2, 3
	b.Post(Place{"in", 1}, &e)
	s := b.Sum()
	if got := s.Imbalance(); got != 0 {
		t.Fatalf("imbalance = %d, want 0", got)
	}
	b.Post(Place{"in", 2}, &Entry{By: [Count]int64{InFlight: -3, Out: 2}})
	s = b.Sum()
	if got := s.Imbalance(); got != 1 {
		t.Fatalf("a sample was lost: imbalance = %d, want 1", got)
	}
	pages := b.Pages()
	one, two := pages[Place{"in", 1}], pages[Place{"in", 2}]
	if len(pages) != 2 || one.In != 5 || one.By[Dropped] != 2 || one.Imbalance() != 0 || two.Imbalance() != 1 {
		t.Fatalf("pages %+v: want the two partitions, and the loss in the second", pages)
	}
	s.Rules[Rule{"a/b", Dropped}] = 99
	if got := b.Sum().Rules[Rule{"a/b", Dropped}]; got != 2 {
		t.Fatalf("a sum shares its maps with the book: %d", got)
	}
}

func TestLagQuantileBoundsTheTrueOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.SliceOfN(rapid.Int64Range(0, 10_000_000), 1, 200).Draw(t, "ms")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var l Lag
		for _, m := range ms {
			l.Observe(time.Duration(m)*time.Millisecond, 1)
		}
		slices.Sort(ms)
		want := float64(ms[max(int(math.Ceil(q*float64(len(ms)))), 1)-1])
		got := l.Quantile(q) * 1000
		if got < want || got > want*1.25+1 {
			t.Fatalf("quantile %g of %v = %g ms, want %g to %g", q, ms, got, want, want*1.25+1)
		}
	})
}

func TestLagOfNothing(t *testing.T) {
	var l Lag
	if !math.IsNaN(l.Quantile(0.99)) {
		t.Error("a quantile of nothing is not NaN")
	}
	l.Observe(-time.Hour, 1)
	if l.Quantile(1) > 0.001 || l.Count() != 1 {
		t.Errorf("a clock ahead of ours: quantile %g, count %d", l.Quantile(1), l.Count())
	}
}
