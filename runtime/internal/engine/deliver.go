package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// deliver sends what came out of the transforms to the outputs, in the order in
// which it was reported, and puts down what became of every sample.
func (w *Worker) deliver(ctx context.Context) error {
	x := &w.transit
	compare := func(a, b result) int { return cmp.Compare(a.origin, b.origin) }
	if !slices.IsSortedFunc(x.results, compare) {
		slices.SortStableFunc(x.results, compare)
	}
	for i := range x.results {
		r := &x.results[i]
		if o := &x.origins[r.origin]; o.fate != setAside {
			if err := w.deliverOne(ctx, r, o); err != nil {
				return err
			}
		}
	}
	if err := w.writeGroup(ctx); err != nil {
		return err
	}
	for i := range x.origins {
		o := &x.origins[i]
		w.recall(o.number)
		switch o.fate {
		case ends:
			w.count(o.rule, o.disposition)
		case setAside:
			if err := w.quarantine(ctx, o.slot, o.series, o.point, o.at, &Message{Offset: o.offset, Replays: o.replays}, o.failed); err != nil {
				return err
			}
		}
		if o.fate != goesOn && w.tapping != nil {
			w.tapOrigin(o, nil)
		}
		if th := w.through(o.series); th != nil {
			if err := w.comeOut(ctx, o, th); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliverOne sends a sample of a product on its way.
func (w *Worker) deliverOne(ctx context.Context, r *result, o *origin) error {
	w.recall(o.number)
	w.cells.offset, w.cells.clock = o.offset, o.clock
	p := r.product
	p.used, p.until = true, w.now+w.cache.source(o.slot).ttl()
	goesOut := w.passes(r)
	if goesOut {
		p.series.seen = r.at
		if !p.out {
			p.out = true
			w.series.out++
		}
		if r.made {
			w.entry.Made++
			w.pending++
		}
	}
	if w.tapping != nil && !r.made {
		if goesOut {
			w.tapping.rule, w.tapping.end = p.series.rule, ledger.Out
		}
		w.tapOrigin(o, p)
	}
	switch {
	case !goesOut:
		return nil
	case w.lane == nil:
		return w.addToGroup(ctx, r, o)
	}
	if !r.made {
		w.sent(r.at, 1)
	}
	e := &p.series
	if more := w.cache.rare(e).more; e.form != r.point.Form || more != nil && !more.fits(r.point) {
		w.swap(e, r.point, &p.verdict, r.at)
	}
	w.appendSamples(e, w.cache.rare(e), r.point, r.at)
	if len(w.samples) >= writeEvery {
		return w.writeSamples(ctx)
	}
	return nil
}

// passes lets the aggregate and the budgets of a product have a sample: true says
// that it goes out. What was made has not come in, so the ledger does not follow it
// further than that.
func (w *Worker) passes(r *result) bool {
	e := &r.product.series
	var before [ledger.Count]int64
	if r.made {
		before = w.entry.By
	}
	goesOut := e.disposition == ledger.Out
	if f := w.cache.rare(e).flow; f != nil {
		goesOut = w.flows(e, f, r.point, r.at)
	} else if !goesOut {
		w.count(e.rule, e.disposition)
	}
	if r.made {
		w.entry.By = before
	}
	return goesOut
}

// group is a record of products that is being written: the points that came in one
// record and go out with the same labels.
type group struct {
	product *product // the first
	slot    *slot
	at      int64
	offset  int64
	number  uint32
	held    bool
	buf     []byte
	headers []Header
	points  int
	mains   int // that are samples which came in
}

// maxGroup is how many points such a record has at most.
const maxGroup = 1000

func (g *group) takes(w *Worker, r *result, o *origin) bool {
	return g.points > 0 && g.points < maxGroup && !g.held && !o.held && g.offset == o.offset && g.slot == o.slot && g.at == r.at &&
		g.number == o.number && w.cache.rare(&g.product.series).out.sameRecord(w.cache.rare(&r.product.series).out)
}

func (w *Worker) addToGroup(ctx context.Context, r *result, o *origin) error {
	g, rare := &w.transit.group, w.cache.rare(&r.product.series)
	if g.takes(w, r, o) {
		g.buf = append(g.buf, ',')
	} else {
		if err := w.writeGroup(ctx); err != nil {
			return err
		}
		*g = group{product: r.product, slot: o.slot, at: r.at, offset: o.offset, number: o.number, held: o.held}
		g.headers = w.pack.header(w.partition, o.offset, w.cur.revision)
		g.buf = w.pack.buf.begin(len(rare.out.head) + len(rare.out.labels) + 1024)
		g.buf = record.AppendStamp(append(g.buf, r.product.head...), r.at, o.rid, o.seq, o.cv)
		g.buf = rare.out.append(g.buf, packPoints)
	}
	g.buf = record.AppendPoint(g.buf, rare.prefix, r.product.kind, r.point)
	g.points++
	if !r.made {
		g.mains++
	}
	return nil
}

// writeGroup writes the record that is being written, if there is one.
func (w *Worker) writeGroup(ctx context.Context) error {
	g := &w.transit.group
	if g.points == 0 {
		return nil
	}
	w.sent(g.at, g.mains)
	at := *g
	*g = group{}
	err := w.writeRecord(ctx, at.product.task, w.cache.rare(&at.product.series).out, at.buf, at.headers)
	if err != nil {
		return w.tooLarge(ctx, &Message{Value: append(at.buf, record.PartClose...), Offset: at.offset}, at.mains, err)
	}
	return nil
}

// tapOrigin shows the taps what became of a sample: it went into a product, or ended.
func (w *Worker) tapOrigin(o *origin, p *product) {
	t := w.tapping
	x := Tapped{Time: o.at, Offset: o.offset, Disposition: t.end}
	if o.held {
		x.Offset = -1
	}
	if p != nil && t.end == ledger.Out {
		x.NewName, x.NewLabels, x.To = p.verdict.Name, p.verdict.Labels, p.verdict.To
	}
	w.tap(o.slot, o.series, o.point, t.rule, &x)
}
