package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// errSilent says that nothing has come for so long that deletions may be missed.
var errSilent = errors.New("nothing has come for an hour")

// follow reads the topic from its start, calls loaded at its end, and follows it
// until something is wrong or ctx ends. What was known before is replaced when the
// end is reached, not earlier.
func (c *Control) follow(ctx context.Context, loaded func()) error {
	from, to, err := c.span(ctx)
	if err != nil {
		return err
	}
	c.making.Do(func() { close(c.made) })
	cl, err := c.reader(from)
	if err != nil {
		return err
	}
	defer cl.Close()
	next, err := c.load(ctx, cl, from, to, true)
	if err != nil {
		return err
	}
	c.mu.Lock()
	changed := next.differing(c.keys)
	c.keys, c.loaded = next, true
	c.wake(changed)
	c.mu.Unlock()
	loaded()
	for {
		records, err := poll(ctx, cl, controlSilence)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return errSilent
		}
		c.take(records)
	}
}

// Read reads the topic to its end, once, for who only wants to know what it says: it
// makes and writes nothing, and a topic that is not there says nothing. It is called
// instead of Run; what is written to it afterwards never ends.
func (c *Control) Read(ctx context.Context) error {
	defer c.producer.Close()
	admin, err := NewAdmin(c.config)
	if err != nil {
		return err
	}
	defer admin.Close()
	listed, err := admin.cl.ListTopics(ctx, c.topic)
	if err != nil {
		return c.config.unreachable(err)
	}
	next := newKeys()
	switch err := listed[c.topic].Err; {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
	case err != nil:
		return topicError(c.topic, "looking up", err)
	default:
		if next, err = c.readTo(ctx, admin); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys, c.loaded = next, true
	return nil
}

func (c *Control) readTo(ctx context.Context, admin *Admin) (*keys, error) {
	from, to, err := c.edges(ctx, admin)
	if err != nil {
		return nil, err
	}
	cl, err := c.reader(from)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return c.load(ctx, cl, from, to, false)
}

// reader returns a client that reads the topic from an offset on.
func (c *Control) reader(from int64) (*kgo.Client, error) {
	opts, err := c.config.options()
	if err != nil {
		return nil, err
	}
	start := map[string]map[int32]kgo.Offset{c.topic: {0: kgo.NewOffset().At(from)}}
	cl, err := kgo.NewClient(append(opts,
		kgo.ConsumePartitions(start), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, fmt.Errorf("kafka reader: %w", err)
	}
	return cl, nil
}

// span makes the topic if need be and returns its first offset and its end.
func (c *Control) span(ctx context.Context) (from, to int64, err error) {
	admin, err := NewAdmin(c.config)
	if err != nil {
		return 0, 0, err
	}
	defer admin.Close()
	if err := admin.EnsureTopics(ctx, controlTopic(c.topic)); err != nil {
		return 0, 0, err
	}
	return c.edges(ctx, admin)
}

// edges returns the first offset of the topic and its end.
func (c *Control) edges(ctx context.Context, admin *Admin) (from, to int64, err error) {
	if from, err = edge(ctx, admin.cl.ListStartOffsets, c.topic); err != nil {
		return 0, 0, err
	}
	to, err = edge(ctx, admin.cl.ListEndOffsets, c.topic)
	return from, to, err
}

// edge returns the first or the last offset of partition 0.
func edge(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error), topic string) (int64, error) {
	listed, err := list(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("offsets of topic %s: %w", topic, err)
	}
	at, ok := listed.Lookup(topic, 0)
	if !ok {
		return 0, fmt.Errorf("topic %s has no partition 0", topic)
	}
	return at.Offset, at.Err
}

// load reads from an offset to another. Where records at the end are missing it
// writes one, and is at the end when it comes; if it may not write, when nothing has
// come for a while.
func (c *Control) load(ctx context.Context, cl *kgo.Client, from, to int64, mayWrite bool) (*keys, error) {
	k := newKeys()
	k.next = from
	began := time.Now()
	barrier := ""
	for quiet := 0; k.next < to; quiet++ {
		records, err := poll(ctx, cl, holePatience)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			quiet = 0
			k.next = r.Offset + 1
			if r.Attrs.IsControl() {
				continue
			}
			heard := began
			if r.Timestamp.Before(began) {
				heard = r.Timestamp
			}
			k.take(string(r.Key), r.Value, r.Offset, heard)
			if barrier != "" && string(r.Key) == barrier {
				to = 0
			}
		}
		switch {
		case len(records) == 0 && !mayWrite:
			return k, nil
		case len(records) == 0 && barrier == "":
			barrier = "barrier/" + rand.Text()
			if _, err := c.produce(ctx, barrier, nil); err != nil {
				return nil, fmt.Errorf("looking for the end of topic %s: %w", c.topic, err)
			}
		case quiet > int(loadPatience/holePatience):
			return nil, fmt.Errorf("topic %s: nothing comes between offset %d and its end %d", c.topic, k.next, to)
		}
	}
	return k, nil
}

// poll returns the next records; none when nothing comes for so long.
func poll(ctx context.Context, cl *kgo.Client, patience time.Duration) ([]*kgo.Record, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fetched := cl.PollFetches(waiting)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, f := range fetched.Errors() {
		if !errors.Is(f.Err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("reading topic %s: %w", f.Topic, f.Err)
		}
	}
	return fetched.Records(), nil
}

// take notes records that were written since the topic was loaded.
func (c *Control) take(records []*kgo.Record) {
	now := time.Now()
	kinds := map[string]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		c.keys.next = r.Offset + 1
		if !r.Attrs.IsControl() {
			kinds[c.keys.take(string(r.Key), r.Value, r.Offset, now)] = true
		}
	}
	c.wake(kinds)
}
