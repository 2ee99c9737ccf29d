package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// share tells the fleet of a canary, or of a change of it. An instance without a
// control topic is alone. The error wraps ErrConflict when another instance changed
// the fleet's canary first. The caller holds r.reloading.
func (r *Runtime) share(ctx context.Context, c *canary) error {
	if r.canaries() != nil {
		if err := r.stores(ctx, c.by, &c.set); err != nil {
			return err
		}
	}
	text, err := json.Marshal(c.set.bundle)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	told, err := r.tellCanary(ctx, c.record(), text)
	if err != nil {
		return err
	}
	c.shared = told
	return nil
}

// unshare tells the fleet that a canary has ended, and how. Errors are as for share.
func (r *Runtime) unshare(ctx context.Context, c *canary, how string, promoted bool) error {
	if !c.shared {
		r.rollouts.alone.Add(1)
		return nil
	}
	end := c.record()
	end.Ended, end.Promoted, end.Changed = how, promoted, time.Now().UTC()
	_, err := r.tellCanary(ctx, end, nil)
	return err
}

// leaveAlone ends a canary that has left a bound in this instance, which the fleet could
// not be told of, and notes that it is to be told.
func (r *Runtime) leaveAlone(c *canary, how string, err error) {
	r.log.Error("the canary is aborted in this instance only, until the fleet can be told", "revision", c.rev.digest, "error", err)
	end := c.record()
	end.Ended, end.Changed = how, time.Now().UTC()
	r.rollouts.owed = &end
}

// tellCanary writes the next change of the fleet's canary, where there is a fleet.
func (r *Runtime) tellCanary(ctx context.Context, next control.Canary, bundle []byte) (told bool, err error) {
	o := r.rollouts
	fleet := r.canaries()
	if fleet == nil {
		o.alone.Add(1)
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, overridePatience) // nothing else can change the policies meanwhile
	defer cancel()
	done, err := fleet.Change(ctx, int(o.number.Load()), next, bundle)
	if errors.Is(err, control.ErrCanaryChanged) {
		return false, fmt.Errorf("%w: %w", ErrConflict, err)
	} else if err != nil {
		return false, fmt.Errorf("%w: control topic: %w", ErrUnreachable, err)
	}
	o.number.Store(int64(done.N))
	o.owed = nil
	return true, nil
}

// record is how the fleet knows a canary.
func (c *canary) record() control.Canary {
	return control.Canary{
		Digest: c.rev.digest, Base: c.base.digest, By: c.by.Name, Reason: c.reason, Since: c.since, Changed: c.changed,
		Share: c.share, Partitions: c.partitions, Steps: c.steps, Every: c.every,
	}
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
	o := r.rollouts
	have := o.canary.Load()
	now, _ := fleet.Newest()
	if int64(now.N) != o.number.Load() {
		o.owed = nil // somebody else has changed it since
	}
	switch known := int64(now.N) == o.number.Load(); {
	case now.N == 0 || known && (now.Ended != "" || have != nil):
	case known && o.owed != nil:
		telling, cancel := context.WithTimeout(ctx, canaryLook)
		_, _ = r.tellCanary(telling, *o.owed, nil) // why it cannot be has been said; the next look does it again
		cancel()
	case now.Ended != "":
		r.leaveCanary(ctx, &now, have)
	case now.Base != r.rev.Load().digest:
		r.endStale(ctx, fleet, &now)
	default:
		err := r.takeCanary(ctx, fleet, &now, have)
		news := o.refused != now.Digest
		o.refused = ""
		if err == nil {
			o.number.Store(int64(now.N))
			return
		}
		if o.refused = now.Digest; news {
			r.log.Error("the canary of the fleet does not run here", "revision", now.Digest, "error", err)
		}
	}
}

// leaveCanary ends a canary as the fleet has. One that is promoted governs its tasks
// until its set is in force here, so that they notice nothing.
func (r *Runtime) leaveCanary(ctx context.Context, end *control.Canary, have *canary) {
	shared := have != nil && have.shared
	if shared && end.Promoted && have.rev.digest == end.Digest && time.Since(end.Changed) < stale {
		return
	}
	if shared {
		r.endCanary(have, end.Ended, func() { r.govern(ctx, nil) })
	}
	r.rollouts.number.Store(int64(end.N))
}

// endStale ends a canary of the fleet whose base is in force no more. Who else does
// is right, too.
func (r *Runtime) endStale(ctx context.Context, fleet *control.Canaries, now *control.Canary) {
	if time.Since(now.Changed) <= stale {
		return
	}
	end := *now
	end.Ended, end.Changed = fmt.Sprintf("aborted: another set was put in force, %.12s", r.rev.Load().digest), time.Now().UTC()
	if done, err := fleet.Change(ctx, now.N, end, nil); err == nil { // else the next look does it again, and nobody runs it
		r.rollouts.number.Store(int64(done.N))
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
	if next.set, err = loadBundle(text, r.loading); err != nil {
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
