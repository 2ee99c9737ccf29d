package engine

import (
	"context"
	"math"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// closeWindows writes what windows that are over have come to, and lets go of cells
// that nothing has been heard of.
func (w *Worker) closeWindows(ctx context.Context) error {
	k := &w.cells
	for _, t := range k.timelines {
		before, news := t.Close(k.clock)
		if !news {
			continue
		}
		for _, c := range t.cells {
			if err := w.closeCell(ctx, c, before); err != nil {
				return err
			}
		}
		t.cells = slices.DeleteFunc(t.cells, func(c *cell) bool { return c.timeline == nil })
	}
	k.timelines = slices.DeleteFunc(k.timelines, func(t *timeline) bool { return len(t.cells) == 0 })
	return nil
}

func (w *Worker) closeCell(ctx context.Context, c *cell, before int64) error {
	k := &w.cells
	err := c.Close(before, func(window int64, v program.Value) error {
		if !c.timeline.Writes(window) {
			return nil
		}
		return w.writeCell(ctx, c, c.timeline.End(window), &v)
	})
	if err != nil {
		return err
	}
	if c.wrote != 0 && c.Idle() && (c.Live() == 0 || c.Newest()+minTTL < k.clock) {
		if err := w.endCell(ctx, c); err != nil {
			return err
		}
	}
	if k.clock-c.swept > memberTTL/4 {
		c.swept = k.clock
		c.Forget(k.clock - memberTTL)
	}
	if c.users == 0 && c.wrote == 0 && c.Empty() {
		if k.byKey[c.key] == c {
			delete(k.byKey, c.key)
		}
		w.cache.size -= c.charged
		k.size -= c.charged
		c.timeline = nil
		return nil
	}
	w.account(c)
	return nil
}

// writeCell sends a sample of a cell on its way.
func (w *Worker) writeCell(ctx context.Context, c *cell, at int64, v *program.Value) error {
	p := w.cells.write(c.kind, v)
	if c.wrote == 0 {
		w.series.out++
	}
	c.wrote = at
	w.entry.Made++
	w.pending++
	if w.lane == nil {
		return w.packCell(ctx, c, p, at)
	}
	e := &c.series
	if e.form != p.Form || w.cache.rare(e).more != nil && !w.cache.rare(e).more.fits(p) {
		w.swap(e, p, &c.verdict, at)
	}
	w.appendSamples(e, w.cache.rare(e), p, at)
	return nil
}

// write makes a point of a value.
func (k *cells) write(kind metric.Kind, v *program.Value) *record.Point {
	p := &k.point
	*p = record.Point{Subtask: -1, Attempt: -1, Count: v.Count, Value: v.Number, Hist: record.Hist{Quantiles: p.Hist.Quantiles[:0]}}
	switch {
	case kind == metric.Counter:
		p.Form = record.Count
	case kind == metric.Gauge || kind == metric.Meter && v.Uncounted:
		p.Form = record.Number
	case kind == metric.Meter:
		p.Form = record.Rate
	default:
		p.Form = record.Statistic
		p.Hist.Window, p.Hist.Dev = -1, math.NaN()
		p.Hist.Min, p.Hist.Max, p.Hist.Mean = v.Min, v.Max, v.Mean
		for _, q := range v.Quantiles {
			p.Hist.Quantiles = append(p.Hist.Quantiles, record.Quantile{Q: []byte(q.Q), Value: q.Value})
		}
	}
	return p
}

// endCell ends the series of a cell: its members have, or are silent.
func (w *Worker) endCell(ctx context.Context, c *cell) error {
	at := c.wrote + 1
	c.wrote = 0
	w.series.out--
	if w.lane == nil {
		w.pending++
		return w.packCell(ctx, c, nil, at)
	}
	w.unbind(&c.series, at)
	w.cache.disown(&c.series)
	return nil
}

// packCell writes a record of a cell; a nil p is an end. Its labels are some of
// those of a record that was read, so it is not too large for Kafka.
func (w *Worker) packCell(ctx context.Context, c *cell, p *record.Point, at int64) error {
	what := packPoints
	if p == nil {
		what = packEnds
	}
	w.recall(c.gen)
	headers := w.pack.header(w.partition, w.cells.offset, w.cur.revision)
	buf := w.pack.buf.begin(len(c.head) + len(c.out.head) + len(c.out.labels) + 512)
	buf = c.out.append(record.AppendStamp(append(buf, c.head...), at, nil, -1, -1), what)
	buf = record.AppendPoint(buf, prefix, c.kind, p)
	return w.writeRecord(ctx, c.task, c.out, buf, headers)
}
