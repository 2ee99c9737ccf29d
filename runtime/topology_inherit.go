package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// inherited are topics that a stream has read until now, and another is to go on with.
type inherited struct {
	stream string
	topics []string
}

// inheritedBy returns what other streams of this set read, and a stream of the next.
func (l *loadedSet) inheritedBy(name string, next *loadedSet) (out []inherited) {
	reads := func(set *loadedSet, stream, topic string) bool {
		return slices.Contains(set.streams()[stream].Topics, topic)
	}
	for other, s := range l.streams() {
		var topics []string
		for _, topic := range s.Topics {
			if other != name && reads(next, name, topic) && !reads(next, other, topic) && !reads(l, name, topic) {
				topics = append(topics, topic)
			}
		}
		if len(topics) > 0 {
			out = append(out, inherited{other, topics})
		}
	}
	return out
}

// askAgain is how often the groups of streams are asked for who is still in them.
const askAgain = 200 * time.Millisecond

// emptied is how long a group may have members that have given up what they had, and so
// takes no place from others: they drain, and a static one is missed only when its
// session has ended.
const emptied = 30 * time.Second

// takeOver has a hop go on where one before it stood, before it joins its group.
func (r *Runtime) takeOver(ctx context.Context, h *hop) {
	if h.governs {
		if err := r.succeed(ctx, h); err != nil && ctx.Err() == nil {
			r.log.Error("a stream may read again what another stream has read before", "stream", h.name, "error", err)
		}
		return
	}
	if err := r.finish(ctx, h); err != nil && ctx.Err() == nil {
		r.log.Error("a sink may leave what waits for it in topics that no stream writes any more", "sink", h.name, "error", err)
	}
}

// succeed gives the group of a stream its place in topics that another stream has
// read, so that nothing is read twice: one that this set has taken them from, which has
// ended here, or one that the groups tell of, to an instance that starts with this set.
// As long as other instances read them for that stream it waits: they are being read.
// Where the brokers do not answer for too long it goes on: twice rather than never.
func (r *Runtime) succeed(ctx context.Context, h *hop) error {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	to := r.cfg.Group + "." + streamGroup(h.name)
	before := map[string][]string{} // by group
	err = patiently(ctx, catchUp, func(ctx context.Context) error {
		found, err := admin.ReadBefore(ctx, r.cfg.Group+"."+streamGroup(""), to, h.source.Topics()...)
		maps.Copy(before, found)
		return err
	})
	for _, m := range h.inherits {
		before[r.cfg.Group+"."+streamGroup(m.stream)] = m.topics
	}
	for from, topics := range before {
		move := func(ctx context.Context) error { return admin.MovePlace(ctx, from, to, topics...) }
		_ = move(ctx) // near there, for an instance that starts while this one waits; done well below
		err = errors.Join(err, r.awaitReleased(ctx, admin, h, from, topics), patiently(ctx, emptied, move))
	}
	return err
}

// awaitReleased waits until no instance reads topics in a group any more.
func (r *Runtime) awaitReleased(ctx context.Context, admin *kafka.Admin, h *hop, group string, topics []string) error {
	defer h.awaits.Store(nil)
	for {
		reads := false
		err := patiently(ctx, catchUp, func(ctx context.Context) (err error) {
			reads, err = admin.Reads(ctx, group, topics...)
			return err
		})
		if err != nil || !reads {
			return err
		}
		why := fmt.Sprintf("waits until other instances give up %s: group %s still reads there", strings.Join(topics, ", "), group)
		if h.awaits.Swap(&why) == nil {
			r.log.Info("a stream "+why, "stream", h.name)
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// patiently asks the brokers until they answer well, for so long at most.
func patiently(ctx context.Context, long time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
