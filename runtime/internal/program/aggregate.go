package program

import (
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Aggregation says what a cell makes of its members. Two that are equal may share
// the state of a rule that has not changed.
type Aggregation struct {
	Window, Late time.Duration // aligned to the epoch of report_timestamp; at least 1 ms, and 0
	Gauge        Reduce
	Quantiles    bool // of a histogram, the greatest; false: none
}

// Merge says which cell takes the samples of a series: all series with the same
// one, kind and destination share it.
type Merge struct {
	Aggregation
	Rule   int32 // index in Program.Rules
	Name   string
	Labels metric.Labels
	Keep   bool // samples go on by themselves as well
}

// aggregate is a compiled rule of the aggregate section.
type aggregate struct {
	Aggregation
	drop, keep []string // labels; one of them is empty
	into       string
	members    bool // go on as well
}

// reductions are the words of gauge. An aggregate without one matches no gauges.
var reductions = map[string]Reduce{
	"": Sum, "sum": Sum, "avg": Average, "min": Least, "max": Greatest, "last": Newest, "count": Members,
}

// aggregates compiles the aggregates of all teams.
func (c *compiler) aggregates() {
	by := func(v policy.Aggregate) (rank, order int) { return 0, v.Order }
	for _, e := range inOrder(c.set, c.from, SectionAggregate, func(t *policy.Team) map[string]policy.Aggregate { return t.Aggregate }, by) {
		at, v := e.place, e.of.Aggregate[e.name]
		r := c.ordered(&v.Ordered, e, "aggregate")
		if (len(v.Drop) == 0) == (len(v.Keep) == 0) {
			c.fail(diag.AggregateLabels, at, "an aggregate needs either drop or keep", "drop lists the labels that go, keep those that stay")
		}
		r.aggregate = &aggregate{
			Aggregation: Aggregation{
				Window: c.duration(v.Window, at.in(".window")), Gauge: lookup(c, v.Gauge, at.in(".gauge"), reductions),
				Quantiles: v.Quantiles == "max",
			},
			drop: v.Drop, keep: v.Keep, into: v.Into, members: v.Members == "keep",
		}
		if v.Late != "0s" {
			r.aggregate.Late = c.duration(v.Late, at.in(".late"))
		}
	}
}

// merge finds the aggregate that takes a series as the rewrites have left it.
func (p *Program) merge(x *subject, c *candidates, v *Verdict, rec *recorder) {
	for i := c.next(p.rewrites, p.aggregates); i < p.aggregates; i = c.next(i+1, p.aggregates) {
		r := &p.rules[i]
		if why := r.mismatch(x); why != "" {
			rec.considered(int32(i), why)
			continue
		}
		a := r.aggregate
		m := &Merge{Aggregation: a.Aggregation, Rule: int32(i), Name: v.Name, Labels: a.labels(v.Labels), Keep: a.members}
		if a.into != "" {
			m.Name = a.into
		}
		v.Merge = m
		rec.merged(int32(i), v, m)
		return
	}
}

// labels are those that an aggregate leaves. The number of the attempt is not one
// of them unless it is asked for: a total is to survive attempts.
func (a *aggregate) labels(all metric.Labels) metric.Labels {
	out := make(metric.Labels, 0, len(all))
	for _, l := range all {
		if slices.Contains(a.keep, l.Name) || len(a.drop) > 0 && l.Name != metric.AttemptLabel && !slices.Contains(a.drop, l.Name) {
			out = append(out, l)
		}
	}
	return out
}
