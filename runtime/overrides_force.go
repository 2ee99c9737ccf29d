package runtime

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// takeOverrides puts in force what is overridden now, and returns that: the same
// revision with another program, and the step of degradation. It asks what that is when
// its turn has come: who has waited for another does not undo what that has taken up.
func (r *Runtime) takeOverrides(now func() []control.Override) (active []control.Override) {
	o := &r.overriding
	o.mu.Lock()
	defer o.mu.Unlock()
	before, active := o.active, now()
	if slices.EqualFunc(before, active, sameOverride) {
		return active
	}
	o.active = active
	for _, was := range before {
		if !slices.ContainsFunc(active, func(is control.Override) bool { return is.ID == was.ID }) {
			r.log.Info("an override is over", "id", was.ID, "kind", was.Kind, "target", was.Target)
		}
	}
	r.takeStep()
	if slices.EqualFunc(ofProgram(before), ofProgram(active), sameOverride) {
		return active
	}
	was := r.rev.Load()
	next := r.under(was.again())
	r.policies.overridden(was, next, r.measures(time.Now()))
	if c := r.rollouts.canary.Load(); c != nil {
		c = c.again()
		c.rev = r.under(c.rev.again())
		r.rollouts.canary.Store(c)
	}
	r.swap(next, nil)
	return active
}

func sameOverride(a, b control.Override) bool { return a.ID == b.ID && a.Set.Equal(b.Set) }

// ofProgram are the overrides that make another program.
func ofProgram(all []control.Override) []control.Override {
	return slices.DeleteFunc(slices.Clone(all), func(o control.Override) bool { return o.Kind == OverrideStep })
}

// again is a revision to take the place of itself.
func (rev *revision) again() *revision {
	next := newRevision(&loadedSet{bundle: rev.bundle, program: rev.plain, origin: rev.origin})
	next.since = rev.since
	return next
}

// under gives a revision that nobody has seen yet the program that the overrides
// make of its own. r.overriding.mu is held.
func (r *Runtime) under(rev *revision) *revision {
	rev.program = rev.plain
	var off []program.Override
	for _, o := range ofProgram(r.overriding.active) {
		p := program.Override{ID: o.ID, Why: whyOff(o)}
		if o.Kind == OverrideTask {
			if _, err := program.Matcher(o.Target); err != nil {
				r.log.Error("an override has no effect", "id", o.ID, "target", o.Target, "error", err)
				continue
			}
			p.Tasks = o.Target
		} else {
			section, id, _ := strings.Cut(o.Target, ":")
			p.Section, p.Rule = section, program.RuleID(id)
		}
		off = append(off, p)
	}
	if len(off) == 0 {
		return rev
	}
	compiled, found := program.Compile(&rev.bundle.Set, program.Options{
		Today: time.Now(), Provenance: rev.bundle.Provenance, Overrides: off, Plugins: r.loading.plugins,
	})
	if compiled == nil {
		r.log.Error("overrides have no effect: the policies do not compile with them", "findings", found)
		return rev
	}
	rev.program = compiled
	return rev
}

// whyOff says who has switched something off, until when and why.
func whyOff(o control.Override) string {
	by := o.By
	if by == "" {
		by = "the instance"
	}
	return fmt.Sprintf("switched off by %s until %s: %s (override %s)", by, o.Until.UTC().Format(time.RFC3339), o.Reason, o.ID)
}

// takeStep hands the ladder the step that is overridden, or lets it decide again.
// r.overriding.mu is held.
func (r *Runtime) takeStep() {
	o := &r.overriding
	var hand control.Override
	if i := slices.IndexFunc(o.active, func(is control.Override) bool { return is.Kind == OverrideStep }); i >= 0 {
		hand = o.active[i]
	}
	if sameOverride(o.hand, hand) {
		return
	}
	o.hand = hand
	d := r.degradation
	d.mu.Lock()
	defer d.mu.Unlock()
	step, ok := ladder.ParseStep(hand.Target)
	if ok {
		now := d.now()
		d.control.Force(ladder.Hand{Step: step, Until: now.Add(time.Until(hand.Until)), Reason: hand.Reason, By: hand.By, Set: now})
		r.log.Warn("degradation is set by hand", "step", step, "until", hand.Until.Format(time.RFC3339), "by", hand.By, "reason", hand.Reason)
	} else if d.control.Release() {
		r.log.Info("degradation is automatic again", "step", d.control.InForce())
	}
	d.step.Store(uint32(d.control.InForce()))
}
