package program

import (
	"math"
	"slices"
	"time"
)

// Timeline is where the windows of one aggregate stand on one partition. Time on
// it is report_timestamp in Unix milliseconds, moved on by the samples of the
// partition alone, so a partition that is read again gives the same windows.
//
// A reader that begins in the middle of a partition cannot know what it has
// missed: the window in which it begins is incomplete, and the one after it may
// lack members that reported in the first only. So it writes from the third
// window on, and Needs says how far back an owner has to leave its offset for the
// next one to write everything that this one has not.
type Timeline struct {
	window, late int64
	from         int64 // first window that is written
	since        int64 // when the reader began
	closed       int64 // every window before it is closed
	firsts       []firstSample
}

// firstSample is the offset of the first record with a sample in a window.
type firstSample struct{ window, offset int64 }

// Always is the beginning of a reader that has missed nothing.
const Always = math.MinInt64

// NewTimeline returns one whose windows last window, at least a millisecond, and
// wait for late, for a reader that began at the time since.
func NewTimeline(window, late time.Duration, since int64) *Timeline {
	t := &Timeline{window: max(window.Milliseconds(), 1), late: late.Milliseconds(), from: Always, since: since, closed: Always}
	if since != Always {
		t.from = floorDiv(since, t.window) + remembered
	}
	return t
}

// Totals says how a reader that begins in the middle counts, so that its total
// grows by what the one before it has not counted: from the first window that is
// written on, and what is new only once all that is old has been seen. Its total
// begins at 0, as after any restart of what counts.
func (t *Timeline) Totals() Totals {
	if t.since == Always {
		return Totals{Always, Always}
	}
	return Totals{t.from, t.since + settled}
}

// settled is how long a reader takes series that it has not seen for old ones: as
// long as those that fall silent are remembered.
const settled = 5 * 60_000 // ms

// ahead is how many windows after the current one are open: clocks differ a little.
const ahead = 1

// remembered is how many windows before the oldest open one the next owner needs.
const remembered = 2

// Oldest is the first window that is open at a time.
func (t *Timeline) Oldest(clock int64) int64 { return floorDiv(clock-t.late, t.window) }

// Place returns the window of a sample. It is not ok when the window is over, or
// so far ahead that a clock must be wrong. clock is the time of the partition,
// with this sample counted; offset that of its record.
func (t *Timeline) Place(ts, clock, offset int64) (window int64, ok bool) {
	window = floorDiv(ts, t.window)
	if window < t.Oldest(clock) || window > floorDiv(clock, t.window)+ahead {
		return window, false
	}
	if n := len(t.firsts); n == 0 || t.firsts[n-1].window != window || t.firsts[n-1].offset > offset {
		t.first(window, offset)
	}
	return window, true
}

func (t *Timeline) first(window, offset int64) {
	i := slices.IndexFunc(t.firsts, func(f firstSample) bool { return f.window == window })
	if i < 0 {
		t.firsts = append(t.firsts, firstSample{window, offset})
		return
	}
	t.firsts[i].offset = min(t.firsts[i].offset, offset)
}

// Close returns the window before which all are over now, and whether that is
// news since the last call.
func (t *Timeline) Close(clock int64) (before int64, news bool) {
	before = t.Oldest(clock)
	if before <= t.closed {
		return t.closed, false
	}
	t.closed = before
	t.firsts = slices.DeleteFunc(t.firsts, func(f firstSample) bool { return f.window < before-remembered })
	return before, true
}

// Closed is what Close said last: windows before it have been closed.
func (t *Timeline) Closed() int64 { return t.closed }

// Writes reports whether a window is complete, so that it is written.
func (t *Timeline) Writes(window int64) bool { return window >= t.from }

// End is the first time after a window.
func (t *Timeline) End(window int64) int64 { return (window + 1) * t.window }

// Needs is the offset from which on the next owner of the partition has to read;
// ok is false when it needs nothing.
func (t *Timeline) Needs() (offset int64, ok bool) {
	for _, f := range t.firsts {
		if !ok || f.offset < offset {
			offset, ok = f.offset, true
		}
	}
	return offset, ok
}
