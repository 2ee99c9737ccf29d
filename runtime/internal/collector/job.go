package collector

import (
	"context"
	"strconv"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// job is one job and what is remembered of it. One goroutine at a time uses it.
type job struct {
	cluster *cluster
	id      string
	task    string
	labels  metric.Labels

	state        string  // at the last round
	began        float64 // when it last began to run, Unix milliseconds
	restarts     int64   // as Flink counts them
	haveRestarts bool
	changed      bool // one of these changed since exceptions were asked for

	tags        *section
	checkpoints checkpoints
	exceptions  exceptions
	sources     sources
}

func newJob(c *cluster, s flinkrest.Summary) *job {
	id, name := s.ID(), cut(s.Name, maxLabel)
	return &job{
		cluster: c, id: id, task: c.identity.job(id, s.Name), changed: true,
		labels: c.labels().Set("job_id", id).Set("job_name", name),
	}
}

// The states of a job in which it has ended for good.
func terminal(state string) bool {
	return state == "FINISHED" || state == "FAILED" || state == "CANCELED"
}

func (j *job) key(what string) string { return j.cluster.key("job", j.id, what) }

func (j *job) section(f *findings, what string) *section {
	return f.section(j.key(what), j.task, j.labels)
}

// try notes an error of a call and keeps what the call would have answered.
func (j *job) try(f *findings, call string, err error) (ok bool) {
	if err != nil {
		f.fail(j.cluster.name, call, err)
		f.keep(j.key(call))
	}
	return err == nil
}

// round asks about the job. One that has ended is asked for its exceptions once
// and for nothing else.
func (j *job) round(ctx context.Context, s flinkrest.Summary, now time.Time) (f findings) {
	j.changed = j.changed || s.State != j.state
	j.state = s.State
	state := j.section(&f, "state")
	state.says(jobState, cut(s.State, maxLabel))
	state.flag(jobRunning, s.State == "RUNNING")
	if terminal(s.State) {
		j.exceptionsRound(ctx, &f)
		return f
	}
	details, err := j.cluster.api.Job(ctx, j.id)
	if err != nil {
		j.try(&f, "details", err)
		f.keep(j.key(""))
		return f
	}
	if began, _ := details.Timestamps["RUNNING"].Positive(); began != j.began {
		j.began, j.changed = began, true
		j.sources.relist = true
	}
	j.details(&f, details, s.State == "RUNNING", now)
	j.counts(ctx, &f)
	j.exceptionsRound(ctx, &f)
	j.tagsRound(ctx, &f, s.Name)
	if s.State != "INITIALIZING" && s.State != "CREATED" {
		j.checkpointsRound(ctx, &f, details, now)
		j.sourcesRound(ctx, &f, details, now)
	}
	return f
}

// clock is the time of the JobManager, Unix milliseconds: ages are differences
// of its own times, whatever the clock of this machine says.
func clock(d flinkrest.Job, now time.Time) float64 {
	if ms, ok := d.Now.Positive(); ok {
		return ms
	}
	return float64(now.UnixMilli())
}

func (j *job) details(f *findings, d flinkrest.Job, running bool, now time.Time) {
	s := j.section(f, "details")
	at := clock(d, now)
	if started, ok := d.Started.Positive(); ok {
		s.level(jobAge, max(0, at-started)/1000)
	}
	uptime := 0.
	if running && j.began > 0 {
		uptime = max(0, at-j.began) / 1000
	}
	s.level(jobUptime, uptime)
	tasks := map[string]float64{}
	for i := range d.Vertices {
		for state, n := range d.Vertices[i].Tasks {
			v, _ := n.Get()
			tasks[state] += v
		}
		j.vertex(f, s, &d.Vertices[i])
	}
	for state, n := range tasks {
		s.level(jobTasks, n, metric.Label{Name: "state", Value: cut(state, maxLabel)})
	}
}

// vertex reports on a vertex, on its counters only when they are complete: sums
// that begin without some subtasks would grow by their whole past a moment later.
func (j *job) vertex(f *findings, s *section, v *flinkrest.Vertex) {
	own := metric.Labels{{Name: "task_id", Value: cut(v.ID, maxLabel)}}.Set("task_name", cut(v.Name, maxLabel))
	s.says(vertexStatus, cut(v.Status, maxLabel), own...)
	s.known(vertexParallelism, v.Parallelism, 1, own...)
	s.known(vertexRunning, v.Tasks["RUNNING"], 1, own...)
	m := &v.Metrics
	if m.PartialRead || m.PartialWrite {
		f.keep(j.key("vertex/" + v.ID))
		return
	}
	s = j.section(f, "vertex/"+v.ID)
	for _, c := range []struct {
		id int
		n  flinkrest.Number
	}{
		{vertexBusy, m.Busy}, {vertexIdle, m.Idle}, {vertexBackPressured, m.BackPressured},
		{vertexReadBytes, m.ReadBytes}, {vertexWriteBytes, m.WriteBytes},
		{vertexReadRecords, m.ReadRecords}, {vertexWriteRecords, m.WriteRecords},
	} {
		s.counted(c.id, c.n, own...)
	}
}

// counts asks how often Flink restarted the job. fullRestarts is the older name.
func (j *job) counts(ctx context.Context, f *findings) {
	values, err := j.cluster.api.JobMetrics(ctx, j.id, "numRestarts", "fullRestarts")
	if !j.try(f, "metrics", err) {
		return
	}
	for _, name := range []string{"numRestarts", "fullRestarts"} {
		n, err := strconv.ParseInt(values[name], 10, 64)
		if err != nil || n < 0 {
			continue
		}
		j.changed = j.changed || j.haveRestarts && n != j.restarts
		j.restarts, j.haveRestarts = n, true
		return
	}
}
