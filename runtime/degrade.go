package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
)

// Bounds of a step by hand.
const (
	MinDegradeTime = time.Second
	MaxDegradeTime = 7 * 24 * time.Hour
)

// ErrNoDegrade says that the policy set in force has no rule that gives anything up.
var ErrNoDegrade = errors.New("the policy set has no degrade rule in force, so no step gives anything up")

// degradation is the ladder of an instance and what it stands on.
type degradation struct {
	step atomic.Uint32 // in force; the workers read it

	mu      sync.Mutex
	control ladder.Control
	read    ladder.Values // last reading
	probe   func() ladder.Values
	now     func() time.Time
	every   time.Duration // between two readings
}

func newDegradation(probe func() ladder.Values) *degradation {
	d := &degradation{probe: probe, now: time.Now, every: time.Second}
	for m := range d.read {
		d.read[m] = math.NaN()
	}
	return d
}

func (d *degradation) inForce() ladder.Step { return ladder.Step(d.step.Load()) }

// degrade is the part that reads the measures and moves the ladder.
func (r *Runtime) degrade(ctx context.Context, ready func()) error {
	ready()
	r.observe()
	r.warnOfLimit()
	tick := time.NewTicker(r.degradation.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.observe()
		}
	}
}

// warnOfLimit tells that a bound on the share of memory will never be passed.
func (r *Runtime) warnOfLimit() {
	d := r.degradation
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, rung := range d.control.Plan() {
		if rung.Bounds[ladder.Memory] > 0 && math.IsNaN(d.read[ladder.Memory]) {
			r.log.Warn("the memory limit is not known, so nothing is given up for a share of it; set GOMEMLIMIT, or write a size")
			return
		}
	}
}

func (r *Runtime) observe() {
	d := r.degradation
	read := d.probe()
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	d.read = read
	was, _, _ := d.control.Step()
	if d.control.Observe(read, now) {
		r.logStep(was)
	}
	if d.control.Expire(now) {
		r.log.Info("degradation is automatic again, the time by hand is over", "step", d.control.InForce())
	}
	d.step.Store(uint32(d.control.InForce()))
}

// adopt takes the bounds of a revision. It is called before workers see it.
func (r *Runtime) adopt(rev *revision) {
	d := r.degradation
	d.mu.Lock()
	defer d.mu.Unlock()
	was, _, _ := d.control.Step()
	if d.control.Adopt(rev.program.Ladder(), d.now()) {
		r.logStep(was)
	}
	d.step.Store(uint32(d.control.InForce()))
}

// logStep tells that the ladder moved. Overruled by hand, it moves in silence.
func (r *Runtime) logStep(was ladder.Step) {
	d := r.degradation
	step, _, cause := d.control.Step()
	log := r.log.With("step", step, "before", was)
	switch {
	case d.control.Hand() != nil:
		log.Debug("degradation would move, but is set by hand")
	case step > was:
		log.Warn("overload: more samples are given up", "measure", cause.Measure,
			"value", cause.Measure.Format(cause.Value), "bound", cause.Measure.Format(cause.Bound))
	default:
		log.Info("fewer samples are given up: every measure is low again, or the rules are gone")
	}
}

// Degrade sets the step of degradation by hand in the whole fleet, for a time (from
// MinDegradeTime to MaxDegradeTime) and with a reason of 3 to 500 characters;
// afterwards it is automatic again. P0 gives nothing up, whatever the measures say.
// It is an override. Errors wrap ErrRejected, ErrNoDegrade, or what SetOverride says.
func (r *Runtime) Degrade(ctx context.Context, by Actor, step string, length time.Duration, reason string) (DegradeStatus, error) {
	if _, ok := ladder.ParseStep(step); ok && (length < MinDegradeTime || length > MaxDegradeTime) {
		return DegradeStatus{}, fmt.Errorf("%w: for: %v is not from %v to 7d", ErrRejected, length, MinDegradeTime)
	}
	req := OverrideRequest{Kind: OverrideStep, Target: step, For: length, Reason: reason}
	if _, err := r.SetOverride(ctx, by, req); err != nil {
		return DegradeStatus{}, err
	}
	return *r.DegradeStatus(), nil
}

// AutoDegrade ends a step that was set by hand, if there is one. Errors are those
// of EndOverride.
func (r *Runtime) AutoDegrade(ctx context.Context, by Actor) (DegradeStatus, error) {
	switch err := r.EndOverride(ctx, by, OverrideStep); {
	case errors.Is(err, ErrNotReady):
		r.takeOverrides(func() []control.Override { return nil }) // it holds here only
	case err != nil && !errors.Is(err, ErrNoOverride):
		return DegradeStatus{}, err
	}
	return *r.DegradeStatus(), nil
}

// degrades reports whether a step would give anything up.
func (r *Runtime) degrades() bool {
	d := r.degradation
	d.mu.Lock()
	defer d.mu.Unlock()
	return climbable(d.control.Plan())
}

func climbable(p *ladder.Plan) bool {
	for _, rung := range p {
		if len(rung.Rules) > 0 {
			return true
		}
	}
	return false
}
