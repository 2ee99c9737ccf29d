package ledger

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// A lag that is over is not told for ever: what was posted long ago is forgotten,
// while the sum keeps it.
func TestRecentLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book
		post := func(lag time.Duration, n uint64) {
			var e Entry
			e.Lag.Observe(lag, n)
			b.Post(Place{"in", 0}, &e)
		}
		p99 := func() float64 { l := b.RecentLag(); return l.Quantile(.99) }
		post(5*time.Minute, 100)
		for range 3 {
			time.Sleep(lagTurn / 2)
			post(time.Millisecond, 10)
		}
		if got := p99(); got < 300 {
			t.Errorf("p99 is %v s one and a half minutes after a lag of 300 s", got)
		}
		time.Sleep(lagTurn / 2)
		post(time.Millisecond, 10)
		if got := p99(); got > .01 {
			t.Errorf("p99 is %v s two minutes after a lag of 300 s, want that of what came since", got)
		}
		if sum := b.Sum().Lag; sum.Count() != 140 || sum.Quantile(.99) < 300 {
			t.Errorf("the sum has %d lags, p99 %v s", sum.Count(), sum.Quantile(.99))
		}
		time.Sleep(2 * lagTurn)
		if got := p99(); !math.IsNaN(got) {
			t.Errorf("p99 is %v s when nothing came of late", got)
		}
	})
}
