package program

import (
	"math"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// degrade is a compiled rule of the degrade section.
type degrade struct {
	step   ladder.Step
	share  uint64 // sample: a series whose hash is below this is let through; 0: none is
	bounds ladder.Values
	back   time.Duration
}

// maxDegrades is how many rules of the section there may be: Verdict.Shed counts them.
const maxDegrades = math.MaxUint16 - 1

// priorities are the words of priority, by the step at which they are given up.
var priorities = map[string]ladder.Step{"P3": ladder.P3, "P2": ladder.P2, "P1": ladder.P1}

// degrades compiles the degrade rules of all teams, by the step at which they give
// series up: those that do it first come first.
func (c *compiler) degrades() {
	before := len(c.rules)
	by := func(v policy.Degrade) (rank, order int) { return int(priorities[v.Priority]), v.Order }
	for _, e := range inOrder(c.set, c.from, SectionDegrade, func(t *policy.Team) map[string]policy.Degrade { return t.Degrade }, by) {
		at, v := e.place, e.of.Degrade[e.name]
		if len(c.rules)-before == maxDegrades {
			c.fail(diag.BadValue, at, "the set has more than 65534 degrade rules", "")
			return
		}
		r := c.ordered(&v.Ordered, e, v.Action)
		r.Priority = v.Priority
		r.degrade = c.degrade(&v, at)
	}
}

func (c *compiler) degrade(v *policy.Degrade, at place) *degrade {
	d := &degrade{back: c.duration(v.Back, at.in(".back"))}
	d.step = lookup(c, v.Priority, at.in(".priority"), priorities)
	if lookup(c, v.Action, at.in(".action"), map[string]bool{"drop": false, "sample": true}) {
		if d.share = uint64(v.Rate * (1 << 64)); !(v.Rate > 0 && v.Rate < 1) {
			c.fail(diag.BadValue, at.in(".rate"), "a share must be above 0 and below 1", "use drop to let nothing through")
		}
	}
	when := at.in(".when")
	if m := v.When.Memory; strings.HasSuffix(m, "%") {
		d.bounds[ladder.Memory] = c.share(m, when.in(".memory"))
	} else if m != "" {
		size, err := policy.ParseSize(m)
		c.check(err, when.in(".memory"))
		d.bounds[ladder.MemoryBytes] = float64(size)
	}
	if v.When.Lag != "" {
		d.bounds[ladder.Lag] = c.duration(v.When.Lag, when.in(".lag")).Seconds()
	}
	if v.When.CPU != "" {
		d.bounds[ladder.CPU] = c.share(v.When.CPU, when.in(".cpu"))
	}
	if v.When == (policy.DegradeWhen{}) {
		c.fail(diag.EmptyMatch, when, "a rule without a bound would never give anything up", "write memory, lag or cpu")
	}
	return d
}

func (c *compiler) share(s string, at place) float64 {
	v, err := policy.ParseShare(s)
	c.check(err, at)
	return v
}

// check reports why a quantity cannot be read.
func (c *compiler) check(err error, at place) {
	if err != nil {
		c.fail(diag.BadQuantity, at, err.Error(), "")
	}
}

// shed finds the rule that gives a series up first: every rule that matches is
// asked in the order of the steps, and one that samples may let the series go on
// to the next.
func (p *Program) shed(x *subject, c *candidates, v *Verdict, rec *recorder) {
	if v.Rule != NoRule && p.rules[v.Rule].control.protects {
		return
	}
	for i := c.next(p.controls, p.degrades); i < p.degrades; i = c.next(i+1, p.degrades) {
		r := &p.rules[i]
		why := r.mismatch(x)
		if why == "" && r.degrade.letsThrough(x) {
			why = "rate"
		}
		rec.considered(int32(i), why)
		if why == "" {
			v.Shed = uint16(i - p.controls + 1)
			return
		}
	}
}

// letsThrough reports whether a rule that samples leaves a series to the next step.
// It goes by another hash than control rules do: of the series that those let
// through, it is to let its share through.
func (d *degrade) letsThrough(x *subject) bool {
	return d.share > 0 && mix(^hashSeries(x.Task, x.Name, x.Labels)) < d.share
}

// Shedding returns up to which Verdict.Shed series are given up at a step.
func (p *Program) Shedding(step ladder.Step) uint16 {
	var n uint16
	for _, r := range p.rules[p.controls:p.degrades] {
		if r.degrade.step <= step {
			n++
		}
	}
	return n
}

// ShedBy returns the index in Rules of the rule that a Verdict.Shed above 0 stands for.
func (p *Program) ShedBy(shed uint16) int32 { return int32(p.controls) + int32(shed) - 1 }

// Ladder returns when each step is entered and left: the lowest bounds and the
// longest time to come back of its rules in force.
func (p *Program) Ladder() ladder.Plan {
	var plan ladder.Plan
	for _, r := range p.rules[p.controls:p.degrades] {
		if r.Inert != "" {
			continue
		}
		rung := &plan[r.degrade.step]
		rung.Rules = append(rung.Rules, string(r.ID))
		rung.Back = max(rung.Back, r.degrade.back)
		for m, bound := range r.degrade.bounds {
			if bound > 0 && (rung.Bounds[m] == 0 || bound < rung.Bounds[m]) {
				rung.Bounds[m] = bound
			}
		}
	}
	return plan
}
