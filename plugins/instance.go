package plugins

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Instance is one goroutine's way to a plugin. Behind it stands a guest that is
// replaced after any error, and when its memory has grown; the plugin is without
// state by contract, so nobody sees that.
type Instance struct {
	plugin   *Plugin
	counts   *counters // what its calls are counted in
	guest    *guest    // nil: the last one failed, and none could be started
	exchange exchange
	known    interned
	busy     atomic.Bool
	fuel     int64
}

// Instance makes a way to the plugin for one goroutine. Close it.
func (p *Plugin) Instance(ctx context.Context) (*Instance, error) {
	p.use.RLock()
	defer p.use.RUnlock()
	if p.closed {
		return nil, closedFault()
	}
	i, err := p.instance(ctx)
	if err != nil {
		return nil, err
	}
	p.refill()
	return i, nil
}

func (p *Plugin) instance(ctx context.Context) (*Instance, *Error) {
	g, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	return &Instance{
		plugin: p, counts: p.counts, guest: g, known: interned{window: p.made},
		exchange: exchange{grant: newGrant(p.manifest), limits: p.limits},
	}, nil
}

var errBusy = errors.New("the instance is in use: every goroutine needs its own")

func closedFault() *Error {
	return &Error{Code: abi.Broken, Step: StepTransform, Record: -1, Message: ErrClosed.Error(), Err: ErrClosed}
}

// Transform passes the batch through the plugin. Without an error the batch is
// what came of it: Records and Pairs are new, Source of a record says which row it
// is or was made of, rows that the plugin refused are in Failed. With an error,
// which is an *Error, the batch is untouched.
//
// ctx ends the call before its deadline. Two calls at once are refused.
func (i *Instance) Transform(ctx context.Context, b *Batch) error {
	if err := b.check(i.plugin.limits.Labels); err != nil {
		return err
	}
	return i.pass(ctx, b)
}

// pass does, for a batch that was checked.
func (i *Instance) pass(ctx context.Context, b *Batch) error {
	if !i.busy.CompareAndSwap(false, true) {
		return &Error{Code: abi.Internal, Step: StepTransform, Record: -1, Message: errBusy.Error(), Err: errBusy}
	}
	defer i.busy.Store(false)
	i.plugin.use.RLock()
	defer i.plugin.use.RUnlock()
	if i.plugin.closed {
		return closedFault()
	}
	if err := i.transform(ctx, b); err != nil {
		return err
	}
	return nil
}

func (i *Instance) transform(ctx context.Context, b *Batch) *Error {
	p, x := i.plugin, &i.exchange
	if len(b.Records) > p.limits.Records {
		return fault(abi.BadBatch, StepTransform, "%d records; a batch has at most %d", len(b.Records), p.limits.Records)
	}
	if i.guest == nil {
		g, err := p.take(ctx)
		if err != nil {
			i.counts.wrong(err.Code, len(b.Records))
			return err
		}
		i.guest = g
	}
	x.begin(b)
	if x.narrowed && len(x.rows) == 0 && len(b.Records) > 0 {
		x.pass()
		return nil
	}
	if n := x.sent.size(); n > p.limits.Bytes {
		return fault(abi.BadBatch, StepTransform, "%d bytes; a batch has at most %d", n, p.limits.Bytes)
	}
	start := time.Now()
	err := i.guest.run(ctx, x, &i.known)
	i.fuel = i.guest.spent()
	i.counts.done(len(x.sent.records), time.Since(start), i.fuel)
	if err != nil {
		b.forget(x.host)
		i.counts.wrong(err.Code, len(x.sent.records))
		i.replace()
		return err
	}
	i.commit(b)
	if i.guest.full() {
		i.replace()
	}
	return nil
}

// commit puts what came back into the batch, and counts it.
func (i *Instance) commit(b *Batch) {
	x, c := &i.exchange, &i.guest.call
	x.commit()
	for k, failed := range x.back.failed {
		if failed {
			b.Failed = append(b.Failed, c.failure(k, x.row(k)))
		}
	}
	counts, m := i.counts, x.back.moved
	counts.out.Add(uint64(len(x.sent.records) - m.dropped - m.failed + m.made))
	counts.dropped.Add(uint64(m.dropped))
	counts.made.Add(uint64(m.made))
	if m.failed > 0 {
		counts.failed[abi.RecordFailed].Add(uint64(m.failed))
	}
	for at, n := range c.counts {
		if n > 0 {
			counts.metrics[at].Add(uint64(n))
		}
	}
}

// failure is why the row that was sent as row k failed.
func (c *call) failure(k, row int) Failure {
	for _, n := range c.notes {
		if n.record == k {
			return Failure{Record: row, Code: abi.RecordFailed, Message: n.message}
		}
	}
	return Failure{Record: row, Code: abi.RecordFailed, Message: "the plugin gives no reason"}
}

// Fuel returns what the last Transform cost in units of metering: the same for the
// same module and batch on every machine. 0: not metered.
func (i *Instance) Fuel() int64 { return i.fuel }

// Memory returns the bytes of memory that stand behind the instance now; 0 when its
// guest was given up and the next has not been started.
func (i *Instance) Memory() int64 {
	if i.guest == nil {
		return 0
	}
	return i.guest.measure()
}

// replace gives the guest up for the spare one.
func (i *Instance) replace() {
	p := i.plugin
	i.guest.close()
	i.counts.replacements.Add(1)
	i.guest = nil
	select {
	case i.guest = <-p.spare:
	default: // the next call starts one
	}
	p.refill()
}

// Close ends the instance. The plugin must not be closed yet.
func (i *Instance) Close() {
	i.plugin.use.RLock()
	defer i.plugin.use.RUnlock()
	if i.guest != nil && !i.plugin.closed {
		i.guest.farewell()
	}
	i.guest = nil
}
