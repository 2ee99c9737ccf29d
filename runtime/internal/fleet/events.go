package fleet

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// events are what befalls the fleet: a lag incident and a restart soon after the
// start, for those who only watch for a moment, then one every few minutes.
type events struct {
	rng       *rand.Rand
	incidents event
	restarts  event
}

type event struct {
	first, every time.Duration
	next         time.Time
	count        int
}

const (
	incidentFor = 75 * time.Second
	downFor     = 1500 * time.Millisecond
)

func newEvents(rng *rand.Rand) events {
	return events{
		rng:       rng,
		incidents: event{first: 2 * time.Second, every: 4 * time.Minute},
		restarts:  event{first: 4 * time.Second, every: 150 * time.Second},
	}
}

func (e *events) begin(now time.Time) {
	e.incidents.next = now.Add(e.incidents.first)
	e.restarts.next = now.Add(e.restarts.first)
}

// happen lets what is due befall its jobs. The first incident takes the first job
// and the first restart the second one: they report soon after.
func (e *events) happen(jobs []*job, now time.Time) {
	for at, i, due := e.incidents.take(e.rng, now, len(jobs), 0); due; at, i, due = e.incidents.take(e.rng, now, len(jobs), 0) {
		jobs[i].step(at)
		jobs[i].slow = at.Add(incidentFor)
	}
	for at, i, due := e.restarts.take(e.rng, now, len(jobs), 1); due; at, i, due = e.restarts.take(e.rng, now, len(jobs), 1) {
		jobs[i].fail(at)
	}
}

// take returns when the next event was due, if it was, and which job it takes.
func (e *event) take(rng *rand.Rand, now time.Time, jobs, first int) (at time.Time, job int, due bool) {
	if e.next.After(now) {
		return now, 0, false
	}
	at, job = e.next, first%jobs
	if e.count > 0 {
		job = rng.IntN(jobs)
	}
	e.count++
	e.next = at.Add(e.every)
	return at, job, true
}

// attempts is the life of a job: attempts that fail and are restarted.
type attempts struct {
	number int32     // of the attempt that runs or runs next, from 0
	since  time.Time // the attempt runs
	down   time.Time // the attempt before it failed
	ended  bool      // the end of the attempt before is not reported yet
}

// running reports whether the attempt has started.
func (a *attempts) running(at time.Time) bool { return !at.Before(a.since) }

// fail ends the running attempt; the next one starts a little later. A job that
// is down already stays so.
func (j *job) fail(at time.Time) {
	if !j.running(at) {
		return
	}
	j.step(at)
	j.number++
	j.down, j.since, j.ended = at, at.Add(downFor), true
	j.restart(j.since)
}

// step lets the time pass for everything of the job.
func (j *job) step(now time.Time) {
	up := j.since
	if up.After(now) {
		up = now
	}
	j.load.step(up, false)
	j.load.step(now, j.running(now))
	j.checkpoints.step(j, now)
}

// begin makes the job one that has run for its age, without a failure.
func (j *job) begin(now time.Time) {
	j.load.begin(now)
	j.since = now.Add(-j.age)
	j.checkpoints.begin(j, now)
}

// checkpoints are the completed and failed checkpoints of a job.
type checkpoints struct {
	next         time.Time
	done, failed int64
	took         time.Duration
	size         float64 // bytes of the last one
	completed    time.Time
	path         string
	saved        float64 // records that the last one covers
}

const checkpointEvery = 30 * time.Second

func (c *checkpoints) begin(j *job, now time.Time) {
	c.done = int64(j.age / checkpointEvery)
	c.next = now.Add(-time.Duration(j.phase * float64(checkpointEvery)))
}

// step triggers the checkpoints that are due: they take long while the job lags,
// and one in four then fails.
func (c *checkpoints) step(j *job, now time.Time) {
	for ; !c.next.After(now); c.next = c.next.Add(checkpointEvery) {
		switch {
		case !j.running(c.next):
			continue
		case j.lagging() && (c.done+c.failed)%4 == 3:
			c.failed++
			continue
		}
		c.done++
		c.took = time.Duration((600 + 300*j.wave(5*time.Minute, .1)) * float64(time.Millisecond))
		if j.lagging() {
			c.took *= 15
		}
		c.size = j.base * 4096 * (6 + j.wave(17*time.Minute, .4))
		c.completed = c.next.Add(c.took)
		c.saved = j.load.done
		c.path = fmt.Sprintf("hdfs://lake/flink/checkpoints/%s/chk-%d", j.id, c.done+c.failed)
	}
}
