package program

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Bound is what a budget allows each of its keys. It is at least one of the three.
type Bound struct {
	Series  int     // live series that go out; 0: any number
	Samples float64 // per second of the series that were let in; 0: any number
	Growth  int     // series let in within Within; 0: any number
	Within  time.Duration

	Drop  bool // series without room end; else they are merged
	Split bool // the samples of one key come by several partitions
}

// Charge is a budget that a series counts in.
type Charge struct {
	Bound
	Rule int32  // index in Program.Rules
	ID   RuleID // of the rule
	Key  string // whose budget: a task, a task and a metric, or a team
}

// OverflowLabel is the label of series that hold what a budget had no room for.
// Its value is the budget, team/name.
const OverflowLabel = "sluice_overflow"

// overflow is how series without room are put together.
var overflow = Aggregation{Window: time.Minute, Late: 10 * time.Second, Gauge: Sum}

// Overflow says which cell takes the samples of a series that a budget refused:
// one for each budget, task, metric and kind.
func (c *Charge) Overflow(task string, v *Verdict) *Merge {
	return &Merge{
		Aggregation: overflow, Rule: c.Rule, Name: v.Name,
		Labels: metric.Labels{}.Set(metric.TaskLabel, task).Set(OverflowLabel, string(c.ID)),
	}
}

// budget is a compiled rule of the budget section.
type budget struct {
	Bound
	per string
}

// budgets compiles the budgets of all teams.
func (c *compiler) budgets() {
	by := func(v policy.Budget) (rank, order int) { return 0, v.Order }
	for _, e := range inOrder(c.set, c.from, SectionBudget, func(t *policy.Team) map[string]policy.Budget { return t.Budget }, by) {
		at, v := e.place, e.of.Budget[e.name]
		r := c.ordered(&v.Ordered, e, "budget")
		b := &budget{Bound: Bound{Series: v.Series, Samples: v.SamplesPerSecond, Drop: v.Overflow == "drop"}, per: v.Per}
		switch v.Per {
		case "task":
			b.Split = c.spread("task")
		case "metric":
			b.Split = c.spread("task", "task-metric")
		case "team":
			b.Split = true
		default:
			c.fail(diag.BadValue, at.in(".per"), fmt.Sprintf("there is no budget per %q", v.Per), "write task, metric or team")
		}
		if v.Growth != nil {
			b.Growth, b.Within = v.Growth.Series, c.duration(v.Growth.Within, at.in(".growth.within"))
		}
		if b.Series <= 0 && !(b.Samples > 0) && b.Growth <= 0 {
			c.fail(diag.BudgetUnbound, at, "a budget needs a bound", "give series, samplesPerSecond or growth")
		}
		r.budget = b
	}
}

// spread reports whether a stream is keyed by something else than these words, so
// that what belongs together comes by several partitions.
func (c *compiler) spread(keys ...string) bool {
	for i := range c.set.Teams {
		for _, s := range c.set.Teams[i].Stream {
			if !slices.Contains(keys, cmp.Or(s.Key, "task-metric")) {
				return true
			}
		}
	}
	return false
}

// charge finds the budgets that a series counts in.
func (p *Program) charge(x *subject, c *candidates, v *Verdict, rec *recorder) {
	for i := c.next(p.aggregates, p.n); i < p.n; i = c.next(i+1, p.n) {
		r := &p.rules[i]
		why := r.mismatch(x)
		rec.considered(int32(i), why)
		if why != "" {
			continue
		}
		v.Charges = append(v.Charges, Charge{Bound: r.budget.Bound, Rule: int32(i), ID: r.ID, Key: r.budget.key(x, v)})
	}
}

func (b *budget) key(x *subject, v *Verdict) string {
	switch b.per {
	case "metric":
		return x.Task + " " + v.Name
	case "team":
		return x.task.tags.Get(teamTag)
	}
	return x.Task
}
