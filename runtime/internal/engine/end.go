package engine

import (
	"context"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// endForms is what the series of a kind are bound as when their end is the first
// that a worker sees of them. Texts and quantiles are not known then; the store
// stops showing those after its lookback.
var endForms = [...]record.Form{
	metric.Counter: record.Count, metric.Gauge: record.Number,
	metric.Meter: record.Rate, metric.Histogram: record.Statistic,
}

// end governs a record that says its series have ended.
func (w *Worker) end(ctx context.Context, m *Message, sl *slot) error {
	v := &w.view
	if len(v.Points) > 0 {
		return w.endPoints(ctx, m, sl)
	}
	if sl.n == 0 {
		w.entry.In++
		w.entry.By[ledger.NoValue]++
		return nil
	}
	for part := range slices.Chunk(slices.Collect(w.cache.all(sl)), maxEnds) {
		w.hits, v.Points = append(w.hits[:0], part...), v.Points[:0]
		for _, e := range part {
			v.Points = append(v.Points, record.Point{Subtask: e.subtask, Attempt: e.attempt, Labels: w.cache.rare(e).labels})
		}
		if err := w.endPoints(ctx, m, sl); err != nil {
			return err
		}
	}
	return nil
}

// maxEnds is how many series one record ends that names none itself: well below
// what a record may have.
const maxEnds = 1000

// endPoints ends the series of the points at hand.
func (w *Worker) endPoints(ctx context.Context, m *Message, sl *slot) error {
	v := &w.view
	ended, out := make(map[*series]bool, len(w.hits)), 0
	w.entry.In += int64(len(w.hits))
	for i, e := range w.hits {
		if w.tapping != nil {
			w.tapping.rule, w.tapping.end = program.NoRule, ledger.Superseded
		}
		goesOut, err := w.endOne(ctx, sl, e, &v.Points[i])
		if err != nil {
			return err
		}
		if w.tapping != nil {
			w.tapEnd(m, sl, e, goesOut)
		}
		if goesOut || e.attempt <= v.Points[i].Attempt {
			ended[e] = true
		}
		if !goesOut || w.through(e) != nil { // which has packed its end itself
			w.hits[i] = nil
		}
		if goesOut {
			out++
		}
	}
	w.sent(v.Timestamp, out)
	if w.records != nil {
		if err := w.packRecord(ctx, m, sl, packEnds); err != nil {
			return err
		}
	}
	w.cache.removeSeries(sl, func(e *series) bool {
		if !ended[e] {
			return false
		}
		w.gone(e, true)
		return true
	})
	return nil
}

// endOne ends one series: true says that its end goes out.
func (w *Worker) endOne(ctx context.Context, sl *slot, e *series, p *record.Point) (bool, error) {
	if p.Attempt >= 0 && p.Attempt < e.attempt {
		w.entry.By[ledger.Superseded]++
		return false, nil
	}
	p.Form = endForms[w.cache.name(sl).kind]
	if e.gen != w.cur.number {
		if err := w.decide(ctx, sl, e, p); err != nil {
			return false, err
		}
	}
	if err := w.finishHeld(ctx, sl, e); err != nil {
		return false, err
	}
	switch th := w.through(e); {
	case e.disposition == ledger.Quarantined: // an end has no value to put aside
		w.entry.By[ledger.NoValue]++
		return false, nil
	case e.disposition != ledger.Out:
		w.count(w.ender(e), e.disposition)
		return false, nil
	case th != nil:
		if err := w.transform(ctx); err != nil {
			return false, err
		}
		return w.endThrough(ctx, sl, e, th)
	}
	if w.lane != nil {
		first := len(w.samples)
		w.unbind(e, afterLast(e, w.view.Timestamp))
		if first < len(w.samples) {
			w.samples[first].Counts = true
		}
	}
	return true, nil
}
