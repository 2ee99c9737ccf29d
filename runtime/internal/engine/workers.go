package engine

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// workers are those of an engine that are open.
type workers struct {
	mu      sync.Mutex
	all     map[*Worker]bool
	changed chan struct{} // closed when one goes over to a generation, or closes; nil: nobody waits
}

// add enters a worker and returns what takes it out again.
func (o *workers) add(w *Worker) (remove func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[*Worker]bool{}
	}
	o.all[w] = true
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.all, w)
		o.tell()
	}
}

// tell wakes those who wait for a change. The lock is held.
func (o *workers) tell() {
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

// switched notes that a worker has gone over to a generation.
func (o *workers) switched(w *Worker, to uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.running = to
	o.tell()
}

// behind returns the workers that run a generation before to, and what is closed
// at the next change. One that was handed nothing yet begins with the newest.
func (o *workers) behind(to uint32) (late []Partition, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for w := range o.all {
		if w.running != 0 && w.running < to {
			late = append(late, w.partition)
		}
	}
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	slices.SortFunc(late, Partition.compare)
	return late, o.changed
}

// list returns the workers by partition.
func (o *workers) list() []*Worker {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]*Worker, 0, len(o.all))
	for w := range o.all {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b *Worker) int { return a.partition.compare(b.partition) })
	return out
}

func (p Partition) compare(q Partition) int {
	return cmp.Or(cmp.Compare(p.Topic, q.Topic), cmp.Compare(p.ID, q.ID))
}

// Await returns when every worker runs the generation that Apply put in force last
// or, with the partitions of those that do not, when ctx ends. A worker goes over
// when it is handed its next batch, which may be an empty one.
func (e *Engine) Await(ctx context.Context) (late []Partition) {
	to := e.gen.Load().applied
	for {
		late, changed := e.open.behind(to)
		if len(late) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return late
		}
	}
}
