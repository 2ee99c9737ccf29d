package engine

import (
	"context"
	"slices"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// linkOf is where a record goes on that came back for a row. It is valid until the
// next link is asked for.
func (w *Worker) linkOf(ctx context.Context, in *row, r *abi.Record) (*link, error) {
	y, b, kind := in.way, &w.transit.batch, kindOf(r.Kind, in.kind)
	same := kind == kindOf(in.kind, in.kind)
	if same && w.transit.words.unchanged(y, b, r) {
		return w.ownLink(ctx, in)
	}
	for i := range y.links {
		l := &y.links[i]
		if !l.is(b, r, kind) {
			continue
		}
		if l.stale(w.now) {
			return l, w.decideLink(ctx, in, l)
		}
		return l, nil
	}
	name, labels := b.Strings[r.Name], make(metric.Labels, r.Labels)
	for i, p := range b.Pairs[r.First:][:r.Labels] {
		labels[i] = metric.Label{Name: b.Strings[p.Key], Value: b.Strings[p.Value]}
	}
	if own, said := w.transit.words.spell(&y.said); same && name == own && slices.Equal(labels, said) {
		return w.ownLink(ctx, in)
	}
	l := y.room(w)
	*l = link{name: name, labels: labels, kind: kind}
	return l, w.decideLink(ctx, in, l)
}

// ownLink is where a row goes on that nothing has changed.
func (w *Worker) ownLink(ctx context.Context, in *row) (*link, error) {
	y := in.way
	l := &y.own
	if y.known && !l.stale(w.now) {
		return l, nil
	}
	y.known = true
	l.name, l.labels = w.transit.words.spell(&y.said)
	l.kind = kindOf(in.kind, in.kind)
	return l, w.decideLink(ctx, in, l)
}

// stale reports whether the program is to be asked again.
func (l *link) stale(now int64) bool {
	return l.product != nil && l.product.gone || l.failed != nil && l.failed.due(now)
}

// unchanged reports whether a record has the name and the labels that a way has.
func (t *words) unchanged(y *way, b *Batch, r *abi.Record) bool {
	if int(r.Labels) != len(y.said.labels) || !t.is(y.said.name, r.Name) {
		return false
	}
	for i, p := range b.Pairs[r.First:][:r.Labels] {
		if l := &y.said.labels[i]; !t.is(l.name, p.Key) || !t.is(l.value, p.Value) {
			return false
		}
	}
	return true
}

// spell writes a phrase out.
func (t *words) spell(p *phrase) (name string, labels metric.Labels) {
	labels = make(metric.Labels, len(p.labels))
	for i, l := range p.labels {
		labels[i] = metric.Label{Name: t.all[l.name].text, Value: t.all[l.value].text}
	}
	return t.all[p.name].text, labels
}

// is reports whether a record came out in the form of a link: byte by byte.
func (l *link) is(b *Batch, r *abi.Record, kind metric.Kind) bool {
	if int(r.Labels) != len(l.labels) || l.kind != kind || b.Strings[r.Name] != l.name {
		return false
	}
	for i, p := range b.Pairs[r.First:][:r.Labels] {
		if x := &l.labels[i]; b.Strings[p.Value] != x.Value || b.Strings[p.Key] != x.Name {
			return false
		}
	}
	return true
}

// room is the place for a new link: the oldest one leaves for it when there are many.
func (y *way) room(w *Worker) *link {
	if len(y.links) < maxLinks {
		y.links = append(y.links, link{})
		return &y.links[len(y.links)-1]
	}
	l := &y.links[y.next%maxLinks]
	y.next++
	if l.onward != nil {
		w.transit.retired = append(w.transit.retired, l.onward)
	}
	return l
}

// decideLink asks the program what becomes of a series that came out of a
// transform: once for each form in which a series comes out.
func (w *Worker) decideLink(ctx context.Context, in *row, l *link) error {
	o := &w.transit.origins[in.origin]
	own := w.ownPoint(o)
	all, err := w.labels(w.cache.source(o.slot), &own)
	if err != nil {
		return err
	}
	asked, byName, bySource := w.input(o.slot, all)
	v := w.cur.Program.After(in.way.transform, asked, l.name, slices.Clone(l.labels).Sort(), byName, bySource)
	if len(v.Short) > 0 && w.opts.Learn != nil {
		w.opts.Learn(v.Short)
	}
	if l.onward != nil { // the transform before it has failed for a while
		w.transit.retired = append(w.transit.retired, l.onward)
	}
	l.scale, l.disposition, l.rule, l.product, l.onward = 1, v.Disposition, v.Rule, nil, nil
	if l.failed, err = w.failedBy(v.Failure); err != nil || v.Disposition != ledger.Out {
		return err
	}
	if l.scale = v.Scale; v.Transform != nil {
		l.onward = &way{}
		w.reword(l.onward, &v)
		return nil
	}
	v.Scale = 1
	l.product, err = w.product(ctx, o, &v, l.kind)
	if err == nil {
		w.through(o.series).use(l.product)
		w.charge(o.slot, o.series)
	}
	return err
}

// ownPoint is what tells the series of an origin from the others of its record.
func (w *Worker) ownPoint(o *origin) record.Point {
	return record.Point{Subtask: o.point.Subtask, Attempt: o.point.Attempt, Labels: w.cache.rare(o.series).labels}
}
