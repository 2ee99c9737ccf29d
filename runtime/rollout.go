package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// ErrRollout says that a canary or a shadow runs already, or that none does.
var ErrRollout = errors.New("rollout")

// RolloutStatus tells of the candidates of an instance: the JSON of
// /api/v1/policies/rollout.
type RolloutStatus struct {
	Revision string        `json:"revision"`         // in force
	Tag      string        `json:"tag"`              // of the last change of the canary, be it its end: another after each
	Canary   *CanaryStatus `json:"canary,omitempty"` // that runs, or ended last
	Shadow   *ShadowStatus `json:"shadow,omitempty"` // that runs, or ended last
}

// rollouts are the candidates of an instance.
type rollouts struct {
	canary atomic.Pointer[canary] // that governs something; nil: none

	number  atomic.Int64 // of the last change of the fleet's canary that was made or taken up here
	alone   atomic.Int64 // changes that no fleet was told of
	refused string       // digest of the fleet's canary that does not run here; guarded by reloading

	// owed is the end of the fleet's canary here, which the fleet could not be told of; nil:
	// there is none. It is guarded by reloading.
	owed *control.Canary

	mu      sync.Mutex
	changed chan struct{} // closed when canary changes
	last    *CanaryStatus // of the canary that ended last
	shadow  *shadow       // that runs, or ended last
	wake    chan struct{} // a shadow is to run
}

func newRollouts() *rollouts {
	return &rollouts{changed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// tag tells the last change of the canary from others.
func (o *rollouts) tag() string { return fmt.Sprintf("%d.%d", o.number.Load(), o.alone.Load()) }

// unchanged refuses what was meant for the canary as it was at a tag; "" is any.
// The caller holds reloading.
func (o *rollouts) unchanged(base string) error {
	if now := o.tag(); base != "" && base != now {
		return fmt.Errorf("%w: the canary is at tag %s, not %s: look at it again", ErrConflict, now, base)
	}
	return nil
}

// moved returns what is closed when another canary, or none, is in force. Take it
// before looking.
func (o *rollouts) moved() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// Rollout tells of the canary and of the shadow.
func (r *Runtime) Rollout() RolloutStatus {
	o := r.rollouts
	s, c := RolloutStatus{Revision: r.rev.Load().digest, Tag: o.tag()}, o.canary.Load()
	o.mu.Lock()
	s.Canary = o.last
	shadow := o.shadow
	o.mu.Unlock()
	if c != nil {
		s.Canary = c.status("")
	}
	if shadow != nil {
		s.Shadow = shadow.status()
	}
	return s
}

// resumeCanary is the part that takes up the canary of the fleet before a record is
// read: an instance that was killed in the middle of one comes back in its part.
func (r *Runtime) resumeCanary(ctx context.Context, ready func()) error {
	r.joinCanary(ctx)
	ready()
	<-ctx.Done()
	return nil
}

// rollout is the part that moves canaries on and runs shadows.
func (r *Runtime) rollout(ctx context.Context, ready func()) error {
	ready()
	var shadows sync.WaitGroup
	defer shadows.Wait()
	shadows.Go(func() { r.runShadows(ctx) })
	tick := time.NewTicker(canaryLook)
	defer tick.Stop()
	for {
		moved := r.canaryMoved()
		r.joinCanary(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-moved:
		case <-tick.C:
			r.lookAtCanary(ctx)
		}
	}
}

// instrumentRollouts feeds the metrics of the canary and of the shadow.
func (r *Runtime) instrumentRollouts() {
	r.metrics.CanaryShare.Collect(func(emit func(float64, ...string)) {
		share := 0.0
		if c := r.rollouts.canary.Load(); c != nil {
			share = c.share
		}
		emit(share)
	})
	r.metrics.CanarySamples.Collect(func(emit func(uint64, ...string)) {
		c := r.rollouts.canary.Load()
		if c == nil {
			return
		}
		rest, canary := c.compare.Sides()
		for name, s := range map[string]CanarySide{"rest": side(&rest), "canary": side(&canary)} {
			for d, n := range s.Dispositions {
				emit(uint64(max(n, 0)), name, d)
			}
		}
	})
	r.metrics.ShadowSeries.Collect(func(emit func(float64, ...string)) {
		x := r.Rollout().Shadow
		if x == nil || x.Impact == nil {
			return
		}
		counts := map[string]int{"unchanged": x.Impact.Unchanged}
		for _, m := range x.Impact.Moves {
			counts["verdict"] += m.Series
		}
		for _, m := range x.Impact.Relabels {
			counts["labels"] += m.Series
		}
		for _, m := range x.Impact.Reroutes {
			counts["sinks"] += m.Series
		}
		for _, m := range x.OtherRule {
			counts["rule"] += m.Series
		}
		for _, t := range x.Transforms {
			counts["transform"] += t.Otherwise
		}
		for change, n := range counts {
			emit(float64(n), change)
		}
	})
}
