package runtime

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/lifecycle"
)

// hopRuns run the hops of streams, or those of sinks, of which some come and go
// while the instance runs. All of it is behind Runtime.mu.
type hopRuns struct {
	what   string          // stream or sink
	ctx    context.Context // of the part; nil: it does not run
	hops   *sync.WaitGroup
	failed chan error
	left   map[string]*hop // that were taken away and have not ended yet
}

// runHops is the part that runs hops. One that fails ends the instance.
func (r *Runtime) runHops(ctx context.Context, ready func(), runs *hopRuns, of *[]*hop) error {
	var hops sync.WaitGroup
	failed := make(chan error, 1)
	r.mu.Lock()
	runs.ctx, runs.hops, runs.failed, runs.left = ctx, &hops, failed, map[string]*hop{}
	for _, h := range *of {
		r.start(runs, h)
	}
	r.mu.Unlock()
	ready()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	r.mu.Lock()
	runs.ctx = nil
	for _, h := range *of {
		h.cancel()
	}
	for _, h := range runs.left {
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

// start runs a hop until it is cancelled. r.mu is held and runs.ctx is set.
func (r *Runtime) start(runs *hopRuns, h *hop) {
	all, failed, log := runs.ctx, runs.failed, r.log.With(slog.String(runs.what, h.name))
	own, cancel := context.WithCancel(all)
	h.cancel, h.done, h.began = cancel, make(chan struct{}), time.Now()
	runs.hops.Go(func() {
		defer close(h.done)
		defer cancel()
		for _, ended := range h.after { // also if it is cancelled: who comes next waits for all
			<-ended
		}
		if r.takeOver(own, h); own.Err() != nil {
			return
		}
		err := lifecycle.Run(own, stopTimeout, h.part())
		switch {
		case err == nil:
		case own.Err() != nil && all.Err() == nil:
			log.Warn("what was taken away has ended with an error", "error", err)
		default:
			select {
			case failed <- err:
			default: // one is enough to end the instance
			}
		}
	})
}

// exchange has the hops of a change take the place of those that run, and returns
// those that run then. Of the others, those that no set in force has any more read
// on to ends; nil: they end at once. r.mu is held and runs.ctx is set.
func (r *Runtime) exchange(runs *hopRuns, now, opens []*hop, stays func(name string) bool, ends map[string]map[int32]int64) (next []*hop) {
	opened := map[string]bool{}
	for _, h := range opens {
		opened[h.name] = true
	}
	for _, h := range now {
		switch {
		case opened[h.name]:
			r.retire(runs, h, nil)
		case stays(h.name):
			next = append(next, h)
		default:
			h.source.Quit()
			r.retire(runs, h, ends)
		}
	}
	for _, h := range opens {
		if before := runs.left[h.name]; before != nil { // taken away now, or a moment ago
			h.after = append(h.after, before.done)
		}
		for _, m := range h.inherits {
			if before := runs.left[m.stream]; before != nil {
				h.after = append(h.after, before.done)
			}
		}
		r.start(runs, h)
	}
	return append(next, opens...)
}

// catchUp is how long a sink that is taken away may take to send on what came before
// that.
const catchUp = 10 * time.Second

// retire ends a hop that no set in force has any more, when its group has caught up with
// ends, or cannot in time; nil: at once. What it has read is acknowledged and its
// place in the group committed, as when a partition goes to another instance. r.mu is
// held and runs.ctx is set.
func (r *Runtime) retire(runs *hopRuns, h *hop, ends map[string]map[int32]int64) {
	runs.left[h.name] = h
	ctx, cancel := context.WithTimeout(runs.ctx, r.catchUp)
	runs.hops.Go(func() {
		defer cancel()
		if ends != nil && !r.reach(ctx, h, ends) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.log.Warn("a sink is taken away before it has sent on all that waits for it; should it come back, it goes on there", "sink", h.name)
		}
		h.cancel()
		<-h.done
		r.mu.Lock()
		defer r.mu.Unlock()
		if runs.left[h.name] == h {
			delete(runs.left, h.name)
		}
	})
}

// reach waits until the group of a hop has acknowledged everything before ends; false
// when ctx or the hop ended first. What the hop knows is only the partitions that it has:
// of those that another instance has, or nobody yet, Kafka is asked.
func (r *Runtime) reach(ctx context.Context, h *hop, ends map[string]map[int32]int64) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		behind, elsewhere := h.until(ends)
		if !behind && len(elsewhere) > 0 {
			tick.Reset(askAgain)
			behind = !r.passed(ctx, h, elsewhere)
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

// until reports whether the hop is behind ends in the partitions that it has, and returns
// the ends of the others.
func (h *hop) until(ends map[string]map[int32]int64) (behind bool, elsewhere map[string]map[int32]int64) {
	elsewhere = map[string]map[int32]int64{}
	for topic, partitions := range ends {
		elsewhere[topic] = maps.Clone(partitions)
	}
	for _, p := range h.source.Status().Partitions {
		at := p.Acked
		if at < 0 { // nothing has come since it has this partition
			at = p.End - p.Lag
		}
		behind = behind || at < ends[p.Topic][p.ID]
		if delete(elsewhere[p.Topic], p.ID); len(elsewhere[p.Topic]) == 0 {
			delete(elsewhere, p.Topic)
		}
	}
	return behind, elsewhere
}

// passed reports whether the group of a sink has committed everything before ends. It
// says no where Kafka cannot be asked.
func (r *Runtime) passed(ctx context.Context, h *hop, ends map[string]map[int32]int64) bool {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return false
	}
	defer admin.Close()
	passed, err := admin.Passed(ctx, r.cfg.Group+"."+sinkGroup(h.name), ends)
	return passed && err == nil
}
