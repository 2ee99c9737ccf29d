package program

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Event is one step of a decision.
type Event struct {
	Rule int32 // index in Program.Rules

	// Mismatch is why the rule did not match: the first condition that did not
	// hold ("metrics", "labels.host", "unless", …) or why it is not in force. It is
	// "" for a rule that decided or was applied.
	Mismatch string

	// Before and After are the series on either side of a rewrite that was applied,
	// or of an aggregate that takes it; nil for other rules.
	Before, After *Snapshot
}

// Snapshot is a series at one moment of its rewriting.
type Snapshot struct {
	Name   string
	Labels metric.Labels
	Scale  float64
}

// Changed reports whether the step had an effect: a rewrite may match and find
// nothing to do.
func (e *Event) Changed() bool {
	return e.After == nil || e.Before.Name != e.After.Name || e.Before.Scale != e.After.Scale ||
		!slices.Equal(e.Before.Labels, e.After.Labels)
}

// Explain decides about a series as Decide does and lists every step in order:
// each control rule up to the one that decides, each rewrite, the aggregates up to
// the one that takes the series, and each budget.
func (p *Program) Explain(in Input) (Verdict, []Event) {
	x := p.alone(in)
	var rec recorder
	v := p.run(&x, candidates{}, &rec)
	return v, rec.events
}

// recorder takes notes of a decision. A nil recorder takes none.
type recorder struct {
	events []Event
	last   *Snapshot
}

func (r *recorder) considered(rule int32, mismatch string) {
	if r != nil {
		r.events = append(r.events, Event{Rule: rule, Mismatch: mismatch})
	}
}

func (r *recorder) before(d *draft) {
	if r != nil && r.last == nil {
		r.last = d.snapshot()
	}
}

func (r *recorder) applied(rule int32, d *draft) {
	if r != nil {
		now := d.snapshot()
		r.events = append(r.events, Event{Rule: rule, Before: r.last, After: now})
		r.last = now
	}
}

// failed notes that a transform ended the series.
func (r *recorder) failed(rule int32) {
	if r != nil {
		r.events = append(r.events, Event{Rule: rule})
	}
}

// merged notes that an aggregate takes the series.
func (r *recorder) merged(rule int32, v *Verdict, m *Merge) {
	if r != nil {
		before := &Snapshot{v.Name, v.Labels, v.Scale}
		r.events = append(r.events, Event{Rule: rule, Before: before, After: &Snapshot{m.Name, m.Labels, 1}})
	}
}

func (d *draft) snapshot() *Snapshot {
	return &Snapshot{d.name, slices.Clone(d.labels), d.scale}
}
