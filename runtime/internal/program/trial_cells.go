package program

import (
	"fmt"
	"math"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// merging is what a test keeps of aggregates and budgets: the state of an engine
// that reads one partition from its first record on.
type merging struct {
	clock     int64
	timelines map[int32]*Timeline // by rule
	cells     map[string]*triedCell
	order     []*triedCell
	accounts  map[neckKey]*Account
}

// triedCell is a cell and the value of its last window.
type triedCell struct {
	cell     *Cell
	merge    *Merge
	timeline *Timeline
	first    *tried // member
	kind     metric.Kind
	members  map[*tried]int32
	came     bool
	value    float64
}

func newMerging() merging {
	return merging{timelines: map[int32]*Timeline{}, cells: map[string]*triedCell{}, accounts: map[neckKey]*Account{}}
}

// goOn is the way of sample n once the rules of control have let it through.
func (t *trial) goOn(e *tried, n int, ts int64, value float64) {
	if e.verdict.Transform != nil {
		t.samples[n] = t.transform(e, n, ts, value)
		return
	}
	d := t.merge(e, ts, value)
	t.samples[n] = d
	if d == ledger.Out {
		e.came, e.value = true, value
	} else {
		e.stopped = d
	}
}

// merge puts a sample into the cells of its series and charges the budgets: Out
// says that the sample goes out as well.
func (t *trial) merge(e *tried, ts int64, value float64) ledger.Disposition {
	if m := e.verdict.Merge; m != nil {
		d := t.gather(e, m, ts, value)
		if !m.Keep {
			e.rule = m.Rule
			return d
		}
	}
	if !e.charged && len(e.verdict.Charges) > 0 {
		e.charged = true
		e.over, e.refused = t.admit(e, ts)
	}
	switch c := e.refused; {
	case c == nil:
		return t.spend(e, ts)
	case c.Drop:
		e.rule = c.Rule
		return ledger.OverBudget
	}
	e.rule = e.refused.Rule
	if d := t.gather(e, e.over, ts, value); d != ledger.Aggregated {
		return d
	}
	return ledger.Merged
}

// admit asks all budgets of a series for room; it takes it in all, or in none.
func (t *trial) admit(e *tried, ts int64) (*Merge, *Charge) {
	for i := range e.verdict.Charges {
		c := &e.verdict.Charges[i]
		if !newIn(t.merging.accounts, neckKey{c.Rule, c.Key}).Room(&c.Bound, 1, ts) {
			t.covered[c.Rule] = true
			over := c.Overflow(e.in.Task, &e.verdict)
			return over, c
		}
	}
	for i := range e.verdict.Charges {
		c := &e.verdict.Charges[i]
		newIn(t.merging.accounts, neckKey{c.Rule, c.Key}).Take(&c.Bound, ts)
	}
	return nil, nil
}

// spend takes a sample from the rates that budgets allow.
func (t *trial) spend(e *tried, ts int64) ledger.Disposition {
	for i := range e.verdict.Charges {
		c := &e.verdict.Charges[i]
		if c.Samples == 0 {
			continue
		}
		if !newIn(t.buckets, neckKey{c.Rule, c.Key}).Take(&Step{Kind: LimitStep, Rate: c.Samples}, ts) {
			t.covered[c.Rule] = true
			e.rule = c.Rule
			return ledger.OverBudget
		}
	}
	return ledger.Out
}

// gather adds a sample to a cell.
func (t *trial) gather(e *tried, m *Merge, ts int64, value float64) ledger.Disposition {
	k := &t.merging
	k.clock = max(k.clock, ts)
	c := k.cell(e, m)
	window, ok := c.timeline.Place(ts, k.clock, 0)
	v := Value{Count: int64(value), Uncounted: e.in.Kind == metric.Meter, Number: value, Min: value, Max: value, Mean: value}
	if e.in.Kind == metric.Histogram {
		v.Count = 1 // a test gives no count, so all weigh the same
	}
	if !ok || !c.cell.Add(c.members[e], -1, ts, window, c.timeline.Closed(), &v) {
		return ledger.Late
	}
	return ledger.Aggregated
}

func (k *merging) cell(e *tried, m *Merge) *triedCell {
	key := fmt.Sprint(m.Rule, " ", m.Name, m.Labels, e.in.Task, e.in.Kind)
	c := k.cells[key]
	if c == nil {
		if k.timelines[m.Rule] == nil {
			k.timelines[m.Rule] = NewTimeline(m.Window, m.Late, Always)
		}
		c = &triedCell{cell: NewCell(e.in.Kind, m.Aggregation, Totals{Always, Always}), merge: m, timeline: k.timelines[m.Rule], first: e, kind: e.in.Kind, members: map[*tried]int32{}}
		k.cells[key], k.order = c, append(k.order, c)
	}
	if _, ok := c.members[e]; !ok {
		c.members[e] = c.cell.Join(uint64(len(c.members)))
	}
	return c
}

// close closes all windows: of each cell the last value stays.
func (k *merging) close() {
	for _, c := range k.order {
		_ = c.cell.Close(math.MaxInt64, func(_ int64, v Value) error { // what it hands out cannot fail
			c.came = true
			switch c.kind {
			case metric.Counter:
				c.value = float64(v.Count)
			case metric.Histogram:
				c.value = v.Mean
			default:
				c.value = v.Number
			}
			return nil
		})
	}
}

// outcome is the series that a cell came out as.
func (t *trial) outcomeOf(c *triedCell) *outcome {
	return &outcome{name: c.merge.Name, labels: c.merge.Labels, value: c.value, to: t.to(c.first), from: c.first}
}
