package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

const benchRecords = 200_000

// benchValue looks like a metric record: long, mostly the same.
func benchValue(i int) []byte {
	return fmt.Appendf(nil, `{"torrent_task_id":"job-%d","metric":"numRecordsIn","scope":"operator","type":"counter",`+
		`"labels":{"host":"host-%02d","tm_id":"%032x","job_id":"%032x","operator_name":"Source: orders[1] -> Calc[2] -> Sink: sink[4]"},`+
		`"report_timestamp":%d,"points":[{"s":%d,"v":%d}]}`,
		i%2000, i%50, i%300, i%2000, 1_790_000_000_000+i, i%16, i*7919)
}

func benchBroker(b *testing.B) *Embedded {
	b.Helper()
	e, err := OpenEmbedded(EmbeddedOptions{Topics: []Topic{{Name: testTopic, Partitions: 8}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return e
}

// counter is a worker that only counts.
type counter struct {
	idle
	enough *atomic.Int64
	done   context.CancelFunc
}

func (w *counter) Process(ctx context.Context, msgs []engine.Message) error {
	if w.enough.Add(-int64(len(msgs))) <= 0 {
		w.done()
	}
	return w.idle.Process(ctx, msgs)
}

// BenchmarkConsume reads a topic with a new group: raw is the client and nothing
// else. The broker is in the same process, so compare the two, not their sums.
func BenchmarkConsume(b *testing.B) {
	for _, codec := range []string{CompressNone, CompressSnappy} {
		e := benchBroker(b)
		pub, err := NewPublisher(e.Config(), ProducerOptions{Compression: codec})
		if err != nil {
			b.Fatal(err)
		}
		for i := range benchRecords {
			if err := pub.Publish(b.Context(), testTopic, fmt.Appendf(nil, "job-%d", i%2000), benchValue(i)); err != nil {
				b.Fatal(err)
			}
		}
		if err := pub.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		pub.Close()
		b.Run(codec+"/raw", func(b *testing.B) { perRecord(b, func(i int) { consumeRaw(b, e, fmt.Sprintf("raw-%d-%d", b.N, i)) }) })
		b.Run(codec+"/source", func(b *testing.B) {
			perRecord(b, func(i int) { consumeSource(b, e, fmt.Sprintf("source-%d-%d", b.N, i)) })
		})
	}
}

func perRecord(b *testing.B, round func(int)) {
	b.ReportAllocs()
	for i := range b.N {
		round(i)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRecords, "ns/record")
}

func consumeRaw(b *testing.B, e *Embedded, group string) {
	opts, err := e.Config().options()
	if err != nil {
		b.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.ConsumerGroup(group), kgo.ConsumeTopics(testTopic),
		kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20))...)
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	for seen := 0; seen < benchRecords; {
		seen += cl.PollFetches(b.Context()).NumRecords()
	}
}

func consumeSource(b *testing.B, e *Embedded, group string) {
	src, err := NewSource(e.Config(), SourceOptions{Group: group, Topics: []string{testTopic}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var left atomic.Int64
	left.Store(benchRecords)
	if err := src.Run(ctx, func(engine.Partition) (Worker, error) { return &counter{enough: &left, done: cancel}, nil }); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWrite writes records of about 400 bytes through one lane per codec.
func BenchmarkWrite(b *testing.B) {
	for _, codec := range []string{CompressNone, CompressSnappy, CompressLZ4, CompressZstd} {
		b.Run(codec, func(b *testing.B) {
			e := benchBroker(b)
			s, err := NewSink(e.Config(), ProducerOptions{Compression: codec})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			l, err := s.RecordLane(engine.Partition{})
			if err != nil {
				b.Fatal(err)
			}
			values := make([][]byte, 2000)
			for i := range values {
				values[i] = benchValue(i)
			}
			b.ReportAllocs()
			for i := range b.N {
				if err := l.Write(b.Context(), engine.Outgoing{Topic: testTopic, Partition: 3, Value: values[i%len(values)]}); err != nil {
					b.Fatal(err)
				}
				if i%4000 == 3999 || i == b.N-1 {
					if err := l.Flush(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
