package kafka

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Publisher writes records into topics by key, as the reporter of a Flink job
// does: records with the same key stay in order, in one partition. It is safe for
// concurrent use.
type Publisher struct {
	cl      *kgo.Client
	max     int
	promise func(*kgo.Record, error)

	published, acked, failed, bytes atomic.Int64
	err                             atomic.Pointer[error]
}

// Published counts what a Publisher did: records handed in, acknowledged and
// failed, and the bytes of keys and values acknowledged.
type Published struct {
	Records, Acked, Failed, Bytes int64
}

// NewPublisher makes a publisher without connecting. Errors are *ConfigError.
func NewPublisher(config Config, opts ProducerOptions) (*Publisher, error) {
	opts = opts.withDefaults()
	cl, err := newProducer(config, opts, kgo.StickyKeyPartitioner(nil))
	if err != nil {
		return nil, err
	}
	p := &Publisher{cl: cl, max: int(opts.RecordBytes)}
	p.promise = p.done
	return p, nil
}

// Publish writes one record without waiting for its acknowledgement; it waits
// while the buffer is full. key and value must not change until Flush returns. A
// *TooLargeError concerns this record only. Any other error is final: the first
// record that failed, or ctx.
func (p *Publisher) Publish(ctx context.Context, topic string, key, value []byte) error {
	if err := p.err.Load(); err != nil {
		return *err
	}
	if n := len(key) + len(value) + recordOverhead; n > p.max {
		return &TooLargeError{Topic: topic, Bytes: n, Max: p.max}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.published.Add(1)
	p.cl.Produce(ctx, &kgo.Record{Topic: topic, Key: key, Value: value}, p.promise)
	return nil
}

func (p *Publisher) done(r *kgo.Record, err error) {
	if err != nil {
		p.failed.Add(1)
		p.fail(refused(r, err))
		return
	}
	p.acked.Add(1)
	p.bytes.Add(int64(len(r.Key) + len(r.Value)))
}

func (p *Publisher) fail(err error) { p.err.CompareAndSwap(nil, &err) }

// Flush returns when every record published is acknowledged, or with the first
// error.
func (p *Publisher) Flush(ctx context.Context) error {
	if err := p.cl.Flush(ctx); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	if err := p.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Stats may be called at any time.
func (p *Publisher) Stats() Published {
	return Published{Records: p.published.Load(), Acked: p.acked.Load(), Failed: p.failed.Load(), Bytes: p.bytes.Load()}
}

// Close fails what is not acknowledged and closes the connections.
func (p *Publisher) Close() { p.cl.Close() }
