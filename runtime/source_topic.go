package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// topicOrigin is what was pushed to the control topic last; before the first push
// the default set.
type topicOrigin struct{ r *Runtime }

// sourceTopic is what the setting policies says for it.
const sourceTopic = "topic"

func (o topicOrigin) load(ctx context.Context, how Loading) (loadedSet, error) {
	log := o.r.control.Load()
	if log == nil || !log.Loaded() {
		if good := o.r.policies.lastGood(); good != nil { // until the topic is read
			return *good, nil
		}
		return builtIn{}.load(ctx, how)
	}
	rev, ok := control.NewRevisions(log).Current()
	if !ok {
		return builtIn{}.load(ctx, how)
	}
	return o.r.pushedSet(rev)
}

func (o topicOrigin) watch(ctx context.Context, changed func()) {
	for {
		next := control.NewRevisions(o.r.control.Load()).Changed()
		changed()
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}

func (topicOrigin) accepts() error { return nil }

// startFromTopic is the part that makes the newest pushed revision the one that
// streams and sinks are opened by. They wait for the first push.
func (r *Runtime) startFromTopic(ctx context.Context, ready func()) error {
	for told := false; r.cfg.Policies == sourceTopic && !r.takeNewest(ctx); told = true {
		if !told {
			r.log.Info("waits for the first policies to be pushed", "with", "sluice apply DIR")
		}
		next := control.NewRevisions(r.control.Load()).Changed()
		again := time.NewTimer(time.Second) // the topic may become readable without a push
		select {
		case <-next:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
	r.chosen.Store(true)
	ready()
	<-ctx.Done()
	return nil
}

// takeNewest chooses what to start with, from what was pushed, or the last good set
// while the topic cannot be read or has one that does not run. False: there is none.
func (r *Runtime) takeNewest(ctx context.Context) bool {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	log := r.control.Load()
	if _, pushed := control.NewRevisions(log).Current(); !pushed {
		return r.policies.lastGood() != nil
	}
	set, err := r.loadSource(ctx)
	if err == nil {
		err = set.checkTopology(r.cfg)
	}
	if err != nil {
		if r.policies.refuse(refusal(&set, err)) {
			r.log.Error("the policies that were pushed last do not run", "error", err)
		}
		return r.policies.lastGood() != nil
	}
	if good := r.policies.lastGood(); good != nil && r.policies.isBarred(set.bundle.Digest) {
		r.fallBack(good, crashedUnder(&set))
		return true
	}
	r.topology.Store(&set)
	if !r.rev.Load().same(&set) {
		r.putInForce(ctx, &set, nil)
	}
	return true
}

// followPushes takes up what is pushed while another source is the one of truth,
// where the operator allows that.
func (r *Runtime) followPushes(ctx context.Context, ready func()) error {
	ready()
	if r.awaitControl(ctx) != nil {
		return nil // it ends
	}
	revisions := control.NewRevisions(r.control.Load())
	current, _ := revisions.Current()
	r.policies.mu.Lock()
	r.policies.taken = current.N // what was pushed before the start has had its time
	r.policies.mu.Unlock()
	again := retries{log: r.log, what: "policies that were pushed are not taken up"}
	for {
		next := revisions.Changed()
		again.after(r.takeUpPush(ctx, revisions))
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		case <-again.due:
		}
	}
}

func (r *Runtime) takeUpPush(ctx context.Context, revisions *control.Revisions) error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	current, ok := revisions.Current()
	r.policies.mu.Lock()
	taken := r.policies.taken
	r.policies.mu.Unlock()
	if !ok || current.N <= taken {
		return nil
	}
	set, err := r.pushedSet(current)
	var change *topologyChange
	if err == nil {
		change, err = r.openTopology(ctx, &set)
	}
	if err != nil {
		return fmt.Errorf("revision %.12s: %w", current.Digest, err)
	}
	r.takePushed(ctx, &set, current.N, change)
	return nil
}

// pushBack tells the fleet that the newest pushed revision has left a bound of its
// probation here: the good one is pushed again. Who else was first is right, too.
func (r *Runtime) pushBack(ctx context.Context, bad *revision, good *loadedSet) error {
	revisions := control.NewRevisions(r.control.Load())
	if current, ok := revisions.Current(); !ok || current.Digest != bad.digest {
		return nil
	}
	text, err := json.Marshal(good.bundle)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, overridePatience) // nothing else can change the policies meanwhile
	defer cancel()
	_, err = revisions.Push(ctx, control.Revision{
		Digest: good.bundle.Digest, Base: bad.digest, Reason: good.origin.Reason, Origin: control.Origin{Kind: OriginRollback},
	}, text)
	if errors.Is(err, control.ErrConflict) {
		return nil
	}
	return err
}
