package engine

import (
	"context"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Partition names one partition of one topic, and how many the topic has.
type Partition struct {
	Topic string
	ID    int32
	Count int32
}

// Message is one Kafka record. Its bytes belong to the source and are valid
// until the call they are handed to returns.
type Message struct {
	Key, Value []byte
	Offset     int64
	Timestamp  int64 // of the broker or producer, Unix milliseconds

	// Replays is the header that counts how often the record was sent again after
	// it could not be read; nil: never.
	Replays []byte
}

// ReplaysHeader is the name of that header, on records and on dead letters.
const ReplaysHeader = "sluice-replays"

// Series is a Prometheus series as it leaves Sluice: labels are final, the name
// is not among them.
type Series struct {
	Name   string
	Labels metric.Labels
	Type   Type
	To     []string // sinks that a route named; nil: the default ones. Set in direct mode only.
}

// Type is the Prometheus type of a series.
type Type uint8

// The types a Flink metric turns into. The quantiles and the count of a
// histogram belong to one Summary; everything else about it is a Gauge.
const (
	TypeGauge Type = iota
	TypeCounter
	TypeSummary
	TypeInfo
)

// Ref is a lane's own number for a series it has bound.
type Ref uint32

// Sample is one value of a bound series. Time is Unix milliseconds. A Value with
// the bits of Stale ends the series at that time.
type Sample struct {
	Ref    Ref
	Counts bool // the first of those that one point of a record became
	Time   int64
	Value  float64
}

// A SampleSink takes series that are final. It opens one lane per worker, so
// that the samples of a series arrive in order and without locks.
type SampleSink interface {
	// Lane is called once per worker; an error refuses the partition.
	Lane(Partition) (Lane, error)
}

// A Lane is one worker's way into a sink. It is used from one goroutine.
type Lane interface {
	// Bind gives a series a Ref. It is called once per series of the worker's
	// cache, not per sample; the lane may keep s and its labels, which never
	// change. The same series may be bound more than once.
	Bind(s Series) Ref

	// Release says that a Ref will not be used again; the lane may reuse it.
	Release(Ref)

	// Write takes samples in order. It must not keep the slice. It may block for
	// as long as the sink is slow; an error is final and stops the worker at its
	// last acknowledged offset.
	Write(ctx context.Context, samples []Sample) error

	// Flush returns when everything written is acknowledged. Transient faults are
	// retried inside, until ctx ends; an error is final.
	Flush(ctx context.Context) error

	// Close lets go of everything, without flushing.
	Close()
}

// A Refuser is a Lane whose receiver may refuse samples for good.
type Refuser interface {
	// Refused reports what was refused, or given up, since the last call: samples
	// that count. "" for the sink is the lane's own. It is called after each Flush.
	Refused(report func(sink, reason string, samples int))
}

// Outgoing is a Kafka record to be written. Value stays valid and unchanged
// until Flush of the lane it is written to returns.
type Outgoing struct {
	Topic      string
	Partition  int32 // of the input; the sink maps it onto the topic's own count
	Key, Value []byte
	Headers    []Header
}

// Header is a Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// A RecordSink writes Kafka records: the processed topic and dead letters.
type RecordSink interface {
	// RecordLane is called once per worker.
	RecordLane(Partition) (RecordLane, error)
}

// A RecordLane is one worker's way to Kafka. It is used from one goroutine.
type RecordLane interface {
	// Write takes a record without waiting for its acknowledgement.
	Write(ctx context.Context, r Outgoing) error

	// Flush returns when every record written is acknowledged by the broker.
	Flush(ctx context.Context) error

	// Close lets go of everything, without flushing.
	Close()
}
