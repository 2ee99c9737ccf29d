package runtime

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/store"
)

// topologyChange is how the streams and sinks of a set differ from those that are
// open: opened, and not in use yet. Nil: they do not.
type topologyChange struct {
	set            *loadedSet
	streams, sinks []*hop                     // that are new, or take the place of one of the same name
	adapters       map[string]*adapter        // of sinks that are new, or another than before
	ends           map[string]map[int32]int64 // of the processed topics, when it was opened
	fresh          *store.Store               // that was opened for it
}

// sinkHead is how far before now a new sink begins: longer than it takes a fleet to
// agree on a change, so that nothing is missed that any instance routes to it.
const sinkHead = 10 * time.Second

// openTopology opens what a set has other than the one that runs. It changes nothing
// that is in use. The caller holds r.reloading, and hands the change on to putInForce
// or discard. Errors wrap ErrRejected for what this instance cannot run, ErrNotReady
// before it does, or ErrUnreachable.
func (r *Runtime) openTopology(ctx context.Context, set *loadedSet) (*topologyChange, error) {
	if r.waitsForPolicies() { // which it then opens all by
		return nil, r.fits(set)
	}
	was := r.opened()
	differs := was.differsFrom(set)
	if differs.nothing() {
		return nil, nil
	}
	if err := r.fits(set); err != nil {
		return nil, err
	}
	if err := r.awaitLeft(ctx, set.sinks(), differs.sinks); err != nil {
		return nil, err
	}
	c, err := r.openHops(was, set)
	if err != nil {
		r.discard(c)
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	if err := r.place(ctx, c); err != nil {
		r.discard(c)
		return nil, fmt.Errorf("%w: the streams and sinks of this set cannot be opened: %w", ErrUnreachable, err)
	}
	return c, nil
}

// fits says why this instance cannot run a set that is right in itself.
func (r *Runtime) fits(set *loadedSet) error {
	if err := set.checkTopology(r.cfg); err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return nil
}

// awaitLeft waits until what was taken away a moment ago is closed, where it is to
// be opened again: the same group, or the store.
func (r *Runtime) awaitLeft(ctx context.Context, sinks map[string]policy.Sink, names map[string]bool) error {
	r.mu.Lock()
	if r.sinkRuns.ctx == nil || r.streamRuns.ctx == nil {
		r.mu.Unlock()
		return fmt.Errorf("%w: streams and sinks are not open yet, and this set changes them", ErrNotReady)
	}
	var closing chan struct{}
	for name := range names {
		if sinks[name].Type == "store" {
			closing = r.storeCloses
		}
	}
	for name, h := range r.sinkRuns.left {
		if closing != nil || names[name] && sinks[name].Type != "" {
			h.cancel()
		}
	}
	r.mu.Unlock()
	if closing == nil {
		return nil
	}
	select {
	case <-closing:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: the store is being closed: %w", ErrNotReady, ctx.Err())
	}
}

// openHops makes what a set has other than the one before. What it returns with an
// error is to be discarded.
func (r *Runtime) openHops(was, set *loadedSet) (*topologyChange, error) {
	c, had := &topologyChange{set: set, adapters: map[string]*adapter{}}, r.openedStore()
	differs, sinks := was.differsFrom(set), set.sinks()
	for name, s := range sinks {
		if !differs.sinks[name] || s.Type == "kafka" || !r.cfg.does(roleSinks) {
			continue
		}
		a, err := r.openSink(set, name, s)
		if now := r.openedStore(); now != had {
			c.fresh = now
		}
		if err != nil {
			return c, fmt.Errorf("sink %s cannot be opened: %w", name, err)
		}
		c.adapters[name] = a
	}
	for name, s := range r.readingSinks(set) {
		if !differs.sinks[name] && !was.allDirect() && was.letterTopic() == set.letterTopic() {
			continue
		}
		h, err := r.sinkHop(c, name, s)
		if err != nil {
			return c, fmt.Errorf("sink %s cannot be opened: %w", name, err)
		}
		c.sinks = append(c.sinks, h)
	}
	for name, s := range set.streams() {
		if !r.cfg.does(roleHop1) || !differs.streams[name] && !(s.Direct && len(differs.sinks) > 0) {
			continue
		}
		h, err := r.streamHop(c, name, s)
		if err != nil {
			return c, fmt.Errorf("stream %s cannot be opened: %w", name, err)
		}
		h.inherits = was.inheritedBy(name, set)
		c.streams = append(c.streams, h)
	}
	return c, nil
}

// readingSinks returns the sinks of a set that read processed topics here.
func (r *Runtime) readingSinks(set *loadedSet) map[string]policy.Sink {
	if set.allDirect() || !r.cfg.does(roleSinks) {
		return nil
	}
	return set.sinks()
}

func (r *Runtime) openedStore() *store.Store {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.store
}

// place makes the topics that a change needs, gives new sinks their place in the
// processed topics, and notes how far those that end have to read.
func (r *Runtime) place(ctx context.Context, c *topologyChange) error {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := r.ensureTopics(ctx, admin, c.set); err != nil {
		return err
	}
	var before []string
	for _, h := range r.hops(&r.sinks) {
		before = append(before, h.name)
	}
	from := time.Now().Add(-sinkHead)
	for _, h := range c.sinks {
		if slices.Contains(before, h.name) {
			continue // it goes on where the one before it ends
		}
		if err := admin.BeginGroup(ctx, r.cfg.Group+"."+sinkGroup(h.name), from, c.set.processedTopics()...); err != nil {
			return err
		}
	}
	next := r.readingSinks(c.set)
	if !slices.ContainsFunc(before, func(name string) bool { _, stays := next[name]; return !stays }) {
		return nil // none ends
	}
	c.ends, err = admin.EndOffsets(ctx, r.opened().processedTopics()...)
	return err
}

// discard closes what was opened for a change that is not made.
func (r *Runtime) discard(c *topologyChange) {
	if c == nil {
		return
	}
	for _, a := range c.adapters {
		a.close()
	}
	if c.fresh != nil {
		r.closeStore(c.fresh)
	}
}

// closeStore closes the store, if it is still that one.
func (r *Runtime) closeStore(db *store.Store) {
	r.mu.Lock()
	if r.store == db {
		r.store = nil
	}
	r.mu.Unlock()
	if err := db.Close(); err != nil {
		r.log.Error("the store is closed with an error", "error", err)
	}
}
