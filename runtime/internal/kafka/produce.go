package kafka

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Compression of written batches.
const (
	CompressNone   = "none"
	CompressSnappy = "snappy"
	CompressLZ4    = "lz4"
	CompressZstd   = "zstd"
)

// ProducerOptions describe what writes. The zero value is usable.
type ProducerOptions struct {
	Compression string        // "" means snappy, the cheapest to write and to read
	BufferBytes int           // written and not acknowledged; a writer waits at this; 0 means 32 MiB
	RecordBytes int32         // most of one record, and of one batch before compression; 0 means 1,000,012, Kafka's own default
	Linger      time.Duration // wait for more records of a partition; 0 means 5 ms
}

func (o ProducerOptions) withDefaults() ProducerOptions {
	if o.Compression == "" {
		o.Compression = CompressSnappy
	}
	if o.BufferBytes <= 0 {
		o.BufferBytes = 32 << 20
	}
	if o.RecordBytes <= 0 {
		o.RecordBytes = 1_000_012
	}
	if o.Linger <= 0 {
		o.Linger = 5 * time.Millisecond
	}
	return o
}

func (o ProducerOptions) codec() (kgo.CompressionCodec, error) {
	switch o.Compression {
	case CompressNone:
		return kgo.NoCompression(), nil
	case CompressSnappy:
		return kgo.SnappyCompression(), nil
	case CompressLZ4:
		return kgo.Lz4Compression(), nil
	case CompressZstd:
		return kgo.ZstdCompression(), nil
	}
	return kgo.CompressionCodec{}, wrong("compression", "%q is not one of %s, %s, %s, %s",
		o.Compression, CompressSnappy, CompressLZ4, CompressZstd, CompressNone)
}

// newProducer makes a client that writes idempotently, with the acknowledgement
// of every replica, and retries for as long as that makes sense: also a connection
// that ends at its first request, which is a broker that stops just then, or one
// that wants another protocol. The second is for an Admin to find out, who is asked
// first. o has its defaults. Errors are *ConfigError.
func newProducer(config Config, o ProducerOptions, partitioner kgo.Partitioner) (*kgo.Client, error) {
	opts, err := config.options()
	codec, codecErr := o.codec()
	if err := errors.Join(err, codecErr); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec, kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(o.RecordBytes),
		kgo.MaxBufferedBytes(max(o.BufferBytes, int(o.RecordBytes))),
		kgo.ProducerLinger(o.Linger),
		kgo.RecordPartitioner(partitioner),
		kgo.AlwaysRetryEOF(),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	return cl, nil
}

// recordOverhead is more than a batch of one record adds to its keys and values.
const recordOverhead = 128

// TooLargeError says that a record was not written because no batch may hold it.
// From Write and Publish it concerns that record only: what was written before and
// is written after is not affected. From Flush it says that the broker's limit for
// the topic is below RecordBytes; it has then refused a whole batch, of which this
// is the first record.
type TooLargeError struct {
	Topic string
	Bytes int   // of the record
	Max   int   // RecordBytes; 0 when the broker refused it
	Err   error // of the broker
}

func (e *TooLargeError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("topic %s takes smaller batches than are written to it (max.message.bytes): %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("record of %d bytes for topic %s: at most %d can be written", e.Bytes, e.Topic, e.Max)
}

// Unwrap returns the broker's error, if it was the broker who refused.
func (e *TooLargeError) Unwrap() error { return e.Err }

// TooLarge marks the error for those who may not import this package.
func (e *TooLargeError) TooLarge() bool { return true }

// refused gives the error of a record its name.
func refused(r *kgo.Record, err error) error {
	if errors.Is(err, kerr.MessageTooLarge) {
		err = &TooLargeError{Topic: r.Topic, Bytes: len(r.Key) + len(r.Value), Err: err}
	}
	return fmt.Errorf("writing to topic %s, partition %d: %w", r.Topic, r.Partition, err)
}
