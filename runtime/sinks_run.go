package runtime

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/lifecycle"
)

// sinkRuns run the hops of sinks, of which some come and go while the instance runs.
// All of it is behind Runtime.mu.
type sinkRuns struct {
	ctx     context.Context // of the part; nil: it does not run
	hops    *sync.WaitGroup
	failed  chan error
	left    map[string]*hop // that were taken away and have not ended yet
	closing chan struct{}   // closed when the store that was taken away is; nil: none was
}

// runSinks is the part that runs the hops of sinks. One that fails ends the instance.
func (r *Runtime) runSinks(ctx context.Context, ready func()) error {
	var hops sync.WaitGroup
	failed := make(chan error, 1)
	r.mu.Lock()
	r.runs = sinkRuns{ctx: ctx, hops: &hops, failed: failed, left: map[string]*hop{}}
	for _, h := range r.sinks {
		r.start(h)
	}
	r.mu.Unlock()
	ready()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	r.mu.Lock()
	r.runs.ctx = nil
	for _, h := range r.sinks {
		h.cancel()
	}
	for _, h := range r.runs.left {
		h.cancel()
	}
	r.mu.Unlock()
	hops.Wait()
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default: // all have ended well
	}
	return err
}

// start runs a hop until it is cancelled. r.mu is held and r.runs.ctx is set.
func (r *Runtime) start(h *hop) {
	all, failed := r.runs.ctx, r.runs.failed
	own, cancel := context.WithCancel(all)
	h.cancel, h.done = cancel, make(chan struct{})
	r.runs.hops.Go(func() {
		defer close(h.done)
		defer h.adapter.close()
		defer cancel()
		if h.after != nil {
			select {
			case <-h.after:
			case <-own.Done():
				<-h.after // who comes next waits for both
				return
			}
		}
		err := lifecycle.Run(own, stopTimeout, h.part())
		switch {
		case err == nil:
		case own.Err() != nil && all.Err() == nil:
			r.log.Warn("a sink that was taken away has ended with an error", "sink", h.name, "error", err)
		default:
			select {
			case failed <- err:
			default: // one is enough to end the instance
			}
		}
	})
}

// catchUp is how long a sink that is taken away may take to send on what came before
// that.
const catchUp = 10 * time.Second

// retire ends a hop that no set in force has any more, when it has caught up with
// ends, or cannot in time; nil: at once. r.mu is held and r.runs.ctx is set.
func (r *Runtime) retire(h *hop, ends map[string]map[int32]int64) {
	r.runs.left[h.name] = h
	ctx, cancel := context.WithTimeout(r.runs.ctx, catchUp)
	r.runs.hops.Go(func() {
		defer cancel()
		if ends != nil && !h.reach(ctx, ends) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.log.Warn("a sink is taken away before it has sent on all that waits for it; should it come back, it goes on there", "sink", h.name)
		}
		h.cancel()
		<-h.done
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.runs.left[h.name] == h {
			delete(r.runs.left, h.name)
		}
	})
}

// reach waits until the hop has acknowledged everything before ends in the
// partitions that it has; false when ctx or the hop ended first.
func (h *hop) reach(ctx context.Context, ends map[string]map[int32]int64) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		behind := false
		for _, p := range h.source.Status().Partitions {
			at := p.Acked
			if at < 0 { // nothing has come since it has this partition
				at = p.End - p.Lag
			}
			behind = behind || at < ends[p.Topic][p.ID]
		}
		if !behind {
			return true
		}
		select {
		case <-tick.C:
		case <-h.done:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
