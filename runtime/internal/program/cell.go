package program

import (
	"math"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Reduce says how gauges are put together.
type Reduce uint8

// The ways. All but Least and Greatest take one value of each member: its last.
const (
	Sum Reduce = iota
	Average
	Least
	Greatest
	Newest // the last value that any member reported
	Members
)

// Cell puts the samples of its members together, one value per window. Counts are
// kept as a total that only goes up: each member adds what it grew by, and all of
// its count when it is new (see Timeline.Totals) or began anew. Of a gauge, each member counts in a
// window with its last value there, or else with that of the window before, so
// that reporters which drift over a boundary leave no dent.
//
// It keeps a number per member, not the member's labels. Who calls it finds
// members by a hash, keeps it to one goroutine, and asks Size for its memory.
type Cell struct {
	kind    metric.Kind
	spec    Aggregation
	totals  Totals
	total   int64   // of the windows closed
	counted bool    // a member had a count
	index   []int32 // open addressing by key: numbers of members from 1, 0 for none
	members []member
	free    []int32
	live    int
	open    []bin   // in order
	newest  int64   // time of the newest sample
	stats   []Value // of members of a meter or a histogram, by number
}

// member is what a cell knows of one series. There may be a million of them.
type member struct {
	key     uint64
	at      int64  // time of its newest sample, or never or forgotten
	bits    uint64 // of the newest value: a gauge's float, or a count
	attempt int32
	ended   bool
	missing bool // it has ended in time not to count in the window after its own
}

// Times of a member without a sample, and of a number without a member.
const (
	never     = math.MinInt64
	forgotten = math.MaxInt64
)

func (x *member) count() int64    { return int64(x.bits) }
func (x *member) number() float64 { return math.Float64frombits(x.bits) }

// window is that of a member's newest sample.
func (c *Cell) window(x *member) int64 { return floorDiv(x.at, max(c.spec.Window.Milliseconds(), 1)) }

// bin is a window that is open.
type bin struct {
	window  int64
	samples int   // of the window itself
	members int   // that count in it
	grown   int64 // by how much counts grew
	at      int64 // of the newest sample in value, for Newest
	value   float64
	weight  float64 // of the mean
	stats   Value
}

// Totals says from when on a cell counts. Both are Always for one that has missed
// nothing.
type Totals struct {
	Window int64 // first one whose growth counts
	New    int64 // time from which on the first count of a member counts in full
}

// NewCell returns a cell without members.
func NewCell(kind metric.Kind, spec Aggregation, totals Totals) *Cell {
	return &Cell{kind: kind, spec: spec, totals: totals}
}

// Bytes of memory.
const (
	cellSize   = 500 // with what its owner keeps of it
	memberSize = 32
	statsSize  = 72
)

// Size is about how many bytes the cell takes.
func (c *Cell) Size() int64 {
	return cellSize + int64(cap(c.members)*memberSize+4*len(c.index)+4*cap(c.free)+cap(c.stats)*statsSize)
}

// Live is how many members have not ended.
func (c *Cell) Live() int { return c.live }

// Newest is the time of the newest sample.
func (c *Cell) Newest() int64 { return c.newest }

// Idle reports whether no window is open.
func (c *Cell) Idle() bool { return len(c.open) == 0 }

// Empty reports whether there is no member and no open window.
func (c *Cell) Empty() bool { return len(c.members) == len(c.free) && c.Idle() }

// Add takes a sample of a member in a window that Timeline.Place gave; closed is
// the window before which all have been closed. It is not taken, which is false, when the member
// has reported that time or a later one already. NaN is for the caller to refuse.
func (c *Cell) Add(m int32, attempt int32, ts, window, closed int64, v *Value) bool {
	x := &c.members[m]
	if ts <= x.at {
		return false
	}
	if x.at != never && window != c.window(x) {
		c.advance(m, window, closed)
	}
	b := c.bin(window)
	b.samples++
	switch {
	case c.kind == metric.Gauge:
		x.bits = math.Float64bits(v.Number)
	case !v.Uncounted:
		c.counted = true
		b.grown += c.grown(x, attempt, ts, v.Count)
		x.bits = uint64(v.Count)
	}
	if x.ended {
		x.ended = false
		c.live++
	}
	x.missing = false
	x.at, x.attempt = ts, attempt
	if c.stats != nil {
		keep := &c.stats[m]
		keep.Number, keep.Min, keep.Max, keep.Mean = v.Number, v.Min, v.Max, v.Mean
		keep.Quantiles = append(keep.Quantiles[:0], v.Quantiles...)
	}
	if c.kind == metric.Gauge && (c.spec.Gauge == Least || c.spec.Gauge == Greatest) || c.kind == metric.Histogram {
		c.extreme(b, m)
	}
	c.newest = max(c.newest, ts)
	return true
}

// grown is by how much a member's count has grown: all of it when it has begun
// anew. A counter that was counted down cannot be told from one that began anew.
func (c *Cell) grown(x *member, attempt int32, ts, count int64) int64 {
	switch {
	case x.at == never && ts < c.totals.New:
		return 0 // it has been counted by who read the partition before
	case x.at == never, attempt != x.attempt, count < x.count():
		return max(count, 0)
	}
	return count - x.count()
}

// bin returns an open window, made when it is new.
func (c *Cell) bin(window int64) *bin {
	i, ok := slices.BinarySearchFunc(c.open, window, func(b bin, n int64) int {
		return int(min(max(b.window-n, -1), 1))
	})
	if !ok {
		c.open = slices.Insert(c.open, i, bin{window: window, value: math.NaN(), at: math.MinInt64, stats: Value{Min: math.NaN(), Max: math.NaN()}})
	}
	return &c.open[i]
}

// advance counts a member, before it goes on to another window, in the one it was
// in and, if it skips that, in the one after.
func (c *Cell) advance(m int32, to, closed int64) {
	if c.kind == metric.Counter {
		return
	}
	x := &c.members[m]
	window := c.window(x)
	if window >= closed {
		c.count(c.bin(window), m)
	}
	if next := window + 1; next < to && next >= closed && !x.missing {
		c.count(c.bin(next), m)
	}
}

// count counts a member in a window, with its last value.
func (c *Cell) count(b *bin, m int32) {
	x := &c.members[m]
	b.members++
	switch {
	case c.kind == metric.Histogram:
		c.extreme(b, m)
		if n := float64(x.count()); n > 0 && !math.IsNaN(c.stats[m].Mean) {
			b.value = plus(b.value, c.stats[m].Mean*n)
			b.weight += n
		}
	case c.kind == metric.Meter:
		b.value = plus(b.value, c.stats[m].Number)
	case c.spec.Gauge == Sum || c.spec.Gauge == Average:
		b.value = plus(b.value, x.number())
	case c.spec.Gauge == Newest:
		if x.at >= b.at {
			b.value, b.at = x.number(), x.at
		}
	case c.spec.Gauge != Members:
		c.extreme(b, m)
	}
}

// extreme lets a member's value be the least or the greatest of a window.
func (c *Cell) extreme(b *bin, m int32) {
	switch {
	case c.kind == metric.Histogram:
		v := &c.stats[m]
		b.stats.Min, b.stats.Max = least(b.stats.Min, v.Min), greatest(b.stats.Max, v.Max)
		if c.spec.Quantiles {
			b.stats.raise(v.Quantiles)
		}
	case c.spec.Gauge == Least:
		b.value = least(b.value, c.members[m].number())
	default:
		b.value = greatest(b.value, c.members[m].number())
	}
}
