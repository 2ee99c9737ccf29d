package runtime

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/lifecycle"
)

// hop is one consumer group and what it drives: the first hop of a stream, or a sink.
type hop struct {
	name    string
	governs bool // it runs the program; a sink's hop does not
	engine  *engine.Engine
	source  *kafka.Source
	book    *ledger.Book

	// See hopRuns.
	began    time.Time              // to run; zero: it never did
	inherits []inherited            // topics that another one has read until now
	after    []chan struct{}        // closed when those before it have ended: in its group, or with its topics
	awaits   atomic.Pointer[string] // what other instances have to do before it joins its group; nil: nothing
	cancel   context.CancelFunc
	done     chan struct{} // closed when it has ended; nil: it never ran
}

// newHop opens nothing yet. The options' clock and book are set here.
func (r *Runtime) newHop(set *loadedSet, name, group string, topics []string, opts engine.Options, governs bool) (*hop, error) {
	h := &hop{name: name, governs: governs, book: r.book(group)}
	opts.Name, opts.Book, opts.Now, opts.Catalogue = name, h.book, time.Now, set.known
	opts.CacheBytes = r.cacheBytesPerHop(set)
	opts.Step = r.degradation.inForce
	opts.Flushed = func(d time.Duration) { r.metrics.SinkSeconds.Observe(d.Seconds(), group) }
	var err error
	if h.engine, err = engine.New(opts, h.generation(r.rev.Load(), r.rollouts.canary.Load())); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	h.source, err = kafka.NewSource(r.kafka, kafka.SourceOptions{
		Group: r.cfg.Group + "." + group, Topics: topics,
		OnGap: func(g kafka.Gap) {
			r.metrics.GapRecords.Add(uint64(g.Records()), g.Topic, strconv.Itoa(int(g.Partition)))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return h, nil
}

// book is the account of a group since this instance was started: hops that take each
// other's place have one, and so has one that comes back.
func (r *Runtime) book(group string) *ledger.Book {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.books[group]
	if b == nil {
		b = &ledger.Book{}
		r.books[group] = b
	}
	return b
}

// part runs the hop. It is ready at once: what it waits for is in its status.
func (h *hop) part() lifecycle.Part {
	return lifecycle.Part{Name: h.name, Run: func(ctx context.Context, ready func()) error {
		ready()
		return h.source.Run(ctx, func(p engine.Partition) (kafka.Worker, error) { return h.engine.Open(p) })
	}}
}

// sparePatience is how long a member of a group is without partitions before it
// is taken for a spare one: there are more members than partitions.
const sparePatience = 10 * time.Second

// waiting says what keeps the hop from being ready, "" when nothing does.
func (h *hop) waiting() string {
	s := h.source.Status()
	switch {
	case h.awaits.Load() != nil: // whose topics others read meanwhile
		return ""
	case s.Err != nil:
		return h.name + ": " + s.Err.Error()
	case s.Joined.IsZero():
		return h.name + ": joins its group"
	case len(s.Partitions) == 0 && time.Since(s.Joined) < sparePatience:
		return h.name + ": waits for its partitions"
	}
	for _, p := range s.Partitions {
		if p.State == kafka.StateAssigned || p.State == kafka.StateFailed {
			return fmt.Sprintf("%s: %s[%d] is %s", h.name, p.Topic, p.ID, p.State)
		}
	}
	return ""
}

func (h *hop) status() Hop {
	s := hopStatus(h.book, h.source.Status())
	if why := h.awaits.Load(); why != nil {
		s.Error = *why
	}
	return s
}

// partitionsOf tells where the partitions of an input stand.
func partitionsOf(s kafka.Status) []Partition {
	out := make([]Partition, 0, len(s.Partitions))
	for _, p := range s.Partitions {
		to := Partition{Topic: p.Topic, ID: p.ID, State: string(p.State), Offset: p.Acked, Lag: p.Lag}
		if p.Err != nil {
			to.Error = p.Err.Error()
		}
		out = append(out, to)
	}
	return out
}

// holds reports whether a level never sheds.
func holds(level string) bool { return level == "no-loss" || level == "exactly-once" }
