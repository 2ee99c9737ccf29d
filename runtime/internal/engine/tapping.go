package engine

import (
	"context"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// tapping is what a worker knows of the taps that are open.
type tapping struct {
	list  *[]*Tap
	plan  *Generation       // that was in force
	pace  []pace            // by tap
	picks map[*series]uint8 // taps that a series is for, by bit; bounded by maxPicks

	rule int32 // how the sample at hand ended: set by count
	end  ledger.Disposition
}

// pace spreads what a tap takes over a slot of time: of the samples that match,
// every n-th one, by how many there were in the slot before.
type pace struct {
	slot    int64
	every   uint64
	seen    uint64 // in the slot
	matched uint64 // not yet told to the tap
}

// maxPicks bounds what a worker remembers for taps.
const maxPicks = 1 << 20

// beginTaps takes up the taps that are open, once per batch.
func (w *Worker) beginTaps() {
	list := w.opts.Taps.list()
	if list == nil || w.cur.Program == nil {
		w.tapping = nil
		return
	}
	if t := w.tapping; t == nil || t.list != list || t.plan != w.forces.plan {
		w.tapping = &tapping{list: list, plan: w.forces.plan, pace: make([]pace, len(*list)), picks: map[*series]uint8{}}
	}
	slot := w.now / tapSlot
	for i, tap := range *list {
		if p := &w.tapping.pace[i]; p.slot != slot {
			p.every = max(1, p.seen/max(tap.room(slot), 1))
			p.slot, p.seen = slot, 0
		}
	}
}

// endTaps tells the taps how many samples they were about, once per batch.
func (w *Worker) endTaps() {
	if w.tapping == nil {
		return
	}
	for i, tap := range *w.tapping.list {
		p := &w.tapping.pace[i]
		tap.matched.Add(p.matched)
		p.matched = 0
	}
}

// ending is how a sample ended that taps are about to be shown.
type ending struct {
	rule int32
	end  ledger.Disposition
}

func (t *tapping) ending() (was ending) {
	if t != nil {
		was = ending{t.rule, t.end}
	}
	return was
}

func (t *tapping) restore(was ending) {
	if t != nil {
		t.rule, t.end = was.rule, was.end
	}
}

// tappedPoint is point for a worker that is tapped.
func (w *Worker) tappedPoint(ctx context.Context, m *Message, sl *slot, e *series, p *record.Point) (bool, error) {
	t := w.tapping
	t.rule = program.NoRule
	superseded, gathered := w.entry.By[ledger.Superseded], w.transit.gathered
	goesOut, err := w.point(ctx, sl, e, p)
	if err != nil {
		return false, err
	}
	step := w.cache.rare(e).step
	x := Tapped{Time: w.view.Timestamp, Offset: m.Offset, Disposition: ledger.NoValue}
	rule := t.rule
	switch {
	case goesOut:
		x.Disposition, rule = ledger.Out, e.rule
	case step != nil && step.holding && step.at == x.Time:
		x.Disposition, rule = ledger.Held, e.rule
	case w.transit.gathered > gathered: // it is shown when it comes out
		return false, nil
	case rule != program.NoRule:
		x.Disposition = t.end
	case w.entry.By[ledger.Superseded] > superseded:
		x.Disposition = ledger.Superseded
	case p.Form != record.None && e.disposition != ledger.Out: // no rule decided, such as not-routed
		x.Disposition = e.disposition
	}
	w.tap(sl, e, p, rule, &x)
	return goesOut, nil
}

// tapHeld shows the taps what became of a sample that a step held.
func (w *Worker) tapHeld(sl *slot, e *series, p *record.Point, at int64, goesOut bool) {
	x := Tapped{Time: at, Offset: -1, Disposition: ledger.Out}
	rule := e.rule
	if !goesOut {
		x.Disposition, rule = w.tapping.end, w.tapping.rule
	}
	w.tap(sl, e, p, rule, &x)
}

// tapEnd shows the taps that a series has ended.
func (w *Worker) tapEnd(m *Message, sl *slot, e *series, goesOut bool) {
	x := Tapped{Time: w.view.Timestamp, Offset: m.Offset, End: true, Disposition: ledger.Out}
	rule := e.rule
	if !goesOut {
		x.Disposition, rule = w.tapping.end, w.tapping.rule
	}
	w.tap(sl, e, &record.Point{}, rule, &x)
}

// tap offers a sample that a rule, if any, has decided about to the taps.
func (w *Worker) tap(sl *slot, e *series, p *record.Point, rule int32, x *Tapped) {
	t := w.tapping
	picks, known := t.picks[e]
	if !known {
		picks = w.picks(sl, e)
		if len(t.picks) >= maxPicks {
			clear(t.picks)
		}
		t.picks[e] = picks
	}
	if picks == 0 {
		return
	}
	if rule >= 0 && int(rule) < len(w.cur.rules) {
		x.Rule, x.id = w.cur.rules[rule].Label, w.cur.rules[rule].ID
	}
	filled := false
	for i, tap := range *t.list {
		if picks&(1<<i) == 0 || !tap.wants(x) || !t.pace[i].takes(tap) {
			continue
		}
		if !filled {
			filled = true
			if !w.fill(sl, e, p, x) {
				return
			}
		}
		tap.put(x)
	}
}

// wants reports whether a tap is about how a sample was decided.
func (t *Tap) wants(x *Tapped) bool {
	return (t.only == 0 || t.only&(1<<x.Disposition) != 0) && (t.opts.Rule == nil || t.opts.Rule(string(x.id)) || t.opts.Rule(string(x.Rule)))
}

// takes counts a sample that matches and reports whether the tap takes it.
func (p *pace) takes(tap *Tap) bool {
	p.matched++
	p.seen++
	return p.seen%p.every == 0 && tap.take(p.slot)
}

// picks works out which taps a series is for.
func (w *Worker) picks(sl *slot, e *series) (set uint8) {
	n, src := w.cache.name(sl), w.cache.source(sl)
	p := record.Point{Subtask: e.subtask, Attempt: e.attempt, Labels: w.cache.rare(e).labels}
	labels, err := w.labels(src, &p)
	if err != nil {
		return 0
	}
	in := program.Input{Task: record.Unquote(src.task()), Name: n.series, Kind: n.kind, Origin: n.from, Labels: labels}
	for i, tap := range *w.tapping.list {
		if tap.opts.Pick == nil || tap.opts.Pick.Picks(w.cur.Program, in) {
			set |= 1 << i
		}
	}
	return set
}

// fill writes down what a sample is: the series on either side, and its value.
func (w *Worker) fill(sl *slot, e *series, p *record.Point, x *Tapped) bool {
	n, src := w.cache.name(sl), w.cache.source(sl)
	own := record.Point{Subtask: e.subtask, Attempt: e.attempt, Labels: w.cache.rare(e).labels}
	labels, err := w.labels(src, &own)
	if err != nil {
		return false
	}
	x.Stream, x.Topic, x.Partition = w.opts.Name, w.partition.Topic, w.partition.ID
	x.Task, x.Name, x.Labels = record.Unquote(src.task()), n.series, labels
	if x.NewName == "" && (x.Disposition == ledger.Out || x.Disposition == ledger.Held) {
		v := w.verdict(sl, labels)
		x.NewName, x.NewLabels, x.To = v.Name, v.Labels, v.To
	}
	x.Form, x.Count = p.Form, p.Count
	if p.Form != record.None {
		x.Value = p.Main()
	}
	if p.Form == record.Text {
		x.Text = record.Unquote(p.Text)
	}
	return true
}

// tapLetter shows the taps that are about everything a record that cannot be read.
func (w *Worker) tapLetter(m *Message, reason string) {
	x := Tapped{
		Stream: w.opts.Name, Topic: w.partition.Topic, Partition: w.partition.ID, Offset: m.Offset,
		Time: m.Timestamp, Disposition: ledger.DeadLetter, Reason: reason,
	}
	for i, tap := range *w.tapping.list {
		if tap.opts.Pick == nil && tap.wants(&x) && w.tapping.pace[i].takes(tap) {
			tap.put(&x)
		}
	}
}
