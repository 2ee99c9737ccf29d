package collector

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// jobsAtOnce bounds the calls to one JobManager that are under way.
const jobsAtOnce = 8

// cluster is one JobManager and what is remembered of it.
type cluster struct {
	api      *flinkrest.Client
	name     string
	identity Identity
	jobs     map[string]*job // by id: those that the JobManager lists
	names    lineages
	down     bool // it did not answer in the last round
}

func newCluster(api *flinkrest.Client, identity Identity) *cluster {
	return &cluster{api: api, name: api.Name(), identity: identity, jobs: map[string]*job{}, names: lineages{}}
}

// key names a section of the cluster; the zero keeps one name from being the
// start of another.
func (c *cluster) key(parts ...string) string { return c.name + "\x00" + strings.Join(parts, "/") }

func (c *cluster) labels() metric.Labels { return label("cluster", c.name) }

// round asks the JobManager about everything. When it does not answer the first
// question it is not asked the others: each would take until its timeout.
func (c *cluster) round(ctx context.Context, now time.Time) (f findings) {
	overview, err := c.api.Overview(ctx)
	c.down = err != nil
	up := f.section(c.key("up"), c.identity.cluster(), c.labels())
	up.flag(clusterUp, err == nil)
	if err != nil {
		f.fail(c.name, "overview", err)
		f.keep(c.key())
		return f
	}
	c.overview(&f, overview)
	if managers, err := c.api.TaskManagers(ctx); err != nil {
		f.fail(c.name, "taskmanagers", err)
		f.keep(c.key("taskmanagers"))
	} else {
		c.taskManagers(&f, managers, now)
	}
	listed, err := c.api.Jobs(ctx)
	if err != nil {
		f.fail(c.name, "jobs", err)
		f.keep(c.key("job") + "/")
		f.keep(c.key("name") + "/")
		return f
	}
	c.eachJob(ctx, &f, listed, now)
	return f
}

func (c *cluster) overview(f *findings, o flinkrest.Overview) {
	s := f.section(c.key("overview"), c.identity.cluster(), c.labels())
	if o.Version != "" {
		s.says(clusterVersion, cut(o.Version, maxText))
	}
	s.known(clusterTaskManagers, o.TaskManagers, 1)
	s.known(clusterSlots, o.Slots, 1)
	s.known(clusterSlotsAvailable, o.SlotsAvailable, 1)
	for state, n := range map[string]flinkrest.Number{"running": o.Running, "finished": o.Finished, "cancelled": o.Cancelled, "failed": o.Failed} {
		s.known(clusterJobs, n, 1, metric.Label{Name: "state", Value: state})
	}
}

func (c *cluster) taskManagers(f *findings, managers []flinkrest.TaskManager, now time.Time) {
	s := f.section(c.key("taskmanagers"), c.identity.cluster(), c.labels())
	for _, tm := range managers {
		own := metric.Labels{{Name: "tm_id", Value: cut(tm.ID, maxLabel)}}.Set("host", hostOf(tm.Path))
		s.known(tmSlots, tm.Slots, 1, own...)
		s.known(tmFreeSlots, tm.FreeSlots, 1, own...)
		s.known(tmCores, tm.Hardware.Cores, 1, own...)
		s.known(tmPhysical, tm.Hardware.Physical, 1, own...)
		if at, ok := tm.Heartbeat.Positive(); ok {
			s.level(tmHeartbeat, heartbeatAge(at, now), own...)
		}
		for area, n := range tm.Memory {
			s.known(tmMemory, n, 1, slices.Clone(own).Set("area", cut(area, maxLabel))...)
		}
	}
}

// hostOf finds the host in the address of an actor, such as
// pekko.tcp://flink@10.1.2.3:6122/user/rpc/taskmanager_0; one within the
// JobManager's process, pekko://flink/user/rpc/taskmanager_0, has none.
func hostOf(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.User == nil {
		return ""
	}
	return u.Hostname()
}

// heartbeatAge gives seconds from what the JobManager calls the time since the
// last heartbeat and which is its moment; an age is taken for what it says it is.
func heartbeatAge(ms float64, now time.Time) float64 {
	const someMoment = 1e12 // September 2001, as an age 31 years
	if ms < someMoment {
		return ms / 1000
	}
	return max(0, float64(now.UnixMilli())-ms) / 1000
}

// eachJob asks about all jobs, several at a time.
func (c *cluster) eachJob(ctx context.Context, f *findings, listed []flinkrest.Summary, now time.Time) {
	there := map[string]bool{}
	found := make([]findings, len(listed))
	slots := make(chan struct{}, jobsAtOnce)
	var asking sync.WaitGroup
	for i, summary := range listed {
		id := summary.ID()
		if there[id] {
			continue
		}
		there[id] = true
		j := c.jobs[id]
		if j == nil {
			j = newJob(c, summary)
			c.jobs[id] = j
		}
		slots <- struct{}{}
		asking.Go(func() {
			found[i] = j.round(ctx, summary, now)
			<-slots
		})
	}
	asking.Wait()
	for _, one := range found {
		f.add(one)
	}
	maps.DeleteFunc(c.jobs, func(id string, _ *job) bool { return !there[id] })
	c.lineages(f, listed, now)
}
