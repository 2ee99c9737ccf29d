package fleet

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Publisher takes the records of the fleet.
type Publisher interface {
	// Publish takes one record, from one goroutine. It may keep key and value, which
	// nobody changes any more, and may block while it has no room: the fleet then
	// reports later, as a slow reporter does. An error ends the fleet.
	Publish(ctx context.Context, topic string, key, value []byte) error
}

// Options say what is replayed. The zero value of a field asks for its default,
// where it has one.
type Options struct {
	Recording fs.FS   // a folder that the recorder has written
	Jobs      int     // copies of the recorded jobs, taken in turn, each round in a cluster of its own; default 40
	Rate      float64 // records per second of the whole fleet; 0: as fast as it was recorded
	Native    string  // topic of Flink's own metrics
	Custom    string  // topic of the metrics that the jobs themselves register
}

const (
	defaultJobs = 40
	firstRound  = 2 * time.Second // over which the first reports are spread
)

// Fleet is many jobs. It is used from one goroutine.
type Fleet struct {
	jobs    []*job
	speed   float64 // of the replay
	origin  int64   // start of the recording, Unix milliseconds
	publish func(ctx context.Context, topic string, key, value []byte) error
	topics  topics
}

// topics are where records go, by who registered the metric.
type topics struct{ native, custom string }

// New reads the recording. It refuses options that make no fleet.
func New(o Options, to Publisher) (*Fleet, error) {
	switch {
	case o.Jobs < 0 || o.Rate < 0:
		return nil, fmt.Errorf("fleet of %d jobs, %g records/s: none may be negative", o.Jobs, o.Rate)
	case o.Native == "" || o.Custom == "":
		return nil, errors.New("fleet without a topic for native or custom metrics")
	}
	tapes, origin, err := load(o.Recording)
	if err != nil {
		return nil, err
	}
	f := &Fleet{speed: 1, origin: origin, publish: to.Publish, topics: topics{o.Native, o.Custom}}
	running, clusters := apart(tapes)
	for i := range cmp.Or(o.Jobs, defaultJobs) {
		copies := running[i%len(running) : i%len(running)+1]
		if i%len(running) == 0 { // the processes that these jobs run in
			copies = append(copies[:1:1], clusters...)
		}
		for _, t := range copies {
			f.jobs = append(f.jobs, &job{tape: t, task: fmt.Sprintf("%s-%03d", t.task, i/len(running)+1)})
		}
	}
	if o.Rate > 0 {
		f.speed = o.Rate / f.rate()
	}
	return f, nil
}

// apart tells the tapes of jobs from those of clusters, which are about processes.
// A recording without jobs has its clusters taken for jobs.
func apart(tapes []*tape) (jobs, clusters []*tape) {
	for _, t := range tapes {
		if t.job {
			jobs = append(jobs, t)
		} else {
			clusters = append(clusters, t)
		}
	}
	if len(jobs) == 0 {
		return clusters, nil
	}
	return jobs, clusters
}

// rate is how many records per second the jobs send as recorded.
func (f *Fleet) rate() float64 {
	sum := 0.0
	for _, j := range f.jobs {
		n := 0
		for i := range j.tape.reports {
			n += len(j.tape.reports[i].lines)
		}
		sum += float64(n) / j.tape.length.Seconds()
	}
	return sum
}

// Run reports until ctx ends, which is no error. Every job reports once in the
// first seconds. It is called once.
func (f *Fleet) Run(ctx context.Context) error {
	began := time.Now()
	q := make(queue, 0, len(f.jobs))
	for i, j := range f.jobs {
		share := float64(i) / float64(len(f.jobs))
		j.submit(began.Add(time.Duration(share*float64(firstRound))), f.position(i), f.speed)
		q = append(q, j)
	}
	heap.Init(&q)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		j := q[0]
		timer.Reset(time.Until(j.due))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := j.report(ctx, f, time.Now()); err != nil {
			return ended(ctx, err)
		}
		heap.Fix(&q, 0)
	}
}

// golden spreads the copies over the recording, however many there are.
const golden = 0.618033988749895

// position is where in its recording a job begins.
func (f *Fleet) position(i int) time.Duration {
	share := golden * float64(i)
	return time.Duration((share - float64(int(share))) * float64(f.jobs[i].tape.length))
}

// ended returns nil when err is only the end of ctx.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("fleet: %w", err)
}

// queue orders jobs by when they report next.
type queue []*job

func (q queue) Len() int           { return len(q) }
func (q queue) Less(a, b int) bool { return q[a].due.Before(q[b].due) }
func (q queue) Swap(a, b int)      { q[a], q[b] = q[b], q[a] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*job)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
