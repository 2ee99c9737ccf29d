package engine

import (
	"context"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// flow is what becomes of the samples of a series that do not simply go out: they
// are merged into others, or a budget counts them.
type flow struct {
	into    membership // of an aggregate
	over    membership // of the overflow of a budget
	gates   []passage  // of budgets that bound its samples per second
	through *through   // a transform, which they wait for; then it is all there is
}

// from is what a cell or a budget needs to know of a series.
type from struct {
	slot   *slot
	series *series
	kind   metric.Kind
	hash   uint64 // of a product; 0: the series is one of the slot
}

// membership is a series' part in a cell.
type membership struct {
	cell   *cell // nil: none
	key    uint64
	member int32
	rule   int32              // of the generation that decided
	taken  ledger.Disposition // of samples that the cell takes; Out: they go on as well
}

// gate bounds the samples per second that a worker sends for one key of a budget.
type gate struct {
	program.Bucket
	step  *program.Step // of the last series that came in
	key   accountKey
	users int
}

// passage is the way of a series through a gate, at the rate that the generation
// wants which decided about it.
type passage struct {
	*gate
	step *program.Step
	rule int32 // of that generation
}

// direct gives a series the flow of a new verdict, and changes the verdict of one
// that does not go out itself.
func (w *Worker) direct(by from, v *program.Verdict) {
	e := by.series
	old, sat := w.cache.rare(e).flow, w.cache.rare(e).seats
	if old == nil && sat == nil && v.Merge == nil && len(v.Charges) == 0 && v.Transform == nil {
		return
	}
	was, next := flow{}, &flow{}
	if old != nil {
		was, next = *old, old
		*next = flow{}
	}
	if v.Disposition == ledger.Out && v.Merge != nil {
		next.into = w.join(by, v.Merge, v)
		switch next.into.taken = ledger.Aggregated; {
		case v.Merge.Keep:
			next.into.taken = ledger.Out
		case next.into.cell == nil:
			v.Disposition, v.Rule, v.Step = ledger.Shed, v.Merge.Rule, program.Step{}
		default:
			v.Disposition = ledger.Aggregated
		}
	}
	var sits *seats
	if v.Disposition == ledger.Out && len(v.Charges) > 0 {
		sits = w.spend(by, v, sat, next)
	}
	if v.Disposition == ledger.Out && v.Transform != nil {
		next.through = w.goThrough(was.through, v)
	}
	w.leave(&was, next, true)
	w.budgets.exchange(sat, sits)
	if next.into.cell == nil && next.over.cell == nil && next.gates == nil && next.through == nil {
		next = nil
	}
	if next != old || sits != sat {
		r := w.cache.own(e)
		r.flow, r.seats = next, sits
	}
}

// join makes a series a member of its cell. Members are told apart by a hash of
// what they are reported with, 64 bits that no sender can foresee: two of a
// million in one cell meet with a chance of 1 in 37 million.
func (w *Worker) join(by from, m *program.Merge, v *program.Verdict) membership {
	c := w.cell(by, m, v)
	if c == nil {
		return membership{}
	}
	c.users++
	c.gen = w.cur.number
	key := w.cache.source(by.slot).hash
	key = (key ^ w.cache.name(by.slot).hash) * 0x9e3779b97f4a7c15
	key = (key ^ key>>32 ^ w.cache.hashSeries(by.series)) * 0xff51afd7ed558ccd
	if by.hash != 0 {
		key = by.hash
	}
	return membership{cell: c, key: key ^ key>>29, member: -1, rule: m.Rule}
}

// leave takes a series out of the cells and gates of was that are not those of
// next. A series that has ended, or that goes elsewhere, counts in a cell no more;
// one that only had to make room does.
func (w *Worker) leave(was, next *flow, ended bool) {
	for i, m := range [...]*membership{&was.into, &was.over} {
		c := m.cell
		if c == nil {
			continue
		}
		c.users--
		now := [...]*membership{&next.into, &next.over}[i]
		if now.cell == c {
			now.member = m.member
		} else if ended && c.Is(m.member, m.key) {
			c.Leave(m.member, c.timeline.Oldest(w.cells.clock))
		}
	}
	for _, g := range was.gates {
		if g.users--; g.users == 0 {
			delete(w.gates, g.key)
		}
	}
}

// gates are per key of a budget; the last user takes one away.
func (w *Worker) gate(c *program.Charge) passage {
	key := accountKey{c.ID, c.Key}
	g := w.gates[key]
	if g == nil {
		g = &gate{key: key}
		w.gates[key] = g
	}
	g.users++
	step := program.Step{Kind: program.LimitStep, Rate: c.Samples}
	if c.Split {
		step.Per = program.PerTask
		step = step.Split(int(w.partition.Count))
	}
	if g.step == nil || *g.step != step {
		g.step = &step
	}
	return passage{g, g.step, c.Rule}
}

// goOn is the way of a sample that rules of control have let through: true says
// that it goes out.
func (w *Worker) goOn(sl *slot, e *series, p *record.Point, at int64) (bool, error) {
	if f := w.cache.rare(e).flow; f != nil {
		if f.through != nil {
			w.send(sl, e, f.through, p, at)
			return false, nil
		}
		if !w.flows(e, f, p, at) {
			return false, nil
		}
	}
	if w.lane != nil {
		return true, w.expand(sl, e, p, at)
	}
	return true, nil
}

// flows merges a sample, or lets budgets count it: true says that it goes out.
func (w *Worker) flows(e *series, f *flow, p *record.Point, at int64) bool {
	if f.into.cell != nil {
		d := w.gather(e, &f.into, p, at)
		if f.into.taken != ledger.Out {
			w.count(f.into.rule, d)
			return false
		}
	}
	if f.over.cell != nil {
		w.count(f.over.rule, w.gather(e, &f.over, p, at))
		return false
	}
	if e.disposition == ledger.OverBudget {
		w.count(e.rule, ledger.OverBudget)
		return false
	}
	for _, g := range f.gates {
		if !g.Take(g.step, at) {
			w.count(g.rule, ledger.OverBudget)
			return false
		}
	}
	return true
}

// ender is the rule that ends what a series reports.
func (w *Worker) ender(e *series) int32 {
	f := w.cache.rare(e).flow
	switch {
	case f == nil:
		return e.rule
	case e.disposition == ledger.Merged:
		return f.over.rule
	case e.disposition == ledger.Aggregated:
		return f.into.rule
	}
	return e.rule
}

// countBeside notes that a rule ended a sample in another way than the one that
// its tally is about.
func (w *Worker) countBeside(rule int32, d ledger.Disposition) {
	if w.entry.Rules == nil {
		w.entry.Rules = map[ledger.Rule]uint64{}
	}
	w.entry.Rules[ledger.Rule{ID: string(w.cur.rules[rule].Label), Disposition: d}]++
}

// safe is the offset that may be committed: it waits for windows that are open,
// and never goes back.
func (w *Worker) safe() int64 {
	if !w.opts.Hold || w.next < 0 {
		return w.next
	}
	return max(w.acked, w.cells.needs(w.next))
}

// endFlow takes a series that leaves the cache out of everything that counts it.
func (w *Worker) endFlow(e *series, ended bool) {
	r := w.cache.rare(e)
	if r.flow != nil {
		if th := r.flow.through; th != nil {
			w.leaveThrough(th, ended)
		}
		w.leave(r.flow, &flow{}, ended)
		r.flow = nil
	}
	if r.seats != nil {
		w.budgets.leave(r.seats, e.identity, w.now, ended)
		r.seats = nil
	}
}

// finishHeld lets a held sample go on before its series ends.
func (w *Worker) finishHeld(ctx context.Context, sl *slot, e *series) error {
	s := w.cache.rare(e).step
	if s == nil || !s.holding {
		return nil
	}
	delete(w.held, e)
	s.window.Flush()
	return w.letGo(ctx, sl, e)
}
