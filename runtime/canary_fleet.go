package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// canaries are those of the fleet; nil while the control topic is not read.
func (r *Runtime) canaries() *control.Canaries {
	if log := r.control.Load(); log != nil && log.Loaded() {
		return control.NewCanaries(log)
	}
	return nil
}

// share tells the fleet of a canary. An instance without a control topic is alone.
func (r *Runtime) share(ctx context.Context, c *canary) error {
	fleet := r.canaries()
	if fleet == nil {
		return nil
	}
	text, err := json.Marshal(c.set.bundle)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	err = fleet.Set(ctx, control.Canary{
		Digest: c.rev.digest, Base: c.base.digest, By: c.by.Name, Reason: c.reason, Since: c.since, Changed: c.changed,
		Share: c.share, Partitions: c.partitions, Steps: c.steps, Every: c.every,
	}, text)
	if err != nil {
		return fmt.Errorf("%w: control topic: %w", ErrUnreachable, err)
	}
	c.shared = true
	return nil
}

// unshare takes a canary from the fleet.
func (r *Runtime) unshare(ctx context.Context, c *canary) error {
	fleet := r.canaries()
	if fleet == nil || !c.shared {
		return nil
	}
	if err := fleet.End(ctx, c.rev.digest); err != nil {
		return fmt.Errorf("%w: control topic: %w", ErrUnreachable, err)
	}
	return nil
}

// canaryMoved returns what is closed when the canary of the fleet changes, nil while
// nobody can say.
func (r *Runtime) canaryMoved() <-chan struct{} {
	if fleet := r.canaries(); fleet != nil {
		return fleet.Changed()
	}
	return nil
}

// stale is how long a canary may stay on the control topic that has another base
// than the set in force: another instance may be about to take that up.
const stale = 30 * time.Second

// joinCanary takes up the canary of the fleet, or lets go of it.
func (r *Runtime) joinCanary(ctx context.Context) {
	fleet := r.canaries()
	if fleet == nil {
		return
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	have := r.rollouts.canary.Load()
	now, there := fleet.Current()
	switch {
	case !there && (have == nil || !have.shared):
	case !there:
		r.endCanary(have, "ended by another instance", func() { r.govern(ctx, nil) })
	case now.Base != r.rev.Load().digest:
		if time.Since(now.Changed) > stale {
			_ = fleet.End(ctx, now.Digest) // the next look does it again, and nobody runs it
		}
	case have != nil && have.rev.digest == now.Digest && have.share == now.Share && slices.Equal(have.partitions, now.Partitions):
	default:
		err := r.takeCanary(ctx, fleet, &now, have)
		news := r.rollouts.refused != now.Digest
		r.rollouts.refused = ""
		if err != nil {
			r.rollouts.refused = now.Digest
		}
		if err != nil && news {
			r.log.Error("the canary of the fleet does not run here", "revision", now.Digest, "error", err)
		}
	}
}

// takeCanary puts the canary of the fleet in force here.
func (r *Runtime) takeCanary(ctx context.Context, fleet *control.Canaries, now *control.Canary, have *canary) error {
	next := &canary{
		base: r.rev.Load(), by: Actor{Name: now.By}, reason: now.Reason, since: now.Since, changed: now.Changed, every: now.Every,
		share: now.Share, partitions: now.Partitions, steps: now.Steps, compare: &engine.Comparison{}, shared: true,
	}
	if have != nil && have.rev.digest == now.Digest {
		next.rev, next.set = have.rev, have.set
		r.govern(ctx, next)
		return nil
	}
	text, err := fleet.Bundle(now.Digest)
	if err != nil {
		return err
	}
	if next.set, err = loadBundle(text); err != nil {
		return err
	}
	if next.set.report.Refused() {
		return &RejectedError{next.set.report}
	}
	if err := r.opened().sameTopology(&next.set); err != nil {
		return err
	}
	next.set.origin = Origin{Kind: OriginPush, Place: controlTopic, By: now.By, Reason: now.Reason, At: now.Since}
	next.rev = newRevision(&next.set)
	r.govern(ctx, next)
	r.log.Info("canary begins", "revision", now.Digest, "part", next.text(), "by", now.By, "from", controlTopic)
	return nil
}
