package kafka

import (
	"context"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Sink writes records for workers, in the order of each worker: the processed
// topic and dead letters. It implements engine.RecordSink and is safe for
// concurrent use.
type Sink struct {
	cl  *kgo.Client
	max int
}

// NewSink makes a sink without connecting. Errors are *ConfigError.
func NewSink(config Config, opts ProducerOptions) (*Sink, error) {
	opts = opts.withDefaults()
	cl, err := newProducer(config, opts, kgo.BasicConsistentPartitioner(byInput))
	if err != nil {
		return nil, err
	}
	return &Sink{cl: cl, max: int(opts.RecordBytes)}, nil
}

// byInput keeps the records of an input partition together, so that a series
// stays in order as long as the topic keeps its number of partitions.
func byInput(string) func(*kgo.Record, int) int {
	return func(r *kgo.Record, n int) int { return int(r.Partition) % n }
}

// RecordLane implements engine.RecordSink. It never fails.
func (s *Sink) RecordLane(engine.Partition) (engine.RecordLane, error) {
	l := &lane{sink: s, idle: make(chan struct{}, 1)}
	l.promise = l.acked
	return l, nil
}

// Close fails what is not acknowledged and closes the connections.
func (s *Sink) Close() { s.cl.Close() }

// lane is one worker's way to Kafka.
type lane struct {
	sink    *Sink
	promise func(*kgo.Record, error)
	records arena

	pending atomic.Int64 // written and neither acknowledged nor failed
	idle    chan struct{}
	failed  atomic.Pointer[error] // the first final error since the lane was opened
}

// Write implements engine.RecordLane. It waits while the sink's buffer is full. A
// *TooLargeError concerns this record only; any other error is final for the lane.
func (l *lane) Write(ctx context.Context, out engine.Outgoing) error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	if n := bytesOf(out) + recordOverhead; n > l.sink.max {
		return &TooLargeError{Topic: out.Topic, Bytes: n, Max: l.sink.max}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r := l.records.take(len(out.Headers))
	r.Topic, r.Partition, r.Key, r.Value = out.Topic, out.Partition, out.Key, out.Value
	for i, h := range out.Headers {
		r.Headers[i] = kgo.RecordHeader{Key: h.Key, Value: h.Value}
	}
	l.pending.Add(1)
	l.sink.cl.Produce(ctx, r, l.promise)
	return nil
}

// acked is called by the client, for the records of a partition in order.
func (l *lane) acked(r *kgo.Record, err error) {
	if err != nil {
		l.fail(refused(r, err))
	}
	if l.pending.Add(-1) == 0 {
		wake(l.idle)
	}
}

// fail is apart from acked because taking the address of an error allocates it.
func (l *lane) fail(err error) { l.failed.CompareAndSwap(nil, &err) }

// Flush implements engine.RecordLane. When it returns nil, the bytes of what was
// written are the caller's again. After an error they may still be on their way
// and must not be used again; the lane is good for nothing but Close.
func (l *lane) Flush(ctx context.Context) error {
	for l.pending.Load() > 0 {
		select {
		case <-l.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := l.failed.Load(); err != nil {
		return *err
	}
	l.records.reset()
	return nil
}

// Close implements engine.RecordLane. What is not acknowledged may still arrive.
func (l *lane) Close() { l.records = arena{} }

func bytesOf(out engine.Outgoing) int {
	n := len(out.Key) + len(out.Value)
	for _, h := range out.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// arena gives out records that are all taken back at once.
type arena struct {
	chunks  [][]kgo.Record
	used    int
	headers []kgo.RecordHeader
}

const (
	arenaChunk = 256
	arenaKeep  = 16 // chunks kept over a reset: 4,096 records, under 1 MB
)

func (a *arena) take(headers int) *kgo.Record {
	c := a.used / arenaChunk
	if c == len(a.chunks) {
		a.chunks = append(a.chunks, make([]kgo.Record, arenaChunk))
	}
	r := &a.chunks[c][a.used%arenaChunk]
	a.used++
	*r = kgo.Record{}
	if headers > 0 {
		// Growing leaves what was given out where it is.
		if cap(a.headers)-len(a.headers) < headers {
			a.headers = make([]kgo.RecordHeader, 0, max(2*cap(a.headers), arenaChunk, headers))
		}
		from := len(a.headers)
		a.headers = a.headers[:from+headers]
		r.Headers = a.headers[from : from+headers : from+headers]
	}
	return r
}

func (a *arena) reset() {
	a.chunks = a.chunks[:min(len(a.chunks), arenaKeep)]
	for _, c := range a.chunks {
		clear(c) // lets go of the bytes written
	}
	clear(a.headers)
	a.headers, a.used = a.headers[:0], 0
}
