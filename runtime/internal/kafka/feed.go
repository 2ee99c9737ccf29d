package kafka

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// feed hands the records of a partition to one worker.
type feed struct {
	p     *partition
	w     Worker
	msgs  []engine.Message
	timer *time.Timer // fires when the oldest unflushed record has waited long enough
	since time.Time   // when that was processed; zero: everything is flushed
	next  int64       // offset after the newest record processed
}

// take processes the oldest batch of the queue, if there is one.
func (f *feed) take() error {
	b, ok := f.p.queue.pop()
	if !ok {
		return nil
	}
	f.p.relieve(f.p.src.share())
	if b.fault != nil {
		if err := f.flush(); err != nil {
			return err
		}
		return f.p.mend(b.fault)
	}
	if at := f.p.position(); at >= 0 && b.records[0].Offset < at {
		return f.wentBack(b, at)
	}
	return f.process(b.records)
}

// wentBack deals with records that come again. It happens when a log lost its
// end: the client begins at what is left of it.
func (f *feed) wentBack(b batch, at int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	to := b.records[0].Offset
	f.p.declare(Gap{From: to, To: at, Reason: "the log lost its end"}, to)
	f.p.hold(holdFault)
	f.p.queue.drop(true)
	f.p.moveOn(to, b.records[0].LeaderEpoch)
	return errReopen
}

func (f *feed) process(all []*kgo.Record) error {
	for records := all; len(records) > 0; {
		if f.p.stopping.Load() {
			return nil // what was not processed is read again by the next owner
		}
		n := min(chunk, len(records))
		f.msgs = f.msgs[:0]
		for _, r := range records[:n] {
			f.msgs = append(f.msgs, engine.Message{Key: r.Key, Value: r.Value, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Replays: replays(r)})
		}
		if f.since.IsZero() {
			f.since = time.Now()
			f.timer.Reset(f.p.src.opts.FlushEvery)
		}
		if err := f.w.Process(f.p.ctx, f.msgs); err != nil {
			return fmt.Errorf("processing offsets %d to %d: %w", records[0].Offset, records[n-1].Offset, err)
		}
		last := records[n-1]
		f.next = last.Offset + 1
		f.p.processed(f.next, last.LeaderEpoch)
		records = records[n:]
		if f.w.Pending() >= f.p.src.opts.FlushPending || time.Since(f.since) >= f.p.src.opts.FlushEvery {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	recycle(all)
	clear(f.msgs) // so that what was fetched is not kept until the next batch
	return nil
}

// replays returns the header that counts how often a record was sent again.
func replays(r *kgo.Record) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == engine.ReplaysHeader {
			return r.Headers[i].Value
		}
	}
	return nil
}

// flush has the worker acknowledge what it processed and lets it be committed.
func (f *feed) flush() error {
	if f.since.IsZero() {
		return nil
	}
	return f.acknowledge(false)
}

// pass hands the worker an empty batch: time passes for it, and it takes up what
// has changed around it.
func (f *feed) pass() error {
	if f.next == 0 {
		return nil // nothing to remember
	}
	if err := f.w.Process(f.p.ctx, nil); err != nil {
		return fmt.Errorf("processing nothing: %w", err)
	}
	if !f.since.IsZero() {
		return nil // the timer will flush
	}
	return f.acknowledge(false)
}

// drain has the worker let go of everything before the partition is given up.
func (f *feed) drain() error {
	if f.next == 0 {
		return nil // it was handed nothing
	}
	return f.acknowledge(true)
}

// finish works off what is queued and has the worker let go of everything. The
// worker lives on.
func (f *feed) finish() error {
	for !f.p.queue.empty() && !f.p.stopping.Load() {
		if err := f.take(); err != nil {
			return err
		}
	}
	return f.drain()
}

// acknowledge waits for the worker's outputs; the last time it gives up what it
// holds, too.
func (f *feed) acknowledge(last bool) (err error) {
	f.p.flushing.Store(time.Now().UnixNano())
	if last {
		err = f.w.Drain(f.p.ctx)
	} else {
		err = f.w.Flush(f.p.ctx)
	}
	f.p.flushing.Store(0)
	if err != nil {
		return fmt.Errorf("flushing up to offset %d: %w", f.next, err)
	}
	f.since = time.Time{}
	f.timer.Stop()
	if acked := f.w.Acked(); acked >= 0 {
		f.p.ack(min(acked, f.next))
	}
	return nil
}
