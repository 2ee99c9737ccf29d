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

// sinkChange is how the sinks of a set differ from those that are open: opened, and
// not in use yet. Nil: they do not.
type sinkChange struct {
	set   *loadedSet
	opens []*hop                     // that are new, or take the place of one of the same name
	ends  map[string]map[int32]int64 // of the processed topics, when it was opened
	fresh *store.Store               // that was opened for it
}

// sinkHead is how far before now a new sink begins: longer than it takes a fleet to
// agree on a change, so that nothing is missed that any instance routes to it.
const sinkHead = 10 * time.Second

// openSinks opens what a set has other than the one that runs. It changes nothing
// that is in use. The caller holds r.reloading, and hands the change on to putInForce
// or discard. Errors wrap ErrRejected for what an instance cannot change while it
// runs, ErrNotReady before it does, or ErrUnreachable.
func (r *Runtime) openSinks(ctx context.Context, set *loadedSet) (*sinkChange, error) {
	if r.waitsForPolicies() { // which it then opens all by
		return nil, r.fits(set)
	}
	names, err := r.changesSinks(set)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	c := &sinkChange{set: set}
	if !r.cfg.does(roleSinks) {
		return c, nil
	}
	sinks, had := set.sinks(), r.openedStore()
	if err := r.awaitLeft(ctx, sinks, names); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, there := sinks[name]; !there {
			continue
		}
		h, err := r.sinkHop(name, sinks[name])
		if now := r.openedStore(); now != had {
			c.fresh = now
		}
		if err != nil {
			r.discard(c)
			return nil, fmt.Errorf("%w: sink %s cannot be opened: %w", ErrRejected, name, err)
		}
		c.opens = append(c.opens, h)
	}
	if err := r.placeSinks(ctx, c, names); err != nil {
		r.discard(c)
		return nil, fmt.Errorf("%w: the sinks of this set cannot be opened: %w", ErrUnreachable, err)
	}
	return c, nil
}

// changesSinks returns the names of sinks that differ, also of those that are gone.
// The error says what of a set cannot be changed while an instance runs.
func (r *Runtime) changesSinks(set *loadedSet) ([]string, error) {
	names, err := r.opened().changedSinks(set)
	if err == nil && len(names) > 0 {
		if err = set.checkTopology(r.cfg); err != nil {
			err = fmt.Errorf("%w: %w", ErrRejected, err)
		}
	}
	return names, err
}

// awaitLeft waits until what was taken away a moment ago is closed, where it is to
// be opened again: the same group, or the store.
func (r *Runtime) awaitLeft(ctx context.Context, sinks map[string]policy.Sink, names []string) error {
	r.mu.Lock()
	if r.runs.ctx == nil {
		r.mu.Unlock()
		return fmt.Errorf("%w: the sinks are not open yet, and this set changes them", ErrNotReady)
	}
	var closing chan struct{}
	if slices.ContainsFunc(names, func(name string) bool { return sinks[name].Type == "store" }) {
		closing = r.runs.closing
	}
	for name, h := range r.runs.left {
		if closing != nil || sinks[name].Type != "" {
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

func (r *Runtime) openedStore() *store.Store {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.store
}

// placeSinks makes the topics that a change needs, gives new sinks their place in
// the processed topics, and notes how far those that end have to read.
func (r *Runtime) placeSinks(ctx context.Context, c *sinkChange, names []string) error {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.EnsureTopics(ctx, c.set.topics(r.partitions())...); err != nil {
		return err
	}
	topics := r.opened().processedTopics()
	from := time.Now().Add(-sinkHead)
	for _, h := range c.opens {
		if _, there := r.opened().sinks()[h.name]; there {
			continue // it goes on where the one before it ends
		}
		if err := admin.BeginGroup(ctx, r.cfg.Group+"."+sinkGroup(h.name), from, topics...); err != nil {
			return err
		}
	}
	if len(c.opens) == len(names) {
		return nil // none ends
	}
	c.ends, err = admin.EndOffsets(ctx, topics...)
	return err
}

// discard closes what was opened for a change that is not made.
func (r *Runtime) discard(c *sinkChange) {
	if c == nil {
		return
	}
	for _, h := range c.opens {
		h.adapter.close()
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

// useSinks makes a change of sinks that was opened: the hops of the set are those
// that run, the others end by themselves. It is called while the set is put in force,
// with r.mu held.
func (r *Runtime) useSinks(c *sinkChange) {
	r.topology.Store(c.set)
	if r.runs.ctx == nil || !r.cfg.does(roleSinks) { // it ends, or has none
		return
	}
	next, opened := c.set.sinks(), map[string]*hop{}
	for _, h := range c.opens {
		opened[h.name] = h
	}
	var kept []*hop
	for _, h := range r.sinks {
		successor := opened[h.name]
		switch _, stays := next[h.name]; {
		case successor != nil:
			successor.after = h.done
			r.retire(h, nil)
		case stays:
			kept = append(kept, h)
		default:
			delete(r.adapters, h.name)
			r.retire(h, c.ends)
		}
	}
	for _, h := range c.opens {
		if before := r.runs.left[h.name]; before != nil && h.after == nil { // it was taken away a moment ago
			h.after = before.done
		}
		delete(r.adapters, h.name)
		if h.adapter != nil {
			r.adapters[h.name] = h.adapter
		}
		r.start(h)
	}
	r.sinks = append(kept, c.opens...)
	r.keepStore(next)
}

// keepStore sets the store as the sinks want it, or closes it once the last hop that
// writes to it has ended. r.mu is held.
func (r *Runtime) keepStore(sinks map[string]policy.Sink) {
	db := r.store
	if db == nil {
		return
	}
	for _, s := range sinks {
		if s.Type != "store" {
			continue
		}
		if err := db.Configure(storeOptions(s)); err != nil {
			r.log.Error("the store goes on with the settings before", "error", err)
		}
		return
	}
	r.store = nil
	var writers []*hop
	for _, h := range r.runs.left {
		if h.adapter != nil && h.adapter.samples == db {
			writers = append(writers, h)
		}
	}
	closed := make(chan struct{})
	r.runs.closing = closed
	r.runs.hops.Go(func() {
		defer close(closed)
		for _, h := range writers {
			<-h.done
		}
		r.closeStore(db)
	})
}
