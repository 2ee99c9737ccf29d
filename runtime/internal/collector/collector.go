// Package collector measures what Flink's reporter cannot: how jobs, checkpoints
// and task managers are as the JobManager sees them, how far sources are behind
// their Kafka topics, and what the kernel says of a machine or container. It turns
// answers into records, in rounds, and keeps between rounds what one answer does
// not say: restarts across resubmissions, rates, what has ended.
//
// It does not know where records go, how brokers are reached, or what time it is.
package collector

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
	"github.com/sluice-metrics/sluice/runtime/internal/host"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Offsets tells how far topics go. It is asked once per round at most, from one
// goroutine.
type Offsets interface {
	// Topics returns the number of partitions by topic.
	Topics(ctx context.Context) (map[string]int32, error)

	// EndOffsets returns the offset that the next record of each partition will
	// have, by topic and partition. What is known is returned with an error, too.
	EndOffsets(ctx context.Context, topics ...string) (map[string]map[int32]int64, error)
}

// Options say what is collected. What is nil or empty is not.
type Options struct {
	Clusters []*flinkrest.Client // with different names
	Offsets  Offsets             // for the lag of Kafka sources
	Host     *host.Reader
	HostName string // label of what Host reads

	Identity Identity
	RID      string // of this collector's reports
	Log      *slog.Logger
}

// Collector collects in rounds. It is not safe for concurrent use.
type Collector struct {
	opts     Options
	clusters []*cluster
	reporter reporter
	topics   topicNames
	complain complaints

	rounds int64
	errors map[failure]int64 // by cluster and call
	took   time.Duration     // of the last round
}

// New makes a collector; it calls nobody.
func New(o Options) *Collector {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Collector{
		opts: o, reporter: reporter{rid: o.RID}, errors: map[failure]int64{},
		complain: complaints{log: o.Log, next: map[failure]time.Time{}},
	}
	for _, api := range o.Clusters {
		c.clusters = append(c.clusters, newCluster(api, o.Identity))
	}
	return c
}

// Round asks everybody once and returns the records of the report. now is the
// time of the report; ctx bounds the round. What fails is counted in the records
// and logged, at most once a minute for each cluster and call; it never keeps the
// rest from being collected. A round that is called off halfway has no records.
func (c *Collector) Round(ctx context.Context, now time.Time) []Record {
	began := time.Now()
	c.rounds++
	found := make([]findings, len(c.clusters))
	var asking sync.WaitGroup
	for i, cl := range c.clusters {
		asking.Go(func() { found[i] = cl.round(ctx, now) })
	}
	var all findings
	if c.opts.Host != nil {
		c.readHost(&all)
	}
	asking.Wait()
	for _, f := range found {
		all.add(f)
	}
	c.lag(ctx, &all, now)
	if errors.Is(ctx.Err(), context.Canceled) { // silence that is nobody's fault says nothing
		return nil
	}
	c.itself(&all, now)
	records := c.reporter.report(&all, now.UnixMilli())
	c.took = time.Since(began)
	return records
}

// Down names the clusters that did not answer in the last round.
func (c *Collector) Down() (names []string) {
	for _, cl := range c.clusters {
		if cl.down {
			names = append(names, cl.name)
		}
	}
	return names
}

func (c *Collector) readHost(f *findings) {
	s := f.section("host", c.opts.Identity.cluster(), label("host", c.opts.HostName))
	for _, r := range c.opts.Host.Read() {
		id := firstOfHost + slices.IndexFunc(host.Metrics[:], func(m host.Metric) bool { return m.Scope == r.Metric.Scope && m.Name == r.Metric.Name })
		if r.Metric.Counts {
			s.counts(id, r.Count, r.Labels...)
		} else {
			s.level(id, r.Value, r.Labels...)
		}
	}
}

// itself reports on the collector.
func (c *Collector) itself(f *findings, now time.Time) {
	for _, x := range f.failures {
		c.errors[failure{cluster: x.cluster, call: x.call}]++
		c.complain.about(x, now)
	}
	s := f.section("collector", c.opts.Identity.cluster(), label("host", c.opts.HostName))
	s.counts(selfRounds, c.rounds)
	if c.rounds > 1 {
		s.level(selfSeconds, c.took.Seconds())
	}
	var calls []failure
	for x := range c.errors {
		calls = append(calls, x)
	}
	slices.SortFunc(calls, func(a, b failure) int { return strings.Compare(a.cluster+"\x00"+a.call, b.cluster+"\x00"+b.call) })
	for _, x := range calls {
		s.counts(selfErrors, c.errors[x], metric.Label{Name: "cluster", Value: x.cluster}, metric.Label{Name: "call", Value: x.call})
	}
}

func label(name, value string) metric.Labels {
	if value == "" {
		return nil
	}
	return metric.Labels{{Name: name, Value: value}}
}

// complaints logs failures, each kind once a minute.
type complaints struct {
	log  *slog.Logger
	next map[failure]time.Time
}

func (c *complaints) about(x failure, now time.Time) {
	kind := failure{cluster: x.cluster, call: x.call}
	if now.Before(c.next[kind]) {
		return
	}
	c.next[kind] = now.Add(time.Minute)
	c.log.Warn("collecting failed; again after a minute at the earliest", "cluster", x.cluster, "call", x.call, "error", x.err)
}
