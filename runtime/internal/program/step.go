package program

import (
	"math"
	"time"
)

// Passes reports whether a SampleStep lets the sample with this report_timestamp
// through. The answer depends on the series and the time alone, so every
// instance, and every replay, gives the same one.
func (s *Step) Passes(ts int64) bool {
	return mix(s.Seed^mix(uint64(ts))) < s.Share
}

// Split returns the step for one of n partitions: a rate that counts more than
// one series together is divided by n.
func (s Step) Split(n int) Step {
	if s.Kind == LimitStep && s.Per != PerSeries && n > 1 {
		s.Rate /= float64(n)
	}
	return s
}

// Window is what a ThinStep remembers of one series. The zero Window is ready.
// It knows that a sample is held, not the sample: the caller keeps its bytes.
type Window struct {
	number  int64 // of the interval, counted from the epoch
	best    float64
	started bool
	holding bool
}

// Move says what becomes of a sample that was offered to a Window.
type Move uint8

// The moves. A sample that is held counts as ledger.Held and goes out with the
// timestamp it came with.
const (
	Pass    Move = iota // it goes on
	Stop                // it ends here, thinned
	Hold                // keep it; nothing was held before
	Replace             // keep it in place of the one held, which ends here, thinned
	Rotate              // let the one held go on, then keep this one
)

// lateWindows is how many intervals a sample may lie behind the newest one and
// count as late. Further back, the clock that wrote the newest one was wrong.
const lateWindows = 10

// Offer decides about a sample with the main value v. Pick First passes the
// first sample of each interval. The other picks hold their candidate until a
// sample of a later interval comes or the caller flushes. A sample of an
// interval before the current one stops: that interval is over.
func (w *Window) Offer(s *Step, ts int64, v float64) Move {
	number := floorDiv(ts, max(int64(s.Every/time.Millisecond), 1))
	if w.started && number <= w.number && w.number-number <= lateWindows {
		if number == w.number && w.better(s.Pick, v) {
			w.best = v
			if !w.holding {
				w.holding = true
				return Hold
			}
			return Replace
		}
		return Stop
	}
	w.number, w.best, w.started = number, v, true
	switch {
	case s.Pick == First:
		return Pass
	case w.holding:
		return Rotate
	}
	w.holding = true
	return Hold
}

// better reports whether v takes the place of the candidate of the open interval.
// Any number is better than NaN.
func (w *Window) better(p Pick, v float64) bool {
	switch p {
	case Last:
		return true
	case Max:
		return v > w.best || math.IsNaN(w.best) && !math.IsNaN(v)
	case Min:
		return v < w.best || math.IsNaN(w.best) && !math.IsNaN(v)
	}
	return false
}

// Flush reports whether a sample is held, which the caller then lets go on. Call
// it when the interval has ended without a later sample, when the series ends,
// and before the partition is given up. What still comes for the interval starts
// a candidate of its own, so an interval that is flushed early may give two.
func (w *Window) Flush() bool {
	held := w.holding
	w.holding = false
	if held {
		w.best = math.NaN()
	}
	return held
}

// Ends is the first time, Unix milliseconds, that is after the window's interval.
func (w *Window) Ends(s *Step) int64 {
	return (w.number + 1) * max(int64(s.Every/time.Millisecond), 1)
}

// Bucket is what a LimitStep remembers of what it counts together. The zero
// Bucket is full.
type Bucket struct {
	used float64 // tokens missing from a full bucket
	last int64   // report_timestamp of the newest sample
}

// clockStep is how far, in milliseconds, a sample may lie behind the newest one
// and count as late. Further back, the clock that wrote the newest one was wrong.
const clockStep = 60_000

// Take reports whether a sample goes on: at most s.Rate per second of
// report_timestamp, after a burst of as many, or of one when the rate is lower.
func (b *Bucket) Take(s *Step, ts int64) bool {
	switch elapsed := ts - b.last; {
	case elapsed > 0:
		b.used = max(b.used-float64(elapsed)/1000*s.Rate, 0)
		b.last = ts
	case elapsed < -clockStep:
		b.last = ts
	}
	if b.used+1 > max(s.Rate, 1) {
		return false
	}
	b.used++
	return true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
