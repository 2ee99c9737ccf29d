package engine

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// describe fills in what a new name means.
func (w *Worker) describe(n *name) {
	scope, met := record.Unquote(n.scope), record.Unquote(n.metric)
	n.series = metric.SeriesName(scope, met)
	origin, ok := metric.ParseOrigin(string(n.origin))
	if !ok {
		origin = w.opts.Catalogue.Origin(scope, met)
	}
	n.from = origin
	n.sinks, _ = record.AppendStrings(nil, n.to) // validated with the record
}

// decide runs the program for a series: once per series and generation.
func (w *Worker) decide(ctx context.Context, sl *slot, e *series, p *record.Point) error {
	old := w.through(e)
	if old != nil && old.waiting > 0 { // they are of the verdict before
		if err := w.transform(ctx); err != nil {
			return err
		}
	}
	wasOut := w.goesItself(e)
	labels, err := w.labels(w.cache.source(sl), p)
	if err != nil {
		return err
	}
	v := w.verdict(sl, labels)
	by := from{slot: sl, series: e, kind: w.cache.name(sl).kind}
	w.direct(by, &v)
	e.gen, e.rule, e.disposition, e.shed = w.cur.number, v.Rule, v.Disposition, v.Shed
	isOut := w.goesItself(e)
	w.series.out += delta(wasOut, isOut)
	identity := w.identity(&v)
	if err := w.handOver(ctx, sl, e, old, wasOut, identity); err != nil {
		return err
	}
	e.identity = identity
	if len(v.Short) > 0 && w.opts.Learn != nil {
		w.opts.Learn(v.Short)
	}
	if v.Scale != w.cache.rare(e).scale && (isOut || w.cache.rare(e).flow != nil) {
		w.cache.own(e).scale = v.Scale
	}
	if err := w.setFailed(e, v.Failure); err != nil {
		return err
	}
	w.setStep(sl, e, v.Step)
	if isOut && w.records != nil {
		w.output(by, p, &v)
	} else if isOut && e.form == record.None && p.Form != record.None {
		w.bind(e, p, &v)
	}
	w.charge(sl, e)
	w.refuse(sl, e)
	return nil
}

// verdict decides: by the program, with what it can know of the name and of the
// source alone, or without one as the first hop has decided.
func (w *Worker) verdict(sl *slot, labels metric.Labels) program.Verdict {
	v := program.Verdict{Rule: program.NoRule, Name: w.cache.name(sl).series, Labels: labels, Scale: 1, To: w.cache.name(sl).sinks}
	if w.cur.Program != nil {
		v = w.ask(sl, labels)
	}
	if v.Disposition == ledger.Out && w.opts.Takes != nil && !w.opts.Takes(v.To) {
		return program.Verdict{Rule: v.Rule, Disposition: ledger.NotRouted}
	}
	return v
}

func (w *Worker) ask(sl *slot, labels metric.Labels) program.Verdict {
	in, byName, bySource := w.input(sl, labels)
	return w.cur.memo.Decide(w.cur.Program, in, byName, bySource)
}

// input is a series as the program is asked about it, with the rules that its name
// and source leave possible.
func (w *Worker) input(sl *slot, labels metric.Labels) (in program.Input, byName, bySource program.Filter) {
	n, src, prog := w.cache.name(sl), w.cache.source(sl), w.cur.Program
	f := &n.filter[w.cur.place]
	if f.gen != w.cur.number {
		f.Filter, f.gen = prog.ByName(n.series, n.kind, n.from), w.cur.number
	}
	task := string(src.raw[src.cut:])
	if src.gen != w.cur.number {
		w.moved(src)
		src.filter, src.gen = prog.BySource(task, w.decoded.labels), w.cur.number
	}
	return program.Input{Task: task, Name: n.series, Kind: n.kind, Origin: n.from, Labels: labels}, f.Filter, src.filter
}

// labels returns all labels of a point as reported. Nobody changes them: the
// metrics of a subtask share them. A label that the record spells out wins over
// the field of the same meaning.
func (w *Worker) labels(src *source, p *record.Point) (metric.Labels, error) {
	d := &w.decoded
	if d.source != src {
		l, err := record.SourceLabels(src.written(), src.raw[src.cut:])
		if err != nil {
			return nil, err
		}
		*d = decoded{source: src, labels: l}
	}
	if len(p.Labels) == 0 && d.all != nil && d.subtask == p.Subtask && d.attempt == p.Attempt {
		return d.all, nil
	}
	l, err := record.PointLabels(d.labels, p.Subtask, p.Attempt, p.Labels)
	if err == nil && len(p.Labels) == 0 {
		d.all, d.subtask, d.attempt = l, p.Subtask, p.Attempt
	}
	return l, err
}

// identity tells whether a new verdict still means the same series.
func (w *Worker) identity(v *program.Verdict) uint64 {
	if v.Disposition != ledger.Out {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(w.cache.seed)
	part := func(s string) {
		h.WriteString(s)
		h.WriteByte(0)
	}
	part(v.Topic)
	part(v.Name)
	for _, l := range v.Labels {
		part(l.Name)
		part(l.Value)
	}
	for _, to := range v.To {
		part(to)
	}
	return h.Sum64()
}

// finish ends what a series has been so far: its samples from at on go elsewhere
// or nowhere.
func (w *Worker) finish(ctx context.Context, sl *slot, e *series, at int64) error {
	if w.records != nil {
		return w.packOne(ctx, sl, e, nil, at)
	}
	w.unbind(e, afterLast(e, at))
	return nil
}

// afterLast is the time for an end: a store keeps the first value of a time, so
// an end at the time of the last sample would not be seen.
func afterLast(e *series, at int64) int64 { return max(at, e.seen+1) }

// gone forgets a series that leaves the cache. Of a series that has ended a sink
// is told; one that only had to make room goes on when it is next seen.
func (w *Worker) gone(e *series, ended bool) {
	w.series.in--
	if w.goesItself(e) {
		w.series.out--
	}
	s := w.cache.rare(e).step
	if s != nil && s.holding {
		w.entry.By[ledger.Held]--
		w.entry.By[ledger.Thinned]++
		delete(w.held, e)
	}
	if w.tapping != nil {
		delete(w.tapping.picks, e)
	}
	w.leaveBucket(s)
	w.endFlow(e, ended)
	if w.lane != nil && ended {
		w.unbind(e, afterLast(e, 0))
	} else if w.lane != nil {
		w.releaseRefs(e)
	}
}

func delta(was, is bool) int64 {
	switch {
	case was == is:
		return 0
	case is:
		return 1
	}
	return -1
}

func msDuration(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
