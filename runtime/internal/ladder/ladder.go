// Package ladder decides how much to give up under overload: from measures, the
// bounds of a plan and the time it works out one step, P0 (nothing is given up) to
// P1. It is a state machine without a clock, a lock or a goroutine of its own. It
// does not know how anything is measured, nor what is given up at a step.
package ladder

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Step is how far down the ladder goes: at a step everything is given up that has
// its priority or a lower one.
type Step uint8

// The steps, in the order in which they are entered.
const (
	P0    Step = iota // nothing is given up
	P3                // what has priority P3
	P2                // and P2
	P1                // and P1
	Steps             // how many there are
)

var stepNames = [Steps]string{"P0", "P3", "P2", "P1"}

// String is the word for the step, such as "P2".
func (s Step) String() string { return stepNames[s] }

// ParseStep reads a word; false when there is no such step.
func ParseStep(word string) (Step, bool) {
	for s, name := range stepNames {
		if name == word {
			return Step(s), true
		}
	}
	return P0, false
}

// Measure is something that a bound is set on.
type Measure uint8

// The measures.
const (
	Memory      Measure = iota // share of the memory limit
	MemoryBytes                // the same in bytes
	Lag                        // seconds from the report of a sample to its reading
	CPU                        // share of the cores
	Measures                   // how many there are
)

var measureNames = [Measures]string{"memory", "memory_bytes", "lag", "cpu"}

// String is the word for the measure in metrics and status.
func (m Measure) String() string { return measureNames[m] }

// Format writes a value of the measure for people.
func (m Measure) Format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "unknown"
	case m == Lag:
		return time.Duration(v * float64(time.Second)).Round(100 * time.Millisecond).String()
	case m == MemoryBytes:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	}
	return fmt.Sprintf("%.0f%%", 100*v)
}

// Values holds one value for each measure. In a reading, NaN is a measure that is
// not known; among bounds, 0 is none.
type Values [Measures]float64

// Rung is one step of a plan.
type Rung struct {
	Rules  []string // that give something up at it; without any the step is left out
	Bounds Values   // it is entered when one of them is passed
	Back   time.Duration
}

// Plan says when each step is entered and left. That of P0 is not used.
type Plan [Steps]Rung

const (
	// Confirm is how long a bound must be passed before a step is entered.
	Confirm = 3 * time.Second

	// Hysteresis is the share of a bound below which a measure must stay for a
	// step to be left.
	Hysteresis = 0.8
)

// Cause is what a step was entered or left for.
type Cause struct {
	Measure Measure
	Value   float64
	Bound   float64 // 0: no bound was passed, all measures are low again
}

// Ladder is the state machine. The zero Ladder stands at P0 and has no plan.
type Ladder struct {
	plan  Plan
	step  Step
	cause Cause
	since time.Time // when step was entered
	high  time.Time // since when a bound of the next step is passed; zero: none is
	low   time.Time // since when all measures are below the marks of step; zero: they are not
}

// Step is where the ladder stands, since when, and what for.
func (l *Ladder) Step() (Step, time.Time, Cause) { return l.step, l.since, l.cause }

// Plan is the one in force.
func (l *Ladder) Plan() *Plan { return &l.plan }

// Adopt puts another plan in force. A step stays entered if one of the rules that
// made it is still there; if not, the ladder goes back to the last one of which
// that is true. It reports whether the step changed.
func (l *Ladder) Adopt(plan Plan, now time.Time) bool {
	was := l.plan
	l.plan, l.high, l.low = plan, time.Time{}, time.Time{}
	to := l.step
	for to > P0 && !shares(was[to].Rules, plan[to].Rules) {
		to--
	}
	if to == l.step {
		return false
	}
	l.move(to, Cause{}, now)
	return true
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// Observe takes a reading and reports whether the step changed. A ladder goes one
// step at a time: down when a bound of the next step, or of one behind it, has
// been passed for Confirm, up when every measure has been below Hysteresis of the
// bounds of its step, and of those behind it, for as long as the step says. What
// is not known counts as low.
func (l *Ladder) Observe(read Values, now time.Time) bool {
	next := l.next()
	cause, passed := l.passed(next, read, 1)
	_, busy := l.passed(l.step, read, Hysteresis)
	l.high = since(l.high, next != l.step && passed, now)
	l.low = since(l.low, l.step > P0 && !busy, now)
	switch {
	case !l.high.IsZero() && now.Sub(l.high) >= Confirm:
		l.move(next, cause, now)
	case !l.low.IsZero() && now.Sub(l.low) >= l.plan[l.step].Back:
		l.move(l.before(), Cause{}, now)
	default:
		return false
	}
	return true
}

func (l *Ladder) move(to Step, cause Cause, now time.Time) {
	l.step, l.cause, l.since = to, cause, now
	l.high, l.low = time.Time{}, time.Time{}
}

// since is when a condition began to hold that holds now, or not.
func since(began time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case began.IsZero():
		return now
	}
	return began
}

// next is the step after this one, or this one when it is the last.
func (l *Ladder) next() Step {
	for s := l.step + 1; s < Steps; s++ {
		if len(l.plan[s].Rules) > 0 {
			return s
		}
	}
	return l.step
}

func (l *Ladder) before() Step {
	for s := l.step - 1; s > P0; s-- {
		if len(l.plan[s].Rules) > 0 {
			return s
		}
	}
	return P0
}

// passed reports whether a measure is above a share of a bound of a step or of one
// behind it, and which.
func (l *Ladder) passed(from Step, read Values, share float64) (Cause, bool) {
	for s := max(from, P3); s < Steps; s++ {
		for m, bound := range l.plan[s].Bounds {
			if bound > 0 && read[m] > share*bound {
				return Cause{Measure(m), read[m], bound}, true
			}
		}
	}
	return Cause{}, false
}
