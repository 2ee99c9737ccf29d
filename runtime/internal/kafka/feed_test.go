package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// idle is a worker that does nothing.
type idle struct{ at int64 }

func (w *idle) Process(_ context.Context, msgs []engine.Message) error {
	w.at = msgs[len(msgs)-1].Offset + 1
	return nil
}
func (w *idle) Flush(context.Context) error     { return nil }
func (w *idle) Acked() int64                    { return w.at }
func (w *idle) Drain(ctx context.Context) error { return w.Flush(ctx) }
func (w *idle) Pending() int                    { return 0 }
func (w *idle) Close()                          {}

// offline is a partition whose client is not connected.
func offline(t *testing.T, opts SourceOptions) *partition {
	t.Helper()
	opts.Group, opts.Topics = "g", []string{"t"}
	src, err := NewSource(Config{Brokers: []string{"127.0.0.1:1"}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if src.cl, err = kgo.NewClient(src.client...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(src.cl.Close)
	src.ctx = t.Context()
	p := newPartition(src, engine.Partition{Topic: "t"})
	t.Cleanup(p.cancel)
	src.parts[topicPartition{"t", 0}] = p
	return p
}

func TestFeedDoesNotAllocatePerRecord(t *testing.T) {
	p := offline(t, SourceOptions{FlushEvery: time.Hour})
	f := feed{p: p, w: &idle{}, timer: time.NewTimer(time.Hour)}
	defer f.timer.Stop()
	records := make([]*kgo.Record, 5000)
	for i := range records {
		records[i] = &kgo.Record{Offset: int64(i), Value: []byte("x"), Timestamp: time.Unix(1, 0)}
	}
	allocs := testing.AllocsPerRun(20, func() {
		p.queue.push(batch{records: records, bytes: size(records)})
		b, _ := p.queue.pop()
		if err := f.process(b.records); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 10 { // what else runs in the process may allocate, too
		t.Errorf("%v allocations for %d records", allocs, len(records))
	}
}

func TestPartitionThatFailedTakesNothingUntilItIsRewound(t *testing.T) {
	p := offline(t, SourceOptions{})
	p.begin(kgo.EpochOffset{Offset: 7, Epoch: 0})
	p.queue.push(batch{bytes: 1})
	p.failed(errors.New("broken"), time.Hour)
	p.queue.push(batch{bytes: 1})
	if _, ok := p.queue.pop(); ok {
		t.Error("a batch is left from before the rewind")
	}
	if paused := p.src.cl.PauseFetchPartitions(nil); len(paused["t"]) != 1 {
		t.Errorf("paused %v", paused)
	}
	p.rewind()
	p.queue.push(batch{bytes: 1})
	if _, ok := p.queue.pop(); !ok {
		t.Error("nothing is taken after the rewind")
	}
	if paused := p.src.cl.PauseFetchPartitions(nil); len(paused) != 0 {
		t.Errorf("still paused: %v", paused)
	}
}

func TestPartitionGivenUpHasNoSay(t *testing.T) {
	p := offline(t, SourceOptions{})
	p.begin(kgo.EpochOffset{Offset: 7, Epoch: 0})
	p.processed(20, 0)
	p.ack(10)
	p.hold(holdFull)
	if at, ok := p.release(); !ok || at != (kgo.EpochOffset{Offset: 10, Epoch: 0}) {
		t.Errorf("released at %v, %v", at, ok)
	}
	p.ack(20)
	p.hold(holdFault)
	p.rewind()
	if marked := p.src.cl.MarkedOffsets()["t"][0]; marked.Offset != 10 {
		t.Errorf("marked %v after it was given up", marked)
	}
	if paused := p.src.cl.PauseFetchPartitions(nil); len(paused) != 0 {
		t.Errorf("still paused: %v", paused)
	}
}

func TestFeedOpensANewWorkerWhenTheLogWentBack(t *testing.T) {
	seen := gaps{}
	p := offline(t, SourceOptions{OnGap: seen.add})
	p.begin(kgo.EpochOffset{Offset: 100, Epoch: 3})
	w := &idle{}
	f := feed{p: p, w: w, timer: time.NewTimer(time.Hour)}
	defer f.timer.Stop()
	p.queue.push(batch{records: []*kgo.Record{{Offset: 100, LeaderEpoch: 3}, {Offset: 101, LeaderEpoch: 3}}})
	if err := f.take(); err != nil {
		t.Fatal(err)
	}
	p.queue.push(batch{records: []*kgo.Record{{Offset: 90, LeaderEpoch: 4}}})
	p.queue.push(batch{records: []*kgo.Record{{Offset: 91, LeaderEpoch: 4}}})
	if err := f.take(); !errors.Is(err, errReopen) {
		t.Fatalf("error %v", err)
	}
	if got := seen.ranges(); len(got) != 1 || got[0] != [2]int64{90, 102} {
		t.Errorf("gaps %v", got)
	}
	if _, ok := p.queue.pop(); ok {
		t.Error("a batch is left from before the rewind")
	}
	p.src.runTasks()
	if st := p.status(""); st.Next != 90 || st.Acked != 90 {
		t.Errorf("goes on at %d, acknowledged %d", st.Next, st.Acked)
	}
}

func TestQueueCountsBytesAndForgetsWhenShut(t *testing.T) {
	q := newQueue()
	for i := range 5 {
		if got := q.push(batch{bytes: 10, records: []*kgo.Record{{Offset: int64(i)}}}); got != int64(10*(i+1)) {
			t.Fatalf("push %d: %d bytes", i, got)
		}
	}
	for i := range 2 {
		if b, ok := q.pop(); !ok || b.records[0].Offset != int64(i) {
			t.Fatalf("pop %d: %+v, %v", i, b, ok)
		}
	}
	if q.size() != 30 {
		t.Errorf("%d bytes, want 30", q.size())
	}
	q.drop(true)
	q.push(batch{bytes: 10})
	if _, ok := q.pop(); ok || q.size() != 0 {
		t.Error("a shut queue took a batch")
	}
	q.drop(false)
	q.push(batch{bytes: 10})
	if _, ok := q.pop(); !ok {
		t.Error("an open queue took none")
	}
	if _, ok := q.pop(); ok {
		t.Error("an empty queue gave one")
	}
}

func TestRatioShrinksAndGrowsFetches(t *testing.T) {
	var r ratio
	for _, tt := range []struct {
		fetched, inflated int
		want              float64
		changed           bool
	}{
		{50, 500, 0, false},    // not enough seen
		{50, 500, 10, true},    // with the ones before
		{100, 1100, 10, false}, // about the same
		{100, 300, 3, true},
		{100, 100, 1, true},
		{100, 90, 1, false}, // not compressed at all
	} {
		r.OnFetchBatchRead(kgo.BrokerMetadata{}, "t", 0, kgo.FetchBatchMetrics{CompressedBytes: tt.fetched, UncompressedBytes: tt.inflated})
		if got, changed := r.next(100); got != tt.want || changed != tt.changed {
			t.Errorf("%d bytes from %d: ratio %v, changed %v; want %v, %v", tt.inflated, tt.fetched, got, changed, tt.want, tt.changed)
		}
	}
}
