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
			since = r.giveUp(ctx, since, now)
		case <-ctx.Done():
			return nil
		}
	}
}

// giveUp looks for topics that seem to be done with, and returns since when. Kafka has
// the last word: here a partition may be unknown that nobody holds yet, or another instance.
func (r *Runtime) giveUp(ctx context.Context, since map[lingering]time.Time, now time.Time) map[lingering]time.Time {
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
			} else if now.Sub(since[l]) < r.sinkTail {
				done[l] = since[l]
			} else if r.sent(ctx, l) {
				r.leaveTopic(l)
			}
		}
	}
	return done
}

// sent reports whether Kafka knows of the sinks of all instances that they have sent
// all of a topic. It says no where it cannot be asked.
func (r *Runtime) sent(ctx context.Context, l lingering) bool {
	waiting, err := r.unread(ctx, l.sink, l.topic)
	if err != nil && ctx.Err() == nil {
		r.log.Warn("a sink goes on with a topic that no stream writes any more: whether all of it is sent is not known", "sink", l.sink.name, "topic", l.topic, "error", err)
	}
	return err == nil && !slices.Contains(waiting, l.topic)
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
	topics, err := r.unread(ctx, h)
	h.source.Add(topics...)
	return err
}

// unread returns the topics in which records wait for a sink, of the ones that it has
// sent from before and of others that are named.
func (r *Runtime) unread(ctx context.Context, h *hop, others ...string) (topics []string, err error) {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	err = patiently(ctx, catchUp, func(ctx context.Context) error {
		topics, err = admin.Unread(ctx, r.cfg.Group+"."+sinkGroup(h.name), others...)
		return err
	})
	return topics, err
}
