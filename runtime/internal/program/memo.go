package program

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Memo remembers what the rewrites made of one label set. The metrics of a
// subtask have one in common, and most rewrites look at nothing else, so that a
// hundred series are rewritten for the price of one. The zero Memo is empty; one
// goroutine may use it at a time.
type Memo struct {
	program *Program
	input   metric.Labels
	rules   []int32 // that matched, in order
	output  draft
	tally   *tally // what transforms do; nil: nobody counts
}

// Decide does what Program.Decide does, for live traffic. It is faster when in.Labels are the same
// slice as those of the call before. Whoever uses a Memo never changes labels
// that it was given or that a verdict holds.
func (m *Memo) Decide(p *Program, in Input, byName, bySource Filter) Verdict {
	x, c := p.subject(in, byName, bySource)
	x.memo, x.live = m, true
	return p.run(&x, c, nil)
}

// counts returns what counts the transforms, nil for nothing.
func (m *Memo) counts() *tally {
	if m == nil {
		return nil
	}
	return m.tally
}

// recall gives the draft that m remembers, if the same rules match x as made it.
func (m *Memo) recall(p *Program, x *subject, c *candidates) (draft, bool) {
	if m == nil || m.program != p || len(m.input) == 0 || len(m.input) != len(x.Labels) || &m.input[0] != &x.Labels[0] {
		return draft{}, false
	}
	k := 0
	for i := c.next(p.degrades, p.rewrites); i < p.rewrites; i = c.next(i+1, p.rewrites) {
		if p.rules[i].mismatch(x) != "" {
			continue
		}
		if k == len(m.rules) || m.rules[k] != int32(i) {
			return draft{}, false
		}
		k++
	}
	if k != len(m.rules) {
		return draft{}, false
	}
	d := m.output
	if !d.renamed {
		d.name = x.Name
	}
	return d, true
}

// forget makes m ready to note the rules that match x.
func (m *Memo) forget(p *Program, x *subject) {
	if m != nil {
		m.program, m.input, m.rules = p, x.Labels, m.rules[:0]
	}
}

// note remembers that a rule matches. What a plugin does may depend on the name of
// the series as well: then nothing is remembered.
func (m *Memo) note(rule int32, plugin bool) {
	if m == nil {
		return
	}
	m.rules = append(m.rules, rule)
	if plugin {
		m.program = nil
	}
}

// keep remembers the outcome of the rules noted.
func (m *Memo) keep(d *draft) {
	if m != nil {
		m.output = *d
		m.output.labels, m.output.short = slices.Clip(d.labels), slices.Clip(d.short)
	}
}
