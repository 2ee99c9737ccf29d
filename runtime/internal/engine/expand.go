package engine

import (
	"bytes"
	"math"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// expand turns a point into samples of the Prometheus series it stands for.
func (w *Worker) expand(sl *slot, e *series, p *record.Point, at int64) error {
	r := w.cache.rare(e)
	if e.form != p.Form || r.more != nil && !r.more.fits(p) {
		if err := w.rebind(sl, e, p, at); err != nil {
			return err
		}
		r = w.cache.rare(e)
	}
	w.appendSamples(e, r, p, at)
	return nil
}

// appendSamples adds the samples of a point to those that wait to be written.
func (w *Worker) appendSamples(e *series, r *rare, p *record.Point, at int64) {
	switch p.Form {
	case record.Count:
		w.samples = append(w.samples, counted(e.ref, at, float64(p.Count)))
	case record.Number:
		w.samples = append(w.samples, counted(e.ref, at, p.Value*r.scale))
	case record.Text:
		w.samples = append(w.samples, counted(e.ref, at, 1))
	case record.Rate:
		w.samples = append(w.samples, counted(e.ref, at, p.Value), Sample{Ref: r.more.refs[0], Time: at, Value: float64(p.Count)})
	case record.Statistic:
		w.expandHistogram(e, r, p, at)
	}
}

// counted is the first sample of a point.
func counted(ref Ref, at int64, v float64) Sample {
	return Sample{Ref: ref, Counts: true, Time: at, Value: v}
}

func (w *Worker) expandHistogram(e *series, r *rare, p *record.Point, at int64) {
	h, refs := &p.Hist, r.more.refs
	w.samples = append(w.samples, counted(e.ref, at, float64(p.Count)))
	for i, v := range [...]float64{h.Min, h.Max, h.Mean, h.Dev} {
		if !math.IsNaN(v) {
			w.samples = append(w.samples, Sample{Ref: refs[i], Time: at, Value: v * r.scale})
		}
	}
	for i := range h.Quantiles {
		w.samples = append(w.samples, Sample{Ref: refs[4+i], Time: at, Value: h.Quantiles[i].Value * r.scale})
	}
}

// fits reports whether the refs are those that p needs.
func (b *binding) fits(p *record.Point) bool {
	switch p.Form {
	case record.Text:
		return string(b.text) == string(p.Text)
	case record.Statistic:
		return slices.EqualFunc(b.quantiles, p.Hist.Quantiles, func(q []byte, x record.Quantile) bool {
			return string(q) == string(x.Q)
		})
	}
	return true
}

// rebind gives a series new refs: its form, its text or its quantiles are not
// those of the sample before. What it no longer is, ends.
func (w *Worker) rebind(sl *slot, e *series, p *record.Point, at int64) error {
	labels, err := w.labels(w.cache.source(sl), p)
	if err != nil {
		return err
	}
	v := w.verdict(sl, labels)
	w.swap(e, p, &v, at)
	w.charge(sl, e)
	return nil
}

// swap binds a series anew. A part of it that goes on keeps its ref.
func (w *Worker) swap(e *series, p *record.Point, v *program.Verdict, at int64) {
	var old, now []Ref
	w.eachRef(e, func(r Ref) { old = append(old, r) })
	w.bind(e, p, v)
	w.eachRef(e, func(r Ref) { now = append(now, r) })
	for _, r := range old {
		if !slices.Contains(now, r) { // a series that goes on has the ref it had
			w.samples = append(w.samples, Sample{Ref: r, Time: at, Value: Stale()})
		}
	}
	w.released = append(w.released, old...)
}

// bind asks the lane for the refs of a series.
func (w *Worker) bind(e *series, p *record.Point, v *program.Verdict) {
	e.form = p.Form
	if w.cache.rare(e).more != nil {
		w.cache.own(e).more = nil
	}
	switch p.Form {
	case record.Count:
		e.ref = w.bindOne(v, "", v.Labels, TypeCounter)
	case record.Number:
		typ := TypeGauge
		if w.opts.Catalogue.Counts(v.Name) {
			typ = TypeCounter
		}
		e.ref = w.bindOne(v, "", v.Labels, typ)
	case record.Text:
		w.cache.own(e).more = &binding{text: bytes.Clone(p.Text)}
		e.ref = w.bindOne(v, "_info", with(v.Labels, "value", record.Unquote(p.Text)), TypeInfo)
	case record.Rate:
		e.ref = w.bindOne(v, "", v.Labels, TypeGauge)
		w.cache.own(e).more = &binding{refs: []Ref{w.bindOne(v, "_count", v.Labels, TypeCounter)}}
	case record.Statistic:
		w.bindHistogram(e, p, v)
	}
}

// histogramParts are the statistics of a histogram, in the order of their refs.
var histogramParts = [...]string{"_min", "_max", "_mean", "_stddev"}

func (w *Worker) bindHistogram(e *series, p *record.Point, v *program.Verdict) {
	e.ref = w.bindOne(v, "_count", v.Labels, TypeSummary)
	b := &binding{}
	for _, part := range histogramParts {
		b.refs = append(b.refs, w.bindOne(v, part, v.Labels, TypeGauge))
	}
	for _, q := range p.Hist.Quantiles {
		b.quantiles = append(b.quantiles, bytes.Clone(q.Q))
		b.refs = append(b.refs, w.bindOne(v, "", with(v.Labels, "quantile", record.Unquote(q.Q)), TypeSummary))
	}
	w.cache.own(e).more = b
}

func (w *Worker) bindOne(v *program.Verdict, suffix string, labels metric.Labels, typ Type) Ref {
	return w.lane.Bind(Series{Name: v.Name + suffix, Labels: labels, Type: typ, To: v.To})
}

// with returns a copy of labels with one more.
func with(labels metric.Labels, name, value string) metric.Labels {
	return slices.Clone(labels).Set(name, value)
}

// unbind ends the series behind the refs at a time, and gives the refs back.
func (w *Worker) unbind(e *series, at int64) {
	w.eachRef(e, func(r Ref) { w.samples = append(w.samples, Sample{Ref: r, Time: at, Value: Stale()}) })
	w.releaseRefs(e)
}

func (w *Worker) releaseRefs(e *series) {
	w.eachRef(e, func(r Ref) { w.released = append(w.released, r) })
	e.form = record.None
	if w.cache.rare(e).more != nil {
		w.cache.own(e).more = nil
	}
}

func (w *Worker) eachRef(e *series, f func(Ref)) {
	if e.form == record.None {
		return
	}
	f(e.ref)
	if more := w.cache.rare(e).more; more != nil {
		for _, r := range more.refs {
			f(r)
		}
	}
}
