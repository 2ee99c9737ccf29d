package collector

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
)

// lineages are the jobs of a cluster by name. A job that is submitted anew has
// another id, and Flink counts its restarts from 0: the name is what goes on.
type lineages map[string]*lineage

type lineage struct {
	members                 map[string]*member // by job id
	restarts, resubmissions int64
	known                   bool // restarts are, of all that are there
	seen                    time.Time
}

type member struct {
	restarts int64
	known    bool // restarts are: a JobManager has a job's metrics seconds after the job
	ended    bool
	seen     time.Time
}

// remembers is how long a name is known, and its counters are sent, after the
// last job that had it: longer than a deployment takes.
const remembers = time.Hour

// see notes that a job of the lineage is there.
func (l *lineage) see(id string, ended bool, now time.Time) {
	m := l.members[id]
	if m == nil {
		if len(l.members) > 0 && !l.alive() {
			l.resubmissions++
		}
		m = &member{}
		l.members[id] = m
	}
	m.ended, m.seen, l.seen = ended, now, now
}

// alive reports whether some job of the name has not ended: a second one beside
// it is another job, not the same one again.
func (l *lineage) alive() bool {
	for _, m := range l.members {
		if !m.ended {
			return true
		}
	}
	return false
}

// restarted takes the number of restarts that Flink counts for a job. It goes
// down when a new JobManager took the job over.
func (l *lineage) restarted(id string, n int64) {
	m := l.members[id]
	if n < m.restarts {
		m.restarts = 0
	}
	l.restarts += n - m.restarts
	m.restarts, m.known = n, true
}

// counted reports whether the restarts can be told. To begin without those of a
// job that is not known yet would show them as new ones a moment later.
func (l *lineage) counted() bool {
	for _, m := range l.members {
		if !l.known && !m.known && !m.ended {
			return false
		}
	}
	l.known = true
	return true
}

// lineages follows the names of the jobs that are listed and reports on each.
func (c *cluster) lineages(f *findings, listed []flinkrest.Summary, now time.Time) {
	there := map[string]bool{}
	for _, s := range listed {
		there[s.ID()] = true
	}
	for _, l := range c.names {
		for id, m := range l.members {
			m.ended = m.ended || !there[id]
		}
	}
	byStart := slices.SortedStableFunc(slices.Values(listed), func(a, b flinkrest.Summary) int {
		at, _ := a.Started.Get()
		bt, _ := b.Started.Get()
		return cmp.Compare(at, bt)
	})
	for _, s := range byStart {
		l := c.names[s.Name]
		if l == nil {
			l = &lineage{members: map[string]*member{}}
			c.names[s.Name] = l
		}
		l.see(s.ID(), terminal(s.State), now)
		if j := c.jobs[s.ID()]; j != nil && j.haveRestarts {
			l.restarted(s.ID(), j.restarts)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.names)) {
		l := c.names[name]
		if now.Sub(l.seen) > remembers {
			delete(c.names, name)
			continue
		}
		maps.DeleteFunc(l.members, func(_ string, m *member) bool { return now.Sub(m.seen) > remembers })
		s := f.section(c.key("name", name), cmp.Or(c.identity.named(name), c.identity.cluster()), c.labels().Set("job_name", cut(name, maxLabel)))
		if l.counted() {
			s.counts(jobRestarts, l.restarts)
		}
		s.counts(jobResubmissions, l.resubmissions)
	}
}
