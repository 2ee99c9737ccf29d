package runtime

import (
	"maps"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// useTopology makes a change that was opened: the hops of the set are those that
// run, the others end by themselves. It is called while the set is put in force, with
// r.mu held.
func (r *Runtime) useTopology(c *topologyChange) {
	r.topology.Store(c.set)
	if r.sinkRuns.ctx == nil || r.streamRuns.ctx == nil { // it ends
		return
	}
	streams, reading := c.set.streams(), r.readingSinks(c.set)
	for _, h := range c.streams {
		if r.halts.get(h.name) != nil {
			h.source.Pause()
		}
	}
	for _, h := range r.streams {
		if _, stays := streams[h.name]; !stays {
			r.halts.clear(h.name)
		}
	}
	r.streams = r.exchange(&r.streamRuns, r.streams, c.streams, func(name string) bool { _, stays := streams[name]; return stays }, nil)
	r.sinks = r.exchange(&r.sinkRuns, r.sinks, c.sinks, func(name string) bool { _, stays := reading[name]; return stays }, c.ends)
	for _, h := range slices.Concat(r.streams, r.sinks) {
		h.engine.Bound(r.cacheBytesPerHop(c.set))
	}
	r.keep(c)
}

// keep lets go of adapters that no set in force has any more, and of the store, when
// what writes to them has ended; a store that stays is set as the sinks want it. r.mu
// is held.
func (r *Runtime) keep(c *topologyChange) {
	sinks := c.set.sinks()
	next, gone := map[string]*adapter{}, []*adapter{}
	for name, a := range r.adapters {
		if _, stays := sinks[name]; stays && c.adapters[name] == nil && sinks[name].Type != "kafka" {
			next[name] = a
		} else {
			gone = append(gone, a)
		}
	}
	maps.Copy(next, c.adapters)
	r.adapters = next
	db := r.store
	if s := storeOf(sinks); s != nil && db != nil {
		if err := db.Configure(storeOptions(*s)); err != nil {
			r.log.Error("the store goes on with the settings before", "error", err)
		}
		db = nil // it stays
	}
	if db == nil && len(gone) == 0 {
		return
	}
	writers := slices.Concat(slices.Collect(maps.Values(r.streamRuns.left)), slices.Collect(maps.Values(r.sinkRuns.left)))
	closed := make(chan struct{})
	if db != nil {
		r.store, r.storeCloses = nil, closed
	}
	r.sinkRuns.hops.Go(func() {
		defer close(closed)
		for _, h := range writers {
			<-h.done
		}
		for _, a := range gone {
			a.close()
		}
		if db != nil {
			r.closeStore(db)
		}
	})
}

// storeOf is the sink of type store; nil: there is none.
func storeOf(sinks map[string]policy.Sink) *policy.Sink {
	for _, s := range sinks {
		if s.Type == "store" {
			return &s
		}
	}
	return nil
}
