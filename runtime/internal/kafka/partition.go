package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// chunk is the most messages handed to a worker at once: enough to forget what a
// call costs, few enough for the slice to stay in the core's cache.
const chunk = 1024

// A worker that failed is opened again after a pause that doubles.
const (
	retryFirst = time.Second
	retryMost  = 30 * time.Second
)

// idleEvery is how long a worker goes without records before it is called all the
// same, and again: time passes for what it remembers, too.
const idleEvery = 10 * time.Second

// hold is a set of reasons why a partition is not fetched.
type hold uint8

const (
	holdFull  hold = 1 << iota // its queue is full
	holdFault                  // a fault is being dealt with; ends with a rewind
)

// partition owns everything about one partition while it is assigned: the queue
// the poll loop fills, the goroutine that empties it into a worker, and how far
// it has come.
type partition struct {
	src      *Source
	id       engine.Partition
	queue    *queue
	patience time.Duration // of the poll loop with a full queue

	ctx      context.Context // of the worker; ends when its time is up
	cancel   context.CancelFunc
	stop     chan struct{}   // closed: finish
	finish   chan chan error // asks to acknowledge everything queued
	woken    chan struct{}   // the worker is to be called soon
	stopping atomic.Bool     // stop is closed, or about to be
	done     chan struct{}

	end      atomic.Int64 // end of the log, as far as known
	flushing atomic.Int64 // Unix nanoseconds since when a flush takes; 0: none does

	mu       sync.Mutex
	owned    bool // what it says about offsets still counts
	holds    hold
	state    State
	base     int64 // first offset of this assignment; below 0: the start of the log, not known yet
	next     int64 // offset expected next, below 0 like base
	acked    int64 // offset that may be committed; -1: none since the assignment, and the group has a place
	epoch    int32 // leader epoch of the newest record processed, -1: unknown
	restarts int
	err      error // the latest fault
	errAt    time.Time
}

func newPartition(s *Source, id engine.Partition) *partition {
	p := &partition{
		src: s, id: id, queue: newQueue(), patience: patience,
		stop: make(chan struct{}), finish: make(chan chan error), woken: make(chan struct{}, 1), done: make(chan struct{}),
		owned: true, state: StateAssigned, base: -1, next: -1, acked: -1, epoch: -1,
	}
	p.ctx, p.cancel = context.WithCancel(s.ctx)
	return p
}

// errReopen asks for a new worker without a fault: the log went back.
var errReopen = errors.New("log went back")

func (p *partition) run() {
	defer close(p.done)
	defer p.cancel()
	pause := retryFirst
	for {
		before := p.position()
		err := p.serve()
		if p.stopping.Load() || p.ctx.Err() != nil {
			p.gaveUp(err)
			return
		}
		if errors.Is(err, errReopen) {
			continue
		}
		if p.position() > before {
			pause = retryFirst
		}
		p.failed(err, pause)
		if !p.sleep(pause) {
			return
		}
		pause = min(2*pause, retryMost)
	}
}

// gaveUp logs a fault that nobody will retry here any more: the next owner begins
// at the last acknowledged offset.
func (p *partition) gaveUp(err error) {
	if err == nil || p.ctx.Err() != nil { // drain tells of the latter
		return
	}
	p.src.config.logger().Warn("partition given up with a fault: what was not acknowledged will be read again",
		"group", p.src.opts.Group, "topic", p.id.Topic, "partition", p.id.ID, "error", err)
}

// serve opens a worker and feeds it until the partition is given up, which is nil,
// or a fault.
func (p *partition) serve() error {
	w, err := p.openWorker()
	if err != nil {
		return err
	}
	defer w.Close()
	f := feed{p: p, w: w, timer: time.NewTimer(time.Hour)}
	defer f.timer.Stop()
	idle := time.NewTicker(idleEvery)
	defer idle.Stop()
	p.setState(StateRunning)
	for {
		select {
		case <-p.stop:
			if p.ctx.Err() != nil {
				return nil // lost: somebody else may be writing already
			}
			return f.drain()
		case answer := <-p.finish:
			err = f.finish()
			answer <- err
		case <-f.timer.C:
			err = f.flush()
		case <-idle.C:
			err = f.pass()
		case <-p.woken:
			err = f.pass()
		case <-p.queue.ready:
			err = f.take()
			idle.Reset(idleEvery)
		}
		if err != nil {
			return err
		}
	}
}

func (p *partition) openWorker() (Worker, error) {
	count, err := p.src.partitionCount(p.ctx, p.id.Topic)
	if err != nil {
		return nil, err
	}
	w, err := p.src.open(engine.Partition{Topic: p.id.Topic, ID: p.id.ID, Count: count})
	if err != nil {
		return nil, fmt.Errorf("opening worker: %w", err)
	}
	return w, nil
}

// failed stops fetching, forgets what is queued and asks to be rewound to the last
// acknowledged offset, once the pause is over.
func (p *partition) failed(err error, pause time.Duration) {
	p.hold(holdFault)
	p.queue.drop(true)
	p.mu.Lock()
	p.state, p.err, p.errAt = StateFailed, err, time.Now()
	p.restarts++
	at := p.acked
	p.mu.Unlock()
	p.src.config.logger().Error("partition stopped at its last acknowledged offset", "group", p.src.opts.Group,
		"topic", p.id.Topic, "partition", p.id.ID, "acknowledged", at, "retry_in", pause, "error", err)
}

// sleep waits before the worker is opened again and then has the partition
// rewound. It reports false when the partition is given up.
func (p *partition) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.stop:
		return false
	case <-p.ctx.Done():
		return false
	case <-timer.C:
	}
	p.src.post(p.rewind)
	return true
}

// fault queues an error of the partition behind what was fetched before it, and
// stops fetching until it is dealt with. It is called by the poll loop.
func (p *partition) fault(err error) {
	if p.hold(holdFault) {
		p.queue.push(batch{fault: err})
	}
}

// hold stops fetching for a reason and reports whether it was not there yet.
func (p *partition) hold(why hold) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.owned || p.holds&why != 0 {
		return false
	}
	if p.holds == 0 {
		p.src.cl.PauseFetchPartitions(p.asMap())
	}
	p.holds |= why
	return true
}

// unhold takes a reason away; without any, fetching goes on.
func (p *partition) unhold(why hold) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds&why == 0 {
		return
	}
	p.holds &^= why
	if p.holds == 0 {
		p.src.cl.ResumeFetchPartitions(p.asMap())
	}
}

// throttle stops fetching while the queue is over share. The goroutine of the
// partition goes on once half of it is free.
func (p *partition) throttle(share int64) {
	p.hold(holdFull)
	p.relieve(share) // it may have become empty meanwhile, and nobody would look again
}

func (p *partition) relieve(share int64) {
	if p.queue.size() <= share/2 {
		p.unhold(holdFull)
	}
}

func (p *partition) asMap() map[string][]int32 { return map[string][]int32{p.id.Topic: {p.id.ID}} }

func (p *partition) setState(s State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
}
