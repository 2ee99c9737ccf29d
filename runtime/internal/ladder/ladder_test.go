package ladder

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Unix(1_763_800_000, 0)

// lagOnly is a plan with bounds on the lag for some steps, and a minute to come back.
func lagOnly(bounds map[Step]float64) Plan {
	var p Plan
	for s, b := range bounds {
		p[s] = Rung{Rules: []string{"platform/" + strings.ToLower(s.String())}, Bounds: Values{Lag: b}, Back: time.Minute}
	}
	return p
}

var three = map[Step]float64{P3: 10, P2: 20, P1: 40}

// run feeds lags, one a second, and returns each change as "second: step".
type run struct {
	Control
	now     time.Time
	changes []string
}

func newRun(p Plan) *run {
	r := &run{now: start}
	r.Adopt(p, start)
	return r
}

func (r *run) feed(seconds int, read Values) {
	for range seconds {
		r.now = r.now.Add(time.Second)
		if r.Observe(read, r.now) {
			s, _, _ := r.Step()
			r.changes = append(r.changes, r.now.Sub(start).String()+" "+s.String())
		}
	}
}

func (r *run) want(t *testing.T, changes ...string) {
	t.Helper()
	if !slices.Equal(r.changes, changes) {
		t.Errorf("changes %v, want %v", r.changes, changes)
	}
	r.changes = nil
}

func lag(v float64) Values { return Values{Lag: v} }

func TestOneStepAtATimeDownAndBack(t *testing.T) {
	r := newRun(lagOnly(three))
	r.feed(5, lag(9))
	r.want(t)
	r.feed(60, lag(100))
	r.want(t, "9s P3", "13s P2", "17s P1")
	r.feed(100, lag(33)) // not below 80 % of 40
	r.want(t)
	r.feed(300, lag(1))
	r.want(t, "3m46s P2", "4m47s P3", "5m48s P0")
}

func TestAStepIsConfirmed(t *testing.T) {
	r := newRun(lagOnly(three))
	for range 50 { // peaks of 3 s, not longer than they may be
		r.feed(3, lag(15))
		r.feed(1, lag(9))
	}
	r.want(t)
	if s, _, _ := r.Step(); s != P0 {
		t.Errorf("stands at %v", s)
	}
	r.feed(4, lag(15))
	r.want(t, "3m24s P3")
}

func TestAPeakBeginsTheWayBackAnew(t *testing.T) {
	r := newRun(lagOnly(map[Step]float64{P3: 10}))
	r.feed(4, lag(11))
	r.want(t, "4s P3")
	for range 20 {
		r.feed(59, lag(1))
		r.feed(1, lag(8.5)) // above the mark, below the bound
	}
	r.want(t)
	r.feed(61, lag(7.9))
	r.want(t, "21m5s P0")
}

// Between the mark and the bound nothing moves, for ever.
func TestHysteresis(t *testing.T) {
	for _, v := range []float64{8.1, 9, 10} {
		r := newRun(lagOnly(three))
		r.feed(1000, lag(v))
		r.want(t)
		r.feed(4, lag(15))
		r.feed(1000, lag(v))
		r.want(t, "16m44s P3")
	}
}

func TestEveryMeasureCounts(t *testing.T) {
	plan := Plan{P3: {Rules: []string{"a"}, Bounds: Values{0.85, 1 << 30, 30, 0.9}, Back: 10 * time.Second}}
	for m := range Measures {
		r := newRun(plan)
		read := Values{0.1, 1 << 20, 1, 0.1}
		read[m] = plan[P3].Bounds[m] * 1.01
		r.feed(4, read)
		r.want(t, "4s P3")
		s, since, cause := r.Step()
		if s != P3 || since != start.Add(4*time.Second) || cause != (Cause{m, read[m], plan[P3].Bounds[m]}) {
			t.Errorf("%v: %v since %v for %+v", m, s, since, cause)
		}
		read[m] = math.NaN() // not known: counts as low
		r.feed(11, read)
		r.want(t, "15s P0")
		if _, _, cause := r.Step(); cause != (Cause{}) {
			t.Errorf("%v: back for %+v", m, cause)
		}
	}
}

// The bound of a later step enters those before it, and keeps them entered.
func TestALaterBoundPullsEarlierSteps(t *testing.T) {
	r := newRun(Plan{
		P3: {Rules: []string{"a"}, Bounds: Values{Memory: 0.9}, Back: 10 * time.Second},
		P1: {Rules: []string{"b"}, Bounds: Values{Lag: 30}, Back: 20 * time.Second},
	})
	r.feed(10, Values{Memory: 0.1, Lag: 31})
	r.want(t, "4s P3", "8s P1")
	r.feed(60, Values{Memory: 0.1, Lag: 25})
	r.want(t)
	r.feed(40, Values{Memory: 0.1, Lag: 23})
	r.want(t, "1m31s P3", "1m42s P0")
}

func TestReloadKeepsAStepWithItsRules(t *testing.T) {
	deep := func() *run {
		r := newRun(lagOnly(three))
		r.feed(12, lag(100))
		r.want(t, "4s P3", "8s P2", "12s P1")
		return r
	}
	for name, tt := range map[string]struct {
		plan func() Plan
		want Step
	}{
		"the same":               {func() Plan { return lagOnly(three) }, P1},
		"other bounds":           {func() Plan { return lagOnly(map[Step]float64{P3: 100, P2: 200, P1: 400}) }, P1},
		"P1 is gone":             {func() Plan { return lagOnly(map[Step]float64{P3: 10, P2: 20}) }, P2},
		"P2 is gone":             {func() Plan { return lagOnly(map[Step]float64{P3: 10, P1: 40}) }, P1},
		"only P3 is left":        {func() Plan { return lagOnly(map[Step]float64{P3: 10}) }, P3},
		"no rule is left":        {func() Plan { return Plan{} }, P0},
		"P1 has other rules now": {func() Plan { p := lagOnly(three); p[P1].Rules = []string{"platform/new"}; return p }, P2},
		"P1 has one more rule": {func() Plan {
			p := lagOnly(three)
			p[P1].Rules = append(p[P1].Rules, "platform/new")
			return p
		}, P1},
	} {
		r := deep()
		changed := r.Adopt(tt.plan(), r.now)
		if s, _, _ := r.Step(); s != tt.want || changed != (tt.want != P1) {
			t.Errorf("%s: stands at %v (changed: %v), want %v", name, s, changed, tt.want)
		}
	}
}

func TestByHand(t *testing.T) {
	r := newRun(lagOnly(three))
	r.Force(Hand{Step: P2, Until: start.Add(30 * time.Second), Reason: "a test", Set: start})
	r.feed(10, lag(1))
	if r.Expire(r.now) || r.InForce() != P2 || r.Hand().Reason != "a test" {
		t.Fatalf("in force %v, hand %+v", r.InForce(), r.Hand())
	}
	r.feed(19, lag(15)) // the ladder goes on observing
	r.want(t, "14s P3")
	if r.Expire(r.now) || r.InForce() != P2 {
		t.Errorf("a second before its end: in force %v", r.InForce())
	}
	r.feed(1, lag(15))
	if !r.Expire(r.now) || r.InForce() != P3 || r.Hand() != nil || r.Expire(r.now) {
		t.Errorf("at its end: in force %v", r.InForce())
	}
	r.Force(Hand{Step: P0, Until: r.now.Add(time.Hour)})
	if r.InForce() != P0 || !r.Release() || r.Release() || r.InForce() != P3 {
		t.Errorf("released: in force %v", r.InForce())
	}
}

// Whatever is read, the ladder moves one rung of the plan at a time, never twice
// within Confirm, never to a step without rules, and comes back from everything.
func TestItNeverJumpsAndAlwaysComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var plan Plan
		var rungs []Step
		for s := P3; s < Steps; s++ {
			if rapid.Bool().Draw(t, "has") {
				rungs = append(rungs, s)
				plan[s] = Rung{Rules: []string{s.String()}, Bounds: Values{Lag: rapid.Float64Range(1, 100).Draw(t, "bound")},
					Back: time.Duration(rapid.IntRange(1, 20).Draw(t, "back")) * time.Second}
			}
		}
		r := newRun(plan)
		place, last := -1, start.Add(-time.Hour)
		for _, v := range rapid.SliceOfN(rapid.Float64Range(0, 200), 0, 300).Draw(t, "lags") {
			r.now = r.now.Add(time.Second)
			before, _, _ := r.Step()
			if !r.Observe(lag(v), r.now) {
				continue
			}
			step, _, _ := r.Step()
			at := slices.Index(rungs, step)
			if at-place != 1 && place-at != 1 || step > P0 && at < 0 {
				t.Fatalf("from %v to %v with rungs %v", before, step, rungs)
			}
			if step > before && r.now.Sub(last) < Confirm {
				t.Fatalf("down to %v only %v after the last change", step, r.now.Sub(last))
			}
			place, last = at, r.now
		}
		r.feed(3*21, lag(0))
		if s, _, _ := r.Step(); s != P0 {
			t.Fatalf("stands at %v when all is low", s)
		}
	})
}

func TestWords(t *testing.T) {
	for s := range Steps {
		if got, ok := ParseStep(s.String()); !ok || got != s {
			t.Errorf("%v is read as %v", s, got)
		}
	}
	for _, word := range []string{"", "p1", "P4", "auto"} {
		if _, ok := ParseStep(word); ok {
			t.Errorf("%q is a step", word)
		}
	}
	for want, got := range map[string]string{
		"85%": Memory.Format(0.851), "512 MiB": MemoryBytes.Format(512 << 20), "1m1.5s": Lag.Format(61.52),
		"90%": CPU.Format(0.9), "unknown": CPU.Format(math.NaN()),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
