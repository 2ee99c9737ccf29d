package runtime

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// sinkTail is how long nothing must have come in a processed topic before a sink gives
// it up: longer than a stream that is taken away may take to write what it has read, and
// than the end of a topic may be unknown.
const sinkTail = 15 * time.Second

// lingering is a topic that a sink reads though no stream writes it any more.
type lingering struct {
	sink  *hop
	topic string
}

// giveUpTopics is the part that has sinks give up processed topics which no set in the
// fleet has any more, once they have sent all that is in them.
func (r *Runtime) giveUpTopics(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(r.sinkTail / 15)
	defer tick.Stop()
	var since map[lingering]time.Time
	for {
		select {
		case now := <-tick.C:
			since = r.giveUp(since, now)
		case <-ctx.Done():
			return nil
		}
	}
}

// giveUp looks for topics that are done with, and returns since when they are.
func (r *Runtime) giveUp(since map[lingering]time.Time, now time.Time) map[lingering]time.Time {
	done := map[lingering]time.Time{}
	for _, h := range r.hops(&r.sinks) {
		written := r.opened().processedTopics()
		for _, topic := range h.source.Topics() {
			if slices.Contains(written, topic) || h.behind(topic) || !r.Fleet().Converged {
				continue
			}
			l := lingering{h, topic}
			if _, known := since[l]; !known {
				done[l] = now
			} else if done[l] = since[l]; now.Sub(since[l]) >= r.sinkTail {
				r.leaveTopic(l)
			}
		}
	}
	return done
}

func (r *Runtime) leaveTopic(l lingering) {
	l.sink.source.Remove(l.topic)
	if slices.Contains(r.opened().processedTopics(), l.topic) { // a stream has come that writes it
		l.sink.source.Add(l.topic)
		return
	}
	r.log.Info("a sink has sent all of a topic that no stream writes any more, and reads it no longer", "sink", l.sink.name, "topic", l.topic)
}

// behind reports whether records of a topic wait in the partitions that the hop has.
func (h *hop) behind(topic string) bool {
	return slices.ContainsFunc(h.source.Status().Partitions, func(p kafka.PartitionStatus) bool { return p.Topic == topic && p.Lag > 0 })
}

// finish has a sink read also what waits for it in topics that no stream writes any
// more: it may have been down when they were given up, and this instance too.
func (r *Runtime) finish(ctx context.Context, h *hop) error {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	return patiently(ctx, func(ctx context.Context) error {
		topics, err := admin.Unread(ctx, r.cfg.Group+"."+sinkGroup(h.name))
		h.source.Add(topics...)
		return err
	})
}
