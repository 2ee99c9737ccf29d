package collector

import (
	"context"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
)

// checkpoints is what is remembered of a job's checkpoints.
type checkpoints struct {
	askAgain time.Time // a job that takes none is asked rarely

	interval      float64 // milliseconds
	knowsInterval bool

	completed, failedBefore int64 // counts when one last completed
}

const noCheckpoints = time.Minute

// noInterval is above every interval that is one: a job without periodic
// checkpoints has the largest long, as milliseconds 292 million years.
const noInterval = 1e15

// checkpointsRound asks how checkpointing goes.
func (j *job) checkpointsRound(ctx context.Context, f *findings, d flinkrest.Job, now time.Time) {
	c := &j.checkpoints
	if now.Before(c.askAgain) {
		return
	}
	answer, err := j.cluster.api.Checkpoints(ctx, j.id)
	if flinkrest.IsNotFound(err) {
		c.askAgain = now.Add(noCheckpoints)
		return
	}
	if !j.try(f, "checkpoints", err) {
		return
	}
	if !c.knowsInterval {
		config, err := j.cluster.api.CheckpointConfig(ctx, j.id)
		if err != nil && !flinkrest.IsNotFound(err) {
			f.fail(j.cluster.name, "checkpoints/config", err)
		} else {
			c.interval, _ = config.Interval.Positive()
			c.knowsInterval = true
		}
	}
	counts := &answer.Counts
	if total, _ := counts.Total.Count(); total == 0 && c.knowsInterval && !c.periodic() {
		return // Flink 2 answers with zeros for a job that takes none
	}
	s := j.section(f, "checkpoints")
	s.counted(cpCompleted, counts.Completed)
	s.counted(cpFailed, counts.Failed)
	s.counted(cpRestored, counts.Restored)
	s.counted(cpTotal, counts.Total)
	s.known(cpInProgress, counts.InProgress, 1)
	s.level(cpConsecutive, float64(c.consecutive(&answer)))
	started, _ := d.Started.Positive()
	c.latest(s, &answer, started, clock(d, now))
}

func (c *checkpoints) periodic() bool { return c.interval > 0 && c.interval < noInterval }

// latest reports on the checkpoint that completed last. Where none has, its age is
// that of the job, however often it restarted.
func (c *checkpoints) latest(s *section, answer *flinkrest.Checkpoints, started, at float64) {
	periodic := c.periodic()
	if periodic {
		s.level(cpInterval, c.interval/1000)
	}
	last := answer.Latest.Completed
	if last == nil {
		if periodic && started > 0 {
			s.level(cpAge, max(0, at-started)/1000)
		}
		return
	}
	if acked, ok := last.AckedAt.Positive(); ok {
		s.level(cpAge, max(0, at-acked)/1000)
	}
	s.known(cpDuration, last.Duration, 1e-3)
	size := last.Size
	if _, ok := size.Get(); !ok {
		size = last.State
	}
	s.known(cpSize, size, 1)
	s.known(cpState, last.State, 1)
	s.known(cpProcessed, last.Processed, 1)
	s.known(cpPersisted, last.Persisted, 1)
	if duration, ok := last.Duration.Get(); ok && periodic {
		s.level(cpRatio, duration/c.interval)
	}
}

// consecutive counts the failures since a checkpoint completed. The history has
// the last few only, so the counts go on where it ends; they also have savepoints,
// so the history is believed as far as it reaches.
func (c *checkpoints) consecutive(answer *flinkrest.Checkpoints) int64 {
	completed, _ := answer.Counts.Completed.Count()
	failed, _ := answer.Counts.Failed.Count()
	recent := int64(0)
	for _, h := range answer.History {
		switch {
		case h.Savepoint:
		case h.Status == "FAILED":
			recent++
		case h.Status == "COMPLETED":
			c.completed, c.failedBefore = completed, failed-recent
			return recent
		}
	}
	if completed != c.completed || failed < c.failedBefore {
		c.completed, c.failedBefore = completed, failed-recent
	}
	return max(recent, failed-c.failedBefore)
}
