// Package fleet simulates Flink jobs that report their metrics as our reporter
// does: real metric names, scopes, kinds and label shapes, values that hang
// together (a meter with its counter, lag with back pressure), restarts and lag
// incidents. The same seed and the same times give the same records. It knows
// nothing of Kafka, policies or what becomes of its records.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
)

// Publisher takes the records of the fleet.
type Publisher interface {
	// Publish takes one record, from one goroutine. It may keep key and value, which
	// nobody changes any more, and may block while it has no room: the fleet then
	// reports later, as a slow reporter does. An error ends the fleet.
	Publish(ctx context.Context, topic string, key, value []byte) error
}

// Options say what to simulate. The zero value of a field asks for its default,
// where it has one.
type Options struct {
	Jobs     int               // default 40
	Interval time.Duration     // between two reports of a job, default 10s
	Rate     float64           // records per second of the whole fleet, in place of Interval
	Seed     uint64            // the same seed gives the same fleet
	Metrics  []catalogue.Entry // what Flink can report; what no job of the fleet registers is left out
	Native   string            // topic of Flink's own metrics
	Custom   string            // topic of the metrics that the jobs themselves register
}

const (
	defaultJobs     = 40
	defaultInterval = 10 * time.Second
	firstRound      = 2 * time.Second // over which the first reports are spread
)

// Fleet is a simulated fleet. It is used from one goroutine.
type Fleet struct {
	jobs     []*job
	interval time.Duration
	events   events
	publish  func(ctx context.Context, topic string, key, value []byte) error
	topics   topics
}

// topics are where records go, by who registered the metric.
type topics struct{ native, custom string }

// New returns a fleet whose jobs have been running for a while at its first
// report. It refuses options that make no fleet.
func New(o Options, to Publisher) (*Fleet, error) {
	switch {
	case o.Jobs < 0 || o.Interval < 0 || o.Rate < 0:
		return nil, fmt.Errorf("fleet of %d jobs, interval %s, %g records/s: none may be negative", o.Jobs, o.Interval, o.Rate)
	case len(o.Metrics) == 0:
		return nil, errors.New("fleet without metrics to report")
	case o.Native == "" || o.Custom == "":
		return nil, errors.New("fleet without a topic for native or custom metrics")
	}
	if o.Jobs == 0 {
		o.Jobs = defaultJobs
	}
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0x51_0c_e5))
	f := &Fleet{interval: o.Interval, publish: to.Publish, topics: topics{o.Native, o.Custom}}
	metrics := offers(o.Metrics)
	for i := range o.Jobs {
		f.jobs = append(f.jobs, newJob(rng, i, metrics))
	}
	f.events = newEvents(rng)
	if o.Rate > 0 {
		records, _ := f.Size()
		f.interval = max(time.Duration(float64(records)/o.Rate*float64(time.Second)), time.Millisecond)
	}
	return f, nil
}

// Size returns how many records and samples one report of every job has while
// all of them run, the closing records included.
func (f *Fleet) Size() (records, samples int) {
	for _, j := range f.jobs {
		for _, p := range j.processes {
			records += len(p.groups) + 1
			for _, g := range p.groups {
				samples += len(g.points)
			}
		}
	}
	return records, samples
}

// Run reports until ctx ends, which is no error. Every job reports once in the
// first seconds; from the start on, the jobs take turns, evenly over the interval.
// It is called once.
func (f *Fleet) Run(ctx context.Context) error {
	began := time.Now()
	f.events.begin(began)
	timer := time.NewTimer(0)
	defer timer.Stop()
	jobs := len(f.jobs)
	turn, first := f.interval/time.Duration(jobs), min(f.interval, firstRound)/time.Duration(jobs)
	for due, n, fresh := began.Add(turn), 0, 0; ; {
		at, j := due, f.jobs[n%jobs]
		if start := began.Add(time.Duration(fresh) * first); fresh < jobs && start.Before(due) {
			at, j = start, f.jobs[fresh]
		}
		timer.Reset(time.Until(at))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Now()
		if fresh < jobs && j == f.jobs[fresh] {
			fresh++
			j.begin(now)
		} else {
			n, due = n+1, due.Add(turn)
			if late := now.Sub(due); late > f.interval {
				due = now // what a slow publisher held up is not made good in a burst
			}
		}
		f.events.happen(f.jobs[:fresh], now)
		if err := f.report(ctx, j, now); err != nil {
			return ended(ctx, err)
		}
	}
}

// ended returns nil when err is only the end of ctx.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("simulated fleet: %w", err)
}
