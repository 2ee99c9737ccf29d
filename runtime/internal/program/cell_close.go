package program

import (
	"math"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Leave says that a member has ended, or belongs to the cell no more, when oldest
// is the first window that is open. What it counted stays; if it comes back, it
// goes on from there.
func (c *Cell) Leave(m int32, oldest int64) {
	x := &c.members[m]
	x.missing = x.missing || x.at == never || c.window(x)+1 >= oldest
	if !x.ended {
		x.ended = true
		c.live--
	}
}

// Close closes the windows before one, in order, and hands out the value of each
// in which a member has reported. Its quantiles are valid until emit returns.
func (c *Cell) Close(before int64, emit func(window int64, v Value) error) error {
	n := 0
	defer func() { c.open = append(c.open[:0], c.open[n:]...) }()
	for n < len(c.open) && c.open[n].window < before {
		b := &c.open[n]
		n++
		c.countLast(b)
		if b.window >= c.totals.Window {
			c.total += b.grown
		}
		if b.samples == 0 {
			continue
		}
		if err := emit(b.window, c.value(b)); err != nil {
			return err
		}
	}
	return nil
}

// countLast counts the members that have not gone on to a later window.
func (c *Cell) countLast(b *bin) {
	if c.kind == metric.Counter {
		return
	}
	for m := range c.members {
		x := &c.members[m]
		if x.at == forgotten || x.at == never {
			continue
		}
		if n := c.window(x); n == b.window || n == b.window-1 && !x.missing {
			c.count(b, int32(m))
		}
	}
}

// value is what a window comes to.
func (c *Cell) value(b *bin) Value {
	v := Value{Count: c.total, Uncounted: !c.counted, Number: b.value}
	switch {
	case c.kind == metric.Histogram:
		v.Min, v.Max, v.Quantiles = b.stats.Min, b.stats.Max, b.stats.Quantiles
		v.Number, v.Mean = 0, math.NaN()
		if b.weight > 0 {
			v.Mean = b.value / b.weight
		}
	case c.kind == metric.Gauge && c.spec.Gauge == Average:
		v.Number /= float64(b.members)
	case c.kind == metric.Gauge && c.spec.Gauge == Members:
		v.Number = float64(b.members)
	}
	return v
}

// Forget lets go of the members whose newest sample is before a time: what they
// counted stays, but if they come back they count as new.
func (c *Cell) Forget(before int64) {
	n := len(c.free)
	for m := range c.members {
		if x := &c.members[m]; x.at < before {
			c.Leave(int32(m), math.MinInt64)
			x.at = forgotten
			c.free = append(c.free, int32(m))
		}
	}
	switch {
	case len(c.free) == len(c.members):
		c.index, c.members, c.free, c.stats = nil, nil, nil, nil
	case len(c.free) > n:
		c.reindex(len(c.index))
	}
}
