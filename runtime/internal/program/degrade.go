package program

import (
	"cmp"
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

// degrades compiles the degrade rules of all teams, by the step at which they give
// series up: those that do it first come first.
func (c *compiler) degrades() {
	compare := func(a, b *named[policy.Degrade]) int {
		return cmp.Or(-strings.Compare(a.value.Priority, b.value.Priority), compareOrdered(a, b, a.value.Order, b.value.Order))
	}
	for i, e := range inOrder(c.set, func(t *policy.Team) map[string]policy.Degrade { return t.Degrade }, compare) {
		v, path := &e.value, c.path(e.team, SectionDegrade, e.name)
		if i == maxDegrades {
			c.fail(diag.BadValue, path, "the set has more than 65534 degrade rules", "")
			return
		}
		r := c.ordered(&v.Ordered, e.team, SectionDegrade, e.name, v.Action)
		r.Priority = v.Priority
		r.degrade = c.degrade(v, path)
		c.rules = append(c.rules, r)
	}
}

func (c *compiler) degrade(v *policy.Degrade, path string) *degrade {
	d := &degrade{back: c.duration(v.Back, path+".back")}
	d.step = lookup(c, v.Priority, path+".priority", map[string]ladder.Step{"P3": ladder.P3, "P2": ladder.P2, "P1": ladder.P1})
	if lookup(c, v.Action, path+".action", map[string]bool{"drop": false, "sample": true}) {
		if d.share = uint64(v.Rate * (1 << 64)); !(v.Rate > 0 && v.Rate < 1) {
			c.fail(diag.BadValue, path+".rate", "a share must be above 0 and below 1", "use drop to let nothing through")
		}
	}
	when := path + ".when"
	if m := v.When.Memory; strings.HasSuffix(m, "%") {
		d.bounds[ladder.Memory] = c.share(m, when+".memory")
	} else if m != "" {
		size, err := policy.ParseSize(m)
		c.check(err, when+".memory")
		d.bounds[ladder.MemoryBytes] = float64(size)
	}
	if v.When.Lag != "" {
		d.bounds[ladder.Lag] = c.duration(v.When.Lag, when+".lag").Seconds()
	}
	if v.When.CPU != "" {
		d.bounds[ladder.CPU] = c.share(v.When.CPU, when+".cpu")
	}
	if v.When == (policy.DegradeWhen{}) {
		c.fail(diag.EmptyMatch, when, "a rule without a bound would never give anything up", "write memory, lag or cpu")
	}
	return d
}

func (c *compiler) share(s, path string) float64 {
	v, err := policy.ParseShare(s)
	c.check(err, path)
	return v
}

// check reports why a quantity cannot be read.
func (c *compiler) check(err error, path string) {
	if err != nil {
		c.fail(diag.BadQuantity, path, err.Error(), "")
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
