package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is one broker on a virtual network, in a synctest bubble.
type bench struct {
	t      *testing.T
	broker *Embedded
	pub    *Publisher
	admin  *Admin
	sent   map[string]int // by topic: values are the numbers from 0
}

const testTopic = "native"

func newBench(t *testing.T, partitions int32) *bench {
	t.Helper()
	return newBenchWith(t, partitions, EmbeddedOptions{})
}

func newBenchWith(t *testing.T, partitions int32, opts EmbeddedOptions) *bench {
	t.Helper()
	opts.Virtual, opts.Topics = true, []Topic{{Name: testTopic, Partitions: partitions}}
	broker, err := OpenEmbedded(opts)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := NewAdmin(broker.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin.Close()
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t: t, broker: broker, admin: admin, sent: map[string]int{}}
	b.publisher()
	return b
}

// publisher makes a new one: an old one does not take up a topic made again.
func (b *bench) publisher() {
	b.t.Helper()
	pub, err := NewPublisher(b.broker.Config(), ProducerOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(pub.Close)
	b.pub = pub
}

// send publishes n numbered records over 16 keys and waits for their
// acknowledgement.
func (b *bench) send(topic string, n int) {
	b.t.Helper()
	for range n {
		i := b.sent[topic]
		b.sent[topic]++
		if err := b.pub.Publish(b.t.Context(), topic, fmt.Appendf(nil, "task-%d", i%16), strconv.AppendInt(nil, int64(i), 10)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := b.pub.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// member is one consumer that runs.
type member struct {
	src    *Source
	cancel context.CancelFunc
	done   chan error
}

func (b *bench) join(config Config, opts SourceOptions, open Open) *member {
	b.t.Helper()
	if opts.Group == "" {
		opts.Group = "hop1"
	}
	if opts.Topics == nil {
		opts.Topics = []string{testTopic}
	}
	src, err := NewSource(config, opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.run(src, open)
}

func (b *bench) run(src *Source, open Open) *member {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	m := &member{src: src, cancel: cancel, done: make(chan error, 1)}
	go func() {
		defer close(m.done)
		if err := src.Run(ctx, open); err != nil {
			m.done <- err
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		for range m.done {
		}
	})
	return m
}

// leave stops a member and waits until it has gone.
func (m *member) leave(t *testing.T) {
	t.Helper()
	m.cancel()
	if err := <-m.done; err != nil {
		t.Error("Run:", err)
	}
}

// sink collects what workers acknowledge. It is shared by all of them.
type sink struct {
	mu      sync.Mutex
	flushed map[string][]int64 // topic/partition: offsets in the order acknowledged
	values  map[string]int     // value: how often acknowledged
	opened  map[string]int
	closed  map[string]int
	counts  map[string]int32 // topic/partition: the number of partitions told

	process func(engine.Partition, []engine.Message) error // may fail or block
	flush   func(context.Context, engine.Partition) error
}

func newSink() *sink {
	return &sink{flushed: map[string][]int64{}, values: map[string]int{}, opened: map[string]int{}, closed: map[string]int{}, counts: map[string]int32{}}
}

// stuck makes every flush wait until the channel is closed.
func (s *sink) stuck() (up chan struct{}) {
	up = make(chan struct{})
	s.flush = func(ctx context.Context, _ engine.Partition) error {
		select {
		case <-up:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return up
}

func name(p engine.Partition) string { return fmt.Sprintf("%s/%d", p.Topic, p.ID) }

func (s *sink) open(p engine.Partition) (Worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened[name(p)]++
	s.counts[name(p)] = p.Count
	return &worker{sink: s, p: p, acked: -1}, nil
}

// total is the number of different values acknowledged.
func (s *sink) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values)
}

// read counts the records of all topics, each as often as it was acknowledged.
func (s *sink) read() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, offsets := range s.flushed {
		n += len(offsets)
	}
	return n
}

func (s *sink) closes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, v := range s.closed {
		n += v
	}
	return n
}

func (s *sink) openWorkers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for k, v := range s.opened {
		n += v - s.closed[k]
	}
	return n
}

// worker is a Worker that gives its sink what it flushed.
type worker struct {
	sink    *sink
	p       engine.Partition
	offsets []int64
	values  []string
	acked   int64
}

func (w *worker) Process(_ context.Context, msgs []engine.Message) error {
	if f := w.sink.process; f != nil {
		if err := f(w.p, msgs); err != nil {
			return err
		}
	}
	for _, m := range msgs {
		w.offsets = append(w.offsets, m.Offset)
		w.values = append(w.values, string(m.Value))
	}
	return nil
}

func (w *worker) Flush(ctx context.Context) error {
	if f := w.sink.flush; f != nil {
		if err := f(ctx, w.p); err != nil {
			return err
		}
	}
	if len(w.offsets) == 0 {
		return nil
	}
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	w.sink.flushed[name(w.p)] = append(w.sink.flushed[name(w.p)], w.offsets...)
	for _, v := range w.values {
		w.sink.values[v]++
	}
	w.acked = w.offsets[len(w.offsets)-1] + 1
	w.offsets, w.values = w.offsets[:0], w.values[:0]
	return nil
}

func (w *worker) Acked() int64 { return w.acked }
func (w *worker) Pending() int { return len(w.offsets) }

func (w *worker) Drain(ctx context.Context) error { return w.Flush(ctx) }

func (w *worker) Close() {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	w.sink.closed[name(w.p)]++
}

// until lets time pass, virtual time in a bubble, until ok, for at most limit, and
// returns how long it took.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// committed returns the sum of what a group has committed.
func (b *bench) committed(group string) (sum int64) {
	b.t.Helper()
	for _, at := range b.places(group) {
		sum += at
	}
	return sum
}

// places returns what a group has committed, by topic/partition.
func (b *bench) places(group string) map[string]int64 {
	b.t.Helper()
	offsets, err := b.admin.cl.FetchOffsets(b.t.Context(), group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // its first member has not asked to join yet
		b.t.Fatal(err)
	}
	at := map[string]int64{}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.At >= 0 {
			at[fmt.Sprintf("%s/%d", o.Topic, o.Partition)] = o.At
		}
	})
	return at
}

// failJoins has the broker refuse every member.
func (b *bench) failJoins(err *kerr.Error) *kfake.FaultHandle {
	return b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: err, TopLevel: true, Count: -1})
}

// failCommits has the broker refuse every commit.
func (b *bench) failCommits(err *kerr.Error) *kfake.FaultHandle {
	return b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: err, Count: -1})
}
