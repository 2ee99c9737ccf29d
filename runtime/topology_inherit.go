package runtime

import (
	"context"
	"slices"
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

// moveAgain is how often the place of a group is asked for that still has members:
// other instances, which have the same change before them.
const moveAgain = 200 * time.Millisecond

// takeOver gives the group of a stream its place in topics that another stream has
// read, so that nothing is read twice. Both have ended here. When that fails for too
// long they are read from their start: twice rather than never.
func (r *Runtime) takeOver(ctx context.Context, h *hop) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	for _, m := range h.inherits {
		if err := r.move(ctx, h.name, m); err != nil {
			r.log.Error("a stream reads topics from their start that another has read before", "stream", h.name,
				"topics", m.topics, "before", m.stream, "error", err)
		}
	}
}

func (r *Runtime) move(ctx context.Context, to string, m inherited) error {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	tick := time.NewTicker(moveAgain)
	defer tick.Stop()
	for {
		err := admin.MovePlace(ctx, r.cfg.Group+"."+streamGroup(m.stream), r.cfg.Group+"."+streamGroup(to), m.topics...)
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
