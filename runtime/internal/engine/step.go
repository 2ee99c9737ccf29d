package engine

import (
	"bytes"
	"context"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// step is what a rule remembers of a series to decide about each sample.
type step struct {
	rule   program.RuleID
	spec   program.Step
	window program.Window // thin
	bucket *bucket        // limit

	// The sample that a thin rule holds, in memory of its own.
	holding bool
	at      int64
	point   record.Point
}

// bucket is what a limit counts together, and for how many series it does that.
type bucket struct {
	program.Bucket
	key   bucketKey
	users int
}

// bucketKey is one rule, and the task or "".
type bucketKey struct {
	rule program.RuleID
	task string
}

// setStep gives a series the step of a new verdict. The clocks of a rule that
// has not changed run on, over generations too.
func (w *Worker) setStep(sl *slot, e *series, spec program.Step) {
	spec = spec.Split(int(w.partition.Count))
	var rule program.RuleID
	if spec.Kind != program.NoStep {
		rule = w.cur.rules[e.rule].ID
	}
	old := w.cache.rare(e).step
	if old == nil && spec.Kind == program.NoStep || old != nil && old.rule == rule && old.spec == spec {
		return
	}
	if old != nil {
		if old.holding {
			w.drop(e)
		}
		w.leaveBucket(old)
		w.cache.own(e).step = nil
	}
	if spec.Kind == program.NoStep {
		return
	}
	s := &step{rule: rule, spec: spec}
	if spec.Kind == program.LimitStep {
		s.bucket = w.joinBucket(sl, rule, spec.Per)
	}
	w.cache.own(e).step = s
}

func (w *Worker) joinBucket(sl *slot, rule program.RuleID, per program.Per) *bucket {
	if per == program.PerSeries {
		return &bucket{}
	}
	key := bucketKey{rule: rule}
	if per == program.PerTask {
		src := w.cache.source(sl)
		key.task = string(src.raw[src.cut:])
	}
	b := w.buckets[key]
	if b == nil {
		b = &bucket{key: key}
		w.buckets[key] = b
	}
	b.users++
	return b
}

// leaveBucket forgets a shared bucket with its last user.
func (w *Worker) leaveBucket(s *step) {
	if s == nil || s.bucket == nil || s.bucket.users == 0 {
		return
	}
	if s.bucket.users--; s.bucket.users == 0 {
		delete(w.buckets, s.bucket.key)
	}
}

// step decides about one sample: true says that it goes out now.
func (w *Worker) step(ctx context.Context, sl *slot, e *series, p *record.Point) (bool, error) {
	s, at := w.cache.rare(e).step, w.view.Timestamp
	passes := false
	switch s.spec.Kind {
	case program.SampleStep:
		passes = s.spec.Passes(at)
	case program.LimitStep:
		passes = s.bucket.Take(&s.spec, at)
	case program.ThinStep:
		return w.thin(ctx, sl, e, p)
	}
	if !passes {
		w.count(e.rule, s.spec.Kind.Disposition())
		return false, nil
	}
	return w.goOn(sl, e, p, at)
}

func (w *Worker) thin(ctx context.Context, sl *slot, e *series, p *record.Point) (bool, error) {
	s, at := w.cache.rare(e).step, w.view.Timestamp
	switch s.window.Offer(&s.spec, at, p.Main()) {
	case program.Pass:
		return w.goOn(sl, e, p, at)
	case program.Stop:
		w.count(e.rule, ledger.Thinned)
		return false, nil
	case program.Replace:
		w.count(e.rule, ledger.Thinned)
	case program.Rotate:
		if err := w.letGo(ctx, sl, e); err != nil {
			return false, err
		}
		w.entry.By[ledger.Held]++
	case program.Hold:
		w.entry.By[ledger.Held]++
	}
	s.hold(p, at)
	w.held[e] = sl
	return false, nil
}

// hold keeps a copy of p.
func (s *step) hold(p *record.Point, at int64) {
	values, text, q := s.point.Values[:0], s.point.Text[:0], s.point.Hist.Quantiles[:0]
	s.point, s.at, s.holding = *p, at, true
	if p.Values != nil {
		s.point.Values = append(values, p.Values...)
	}
	s.point.Text = append(text, p.Text...)
	for _, x := range p.Hist.Quantiles {
		q = append(q, record.Quantile{Q: bytes.Clone(x.Q), Value: x.Value})
	}
	s.point.Hist.Quantiles = q
}

// letGo sends the sample that a step holds on its way.
func (w *Worker) letGo(ctx context.Context, sl *slot, e *series) error {
	s := w.cache.rare(e).step
	s.holding = false
	w.entry.By[ledger.Held]--
	gathered := w.transit.gathered
	goesOut, err := w.goOn(sl, e, &s.point, s.at)
	if w.tapping != nil && err == nil && w.transit.gathered == gathered {
		w.tapHeld(sl, e, &s.point, s.at, goesOut)
	}
	if err != nil || !goesOut {
		return err
	}
	w.sent(s.at, 1)
	if w.lane != nil {
		return nil
	}
	return w.packOne(ctx, sl, e, &s.point, s.at)
}

// drop gives up the sample that a step holds: its rule is gone.
func (w *Worker) drop(e *series) {
	s := w.cache.rare(e).step
	s.holding = false
	s.window.Flush()
	delete(w.held, e)
	w.entry.By[ledger.Held]--
	w.entry.By[ledger.Thinned]++
}

// releaseEnded lets the held samples go on whose interval has been over for as
// long as it lasted: no later sample is coming to push them out.
func (w *Worker) releaseEnded(ctx context.Context) error {
	return w.release(ctx, func(s *step) bool {
		return s.window.Ends(&s.spec)+s.spec.Every.Milliseconds() <= w.now
	})
}

// renew decides again about a series whose transform is out of force: the plugin is
// not there any more.
func (w *Worker) renew(ctx context.Context, sl *slot, e *series) error {
	if w.through(e) == nil || w.forces.has(e.gen) {
		return nil
	}
	w.enter(w.forces.base)
	if w.forces.candidate != nil {
		w.govern(w.cache.source(sl))
	}
	p := record.Point{Subtask: e.subtask, Attempt: e.attempt, Labels: w.cache.rare(e).labels}
	return w.decide(ctx, sl, e, &p)
}

// release sends the held samples on their way for which due says so.
func (w *Worker) release(ctx context.Context, due func(*step) bool) error {
	for e, sl := range w.held {
		s := w.cache.rare(e).step
		if !due(s) {
			continue
		}
		delete(w.held, e)
		s.window.Flush()
		w.recall(e.gen)
		if err := w.renew(ctx, sl, e); err != nil {
			return err
		}
		if s = w.cache.rare(e).step; s == nil || !s.holding {
			continue
		}
		if err := w.letGo(ctx, sl, e); err != nil {
			return err
		}
	}
	w.enter(w.forces.base)
	return w.transform(ctx)
}
