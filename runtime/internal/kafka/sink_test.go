package kafka

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

func (b *bench) sinkLane(opts ProducerOptions) engine.RecordLane {
	b.t.Helper()
	s, err := NewSink(b.broker.Config(), opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(s.Close)
	l, err := s.RecordLane(engine.Partition{Topic: "in", ID: 5, Count: 8})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(l.Close)
	return l
}

// read returns the first n records of the test topic, by partition.
func (b *bench) read(n int) map[int32][]*kgo.Record {
	b.t.Helper()
	opts, err := b.broker.Config().options()
	if err != nil {
		b.t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(testTopic))...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	got := map[int32][]*kgo.Record{}
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	for seen := 0; seen < n; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			b.t.Fatalf("after %d of %d records: %v", seen, n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			got[r.Partition] = append(got[r.Partition], r)
		})
	}
	return got
}

func write(t *testing.T, l engine.RecordLane, partition int32, value string) {
	t.Helper()
	err := l.Write(t.Context(), engine.Outgoing{
		Topic: testTopic, Partition: partition, Key: []byte("k" + value), Value: []byte(value),
		Headers: []engine.Header{{Key: "rev", Value: []byte("r" + value)}, {Key: "src", Value: nil}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSinkKeepsTheOrderOfAnInputPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		l := b.sinkLane(ProducerOptions{})
		const n = 9000
		for i := range n {
			write(t, l, int32(i%8), fmt.Sprint(i))
			if i%3000 == 2999 {
				if err := l.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for p, records := range b.read(n) {
			last := [8]int{}
			for _, r := range records {
				var i int
				if _, err := fmt.Sscan(string(r.Value), &i); err != nil {
					t.Fatal(err)
				}
				input := i % 8
				if int32(input%4) != p || i < last[input] {
					t.Fatalf("partition %d: record %d of input partition %d after %d", p, i, input, last[input])
				}
				last[input] = i
				want := []kgo.RecordHeader{{Key: "rev", Value: []byte("r" + string(r.Value))}, {Key: "src"}}
				if diff := cmp.Diff(want, r.Headers); diff != "" || string(r.Key) != "k"+string(r.Value) {
					t.Fatalf("record %d: key %s, headers (-want +got):\n%s", i, r.Key, diff)
				}
			}
		}
	})
}

func TestSinkRefusesOnlyTheRecordThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		l := b.sinkLane(ProducerOptions{RecordBytes: 10_000})
		write(t, l, 0, "before")
		err := l.Write(t.Context(), engine.Outgoing{Topic: testTopic, Value: make([]byte, 10_000)})
		var large *TooLargeError
		if !errors.As(err, &large) || !large.TooLarge() || large.Max != 10_000 {
			t.Fatalf("error %v", err)
		}
		write(t, l, 0, "after")
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.read(2)[0]; string(got[0].Value) != "before" || string(got[1].Value) != "after" {
			t.Errorf("got %s, %s", got[0].Value, got[1].Value)
		}
	})
}

func TestSinkReportsFinalErrors(t *testing.T) {
	for _, fault := range []*kerr.Error{kerr.MessageTooLarge, kerr.TopicAuthorizationFailed, kerr.InvalidRecord} {
		t.Run(fault.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: fault})
				l := b.sinkLane(ProducerOptions{})
				write(t, l, 0, "a")
				err := l.Flush(t.Context())
				var large *TooLargeError
				if !errors.Is(err, fault) || errors.As(err, &large) != (fault == kerr.MessageTooLarge) {
					t.Fatalf("Flush: %v", err)
				}
				if err := l.Write(t.Context(), engine.Outgoing{Topic: testTopic}); !errors.Is(err, fault) {
					t.Errorf("Write after the error: %v", err)
				}
			})
		})
	}
}

func TestSinkRetriesWhatMayPass(t *testing.T) {
	for _, fault := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut} {
		t.Run(fault.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: fault, Count: 30})
				l := b.sinkLane(ProducerOptions{})
				for i := range 10 {
					write(t, l, 0, fmt.Sprint(i))
				}
				if err := l.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				write(t, l, 0, "end")
				if err := l.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, r := range b.read(11)[0] {
					got = append(got, string(r.Value))
				}
				if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "end"}, got); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestSinkFlushEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		fault := b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
		defer fault.Remove()
		l := b.sinkLane(ProducerOptions{BufferBytes: 1, RecordBytes: 1000})
		if err := l.Write(t.Context(), engine.Outgoing{Topic: testTopic, Value: make([]byte, 800)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush: %v", err)
		}
		// The buffer is full, so Write waits, and then knows why it ended.
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_ = l.Write(ctx, engine.Outgoing{Topic: testTopic, Value: make([]byte, 800)})
		if took := time.Since(began); took < time.Minute {
			t.Errorf("Write did not wait for room: %v", took)
		}
		if err := l.Write(ctx, engine.Outgoing{Topic: testTopic}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
	})
}

func TestSinkReportsATopicThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		l := b.sinkLane(ProducerOptions{})
		if err := l.Write(t.Context(), engine.Outgoing{Topic: "nowhere", Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		if err := l.Flush(t.Context()); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("Flush: %v", err)
		}
	})
}

func TestProducerOptionsSayWhatIsWrong(t *testing.T) {
	_, err := NewSink(Config{Brokers: []string{"127.0.0.1:1"}}, ProducerOptions{Compression: "rar"})
	wantField(t, err, "compression")
	_, err = NewSink(Config{}, ProducerOptions{})
	wantField(t, err, "brokers")
	_, err = NewPublisher(Config{}, ProducerOptions{})
	wantField(t, err, "brokers")
	_, err = NewAdmin(Config{})
	wantField(t, err, "brokers")
}

func TestSinkWritesWithoutAllocating(t *testing.T) {
	l := &lane{sink: &Sink{max: 1000}, idle: make(chan struct{}, 1)}
	r := &kgo.Record{}
	allocs := testing.AllocsPerRun(100, func() {
		for range 300 {
			l.records.take(2)
			l.pending.Add(1)
			l.acked(r, nil)
		}
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for 300 records", allocs)
	}
}
