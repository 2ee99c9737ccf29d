package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// MaxControlValue is the most bytes that a key and its value on a control topic may
// have. It is the limit of 8 MiB that managed clusters set to max.message.bytes,
// less what a batch adds.
const MaxControlValue = controlBatch - recordOverhead

const (
	controlBatch = 8 << 20

	// loadPatience is how long those that start after it wait for the topic: an
	// instance must come up also where it cannot be read.
	loadPatience = 10 * time.Second

	// holePatience is how long nothing may come while the topic is read to its end,
	// before a record of our own is looked for instead: compaction removes records at
	// the end as well, and then the last offset never comes.
	holePatience = 2 * time.Second

	// controlSilence is how long nothing may come afterwards. Compaction forgets a
	// deletion after delete.retention.ms (24 h), so who was away for long reads anew.
	controlSilence = time.Hour

	// Between two tries.
	controlRetry    = 500 * time.Millisecond
	controlRetryMax = 5 * time.Second
)

// controlTopic is how a control topic is made. Segments are closed every hour so
// that compaction, which leaves the open one alone, keeps it short.
func controlTopic(name string) Topic {
	return Topic{Name: name, Partitions: 1, Config: map[string]string{
		"cleanup.policy":    "compact",
		"max.message.bytes": strconv.Itoa(controlBatch),
		"segment.ms":        strconv.FormatInt(time.Hour.Milliseconds(), 10),
	}}
}

// Control is a compacted topic of one partition, held in memory: control.Log. It
// makes the topic if it is missing; one that exists is taken as it is.
type Control struct {
	config Config
	topic  string
	log    *slog.Logger

	producer *kgo.Client
	made     chan struct{} // closed when the topic exists
	making   sync.Once

	mu      sync.Mutex
	keys    *keys
	loaded  bool
	moved   chan struct{}            // closed when more was read
	changed map[string]chan struct{} // by kind; closed at its next change
	err     error                    // why it is not read at present
}

var _ control.Log = (*Control)(nil)

// NewControl returns the reader and writer of a control topic. It connects only in
// Run. Errors are *ConfigError.
func NewControl(config Config, topic string) (*Control, error) {
	opts := ProducerOptions{RecordBytes: controlBatch, Compression: CompressZstd}
	producer, err := newProducer(config, opts.withDefaults(), kgo.ManualPartitioner())
	if err != nil {
		return nil, err
	}
	return &Control{
		config: config, topic: topic, log: config.logger(), producer: producer, made: make(chan struct{}),
		keys: newKeys(), moved: make(chan struct{}), changed: map[string]chan struct{}{},
	}, nil
}

// Run reads the topic until ctx ends, which is no error, and closes the
// connections then. It is ready when the topic was read to its end, or after 10
// seconds without that: a broker that is away or rights that lack are logged once
// and tried again for ever.
func (c *Control) Run(ctx context.Context, ready func()) error {
	defer c.producer.Close()
	late := time.AfterFunc(loadPatience, ready)
	defer late.Stop()
	for pause := controlRetry; ; pause = min(2*pause, controlRetryMax) {
		err := c.follow(ctx, func() {
			pause = controlRetry
			c.recovered()
			ready()
		})
		if ctx.Err() != nil {
			return nil
		}
		c.failed(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// failed notes why the topic is not read, and says it when it was read before.
func (c *Control) failed(err error) {
	c.mu.Lock()
	first := c.err == nil
	c.err = err
	c.mu.Unlock()
	switch {
	case errors.Is(err, errSilent):
		c.log.Debug("the control topic is read anew", "topic", c.topic, "why", err)
	case first:
		c.log.Warn("the control topic cannot be read; this instance goes on with what it knows", "topic", c.topic, "error", err)
	}
}

func (c *Control) recovered() {
	c.mu.Lock()
	was := c.err
	c.err = nil
	c.mu.Unlock()
	if was != nil && !errors.Is(was, errSilent) {
		c.log.Info("the control topic is read again", "topic", c.topic)
	}
}

// Err returns why the topic is not read at present, nil when it is.
func (c *Control) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Loaded implements control.Log.
func (c *Control) Loaded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded
}

// Put implements control.Log. A *TooLargeError says that the value does not fit,
// into any topic or into this one.
func (c *Control) Put(ctx context.Context, key string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	return c.write(ctx, key, value)
}

// Delete implements control.Log.
func (c *Control) Delete(ctx context.Context, key string) error { return c.write(ctx, key, nil) }

func (c *Control) write(ctx context.Context, key string, value []byte) error {
	if n := len(key) + len(value); n > MaxControlValue {
		return &TooLargeError{Topic: c.topic, Bytes: n, Max: MaxControlValue}
	}
	select {
	case <-c.made:
	case <-ctx.Done():
		return c.late(ctx, "topic %s is not there", c.topic)
	}
	offset, err := c.produce(ctx, key, value)
	if err != nil {
		return err
	}
	for {
		c.mu.Lock()
		seen, moved := c.loaded && c.keys.next > offset, c.moved
		c.mu.Unlock()
		if seen {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return c.late(ctx, "%s is written to topic %s and cannot be read back", key, c.topic)
		}
	}
}

// produce returns the offset that the record has got. When ctx ends before that is
// known the record may still be written: the client never drops one that is on its
// way, because then it could not tell a repetition.
func (c *Control) produce(ctx context.Context, key string, value []byte) (int64, error) {
	type outcome struct {
		offset int64
		err    error
	}
	done := make(chan outcome, 1)
	c.producer.Produce(ctx, &kgo.Record{Topic: c.topic, Key: []byte(key), Value: value}, func(r *kgo.Record, err error) {
		if err != nil && ctx.Err() == nil {
			err = refused(r, err)
		}
		done <- outcome{r.Offset, err}
	})
	select {
	case out := <-done:
		if out.err != nil && ctx.Err() != nil {
			return 0, c.late(ctx, "topic %s was not written", c.topic)
		}
		return out.offset, out.err
	case <-ctx.Done():
		return 0, c.late(ctx, "topic %s does not answer whether it took %s", c.topic, key)
	}
}

// late is the error of what ctx ended, with what stands in the way.
func (c *Control) late(ctx context.Context, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if why := c.Err(); why != nil {
		return fmt.Errorf("%s: %w (%w)", what, why, ctx.Err())
	}
	return fmt.Errorf("%s: %w", what, ctx.Err())
}

// Get implements control.Log.
func (c *Control) Get(key string) (control.Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys.get(key)
}

// List implements control.Log.
func (c *Control) List(prefix string) []control.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys.list(prefix)
}

// Changed implements control.Log.
func (c *Control) Changed(kind string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.changed[kind]
	if ch == nil {
		ch = make(chan struct{})
		c.changed[kind] = ch
	}
	return ch
}

// wake closes the channels of kinds that have changed, and tells writers that more
// was read. c.mu is held.
func (c *Control) wake(kinds map[string]bool) {
	for kind := range kinds {
		if ch := c.changed[kind]; ch != nil {
			close(ch)
			delete(c.changed, kind)
		}
	}
	close(c.moved)
	c.moved = make(chan struct{})
}
