package engine

import (
	"context"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// through is how a series goes through transforms, and what has come of it.
type through struct {
	way
	waiting int        // samples of it that are gathered
	outs    []*product // that it is a user of
	before  []*product // those of the verdict before, until it is known what comes out now
	news    bool       // before, or stays, is not settled yet
	stays   bool       // the series still stands in the outputs as it did before it went through,
	as      uint64     // with this identity
}

// way is a series in front of one transform.
type way struct {
	transform *program.Transform
	queue     *queue // of the transform, nil before the first sample
	said      phrase
	own       link // of what comes out with the name and the labels that it went in with
	known     bool // own is decided
	links     []link
	next      int // of links: which one makes room
}

// link is one form in which samples come out of a transform, and where they go on.
type link struct {
	name        string        // as the plugin left it
	labels      metric.Labels // and these, in its order
	kind        metric.Kind
	scale       float64  // of rewrites behind the transform
	product     *product // one of product and onward is set, or the sample ends here
	onward      *way
	disposition ledger.Disposition
	rule        int32
	failed      *failed // a later transform, which failed for the series
}

// maxLinks is how many forms a series keeps in mind: few come out in more than one.
const maxLinks = 8

const (
	throughSize = 330
	linkSize    = 160
)

func (th *through) size() int64 {
	if th == nil {
		return 0
	}
	return throughSize + int64(8*cap(th.said.labels)+linkSize*cap(th.links)+8*(cap(th.outs)+cap(th.before)))
}

// through returns the way of a series, nil for one that goes through nothing.
func (w *Worker) through(e *series) *through {
	if f := w.cache.rare(e).flow; f != nil {
		return f.through
	}
	return nil
}

// goesItself reports whether the samples of a series go out as its own.
func (w *Worker) goesItself(e *series) bool {
	return e.gen != 0 && e.disposition == ledger.Out && w.through(e) == nil
}

// goThrough sends a series through the transform of a new verdict.
func (w *Worker) goThrough(th *through, v *program.Verdict) *through {
	if th == nil {
		th = &through{}
	}
	th.before, th.outs = append(th.before, th.outs...), th.outs[:0]
	th.news = th.news || len(th.before) > 0
	w.reword(&th.way, v)
	return th
}

// reword makes a way that of a new verdict.
func (w *Worker) reword(y *way, v *program.Verdict) {
	t := &w.transit.words
	was := way{transform: y.transform, said: y.said, links: y.links, own: y.own}
	*y = way{transform: v.Transform, links: y.links[:0]}
	y.said = phrase{name: t.hold(v.Name)}
	for _, l := range v.Labels {
		y.said.labels = append(y.said.labels, pairOfWords{t.hold(l.Name), t.hold(l.Value)})
	}
	w.unsay(&was)
	clear(was.links)
}

// unsay gives up the words of a way that had any, and of those behind it.
func (w *Worker) unsay(y *way) {
	if y.transform == nil {
		return
	}
	t := &w.transit.words
	t.leave(y.said.name)
	for _, l := range y.said.labels {
		t.leave(l.name)
		t.leave(l.value)
	}
	if y.own.onward != nil {
		w.unsay(y.own.onward)
	}
	for i := range y.links {
		if on := y.links[i].onward; on != nil {
			w.unsay(on)
		}
	}
	y.said, y.transform = phrase{}, nil
}

// handOver ends what a series was in the outputs and is not by its new verdict.
// What it will be behind a transform is not known yet: comeOut looks after it then.
func (w *Worker) handOver(ctx context.Context, sl *slot, e *series, old *through, wasOut bool, identity uint64) error {
	as := e.identity
	if old != nil && old.stays {
		wasOut, as = true, old.as
	}
	at := w.view.Timestamp
	if th := w.through(e); th != nil {
		th.stays, th.as = wasOut, as
		th.news = th.news || wasOut
		return nil
	}
	isOut := w.goesItself(e)
	if wasOut && (!isOut || identity != as) {
		if err := w.finish(ctx, sl, e, at); err != nil {
			return err
		}
	}
	if old == nil {
		return nil
	}
	for _, p := range slices.Concat(old.before, old.outs) {
		if err := w.quit(ctx, p, at, identity); err != nil {
			return err
		}
	}
	w.unsay(&old.way)
	return nil
}

// comeOut ends what a series was in the outputs before it went through a transform,
// or through another one, once it has come out.
func (w *Worker) comeOut(ctx context.Context, o *origin, th *through) error {
	if !th.news {
		return nil
	}
	th.news = false
	if th.stays {
		th.stays = false
		goesOn := slices.ContainsFunc(th.outs, func(p *product) bool { return p.series.identity == th.as })
		if !goesOn {
			if err := w.finish(ctx, o.slot, o.series, o.at); err != nil {
				return err
			}
		} else if w.lane != nil {
			w.releaseRefs(o.series)
		}
	}
	for _, p := range th.before {
		if err := w.quit(ctx, p, o.at, 0); err != nil {
			return err
		}
	}
	clear(th.before)
	th.before = th.before[:0]
	return nil
}

// leaveThrough takes a series that leaves the cache out of what it came to be.
func (w *Worker) leaveThrough(th *through, ended bool) {
	for _, p := range slices.Concat(th.before, th.outs) {
		if !p.gone && p.leave() {
			w.removeProduct(p, ended)
		}
	}
	w.unsay(&th.way)
}

// endThrough ends a series and what it came to be. True says that an end goes out.
func (w *Worker) endThrough(ctx context.Context, sl *slot, e *series, th *through) (goesOut bool, err error) {
	at := w.view.Timestamp
	if th.stays {
		th.stays, goesOut = false, true
		if err := w.finish(ctx, sl, e, at); err != nil {
			return false, err
		}
	}
	all, disposition, rule := slices.Concat(th.before, th.outs), ledger.Dropped, th.transform.Rule
	th.before, th.outs = nil, nil
	for _, p := range all {
		if p.gone {
			continue
		}
		goesOut = goesOut || p.out
		disposition, rule = p.series.disposition, w.ender(&p.series)
		if err := w.quit(ctx, p, at, 0); err != nil {
			return false, err
		}
	}
	if !goesOut {
		if disposition == ledger.Out { // nothing of it has gone out
			disposition, rule = ledger.Dropped, th.transform.Rule
		}
		w.count(rule, disposition)
	}
	return goesOut, nil
}

// use makes a series a user of a product.
func (th *through) use(p *product) {
	if slices.Contains(th.outs, p) {
		return
	}
	th.outs = append(slices.DeleteFunc(th.outs, func(p *product) bool { return p.gone }), p)
	if i := slices.Index(th.before, p); i >= 0 {
		th.before = slices.Delete(th.before, i, i+1)
		return
	}
	p.users++
}
