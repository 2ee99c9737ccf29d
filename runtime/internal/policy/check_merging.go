package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// What a window may last, and how long it may wait: after a restart the last
// windows are read again.
const (
	leastWindow  = time.Second
	longestHeld  = 5 * time.Minute
	windowWanted = "write a duration from \"1s\" to \"5m\""
)

func (c *checker) aggregates() {
	for _, name := range sorted(c.team.Aggregate) {
		a := c.team.Aggregate[name]
		c.ordered(a.Ordered, "aggregate", name)
		c.held(a.Window, leastWindow, windowWanted, "aggregate", name, "window")
		c.held(a.Late, 0, "write a duration of \"5m\" at most", "aggregate", name, "late")
		if (len(a.Drop) == 0) == (len(a.Keep) == 0) {
			c.add(diag.AggregateLabels, "an aggregate needs either drop or keep",
				"drop lists the labels that go, keep those that stay", "aggregate", name)
		}
		if a.Members == "keep" && a.Into == "" {
			c.add(diag.AggregateInto, "members that are kept need another name for what they become",
				"give the aggregate a name with into", "aggregate", name, "members")
		}
		if a.Gauge == "" && (len(a.Match.Kinds) == 0 || slices.Contains(a.Match.Kinds, "gauge")) {
			c.add(diag.GaugeUnchosen, "the aggregate may match gauges and does not say how to put them together",
				"write gauge: \"avg\", \"sum\", \"min\", \"max\", \"last\" or \"count\", or match kinds without gauge", "aggregate", name)
		}
	}
}

// held looks at a duration for which samples are held.
func (c *checker) held(text string, least time.Duration, hint string, path ...string) {
	d, err := ParseDuration(text)
	if err != nil {
		c.duration(text, least, path...)
		return
	}
	if d < least || d > longestHeld {
		c.add(diag.WindowBounds, fmt.Sprintf("%s cannot be %s", path[len(path)-1], text), hint, path...)
	}
}

func (c *checker) budgets() {
	for _, name := range sorted(c.team.Budget) {
		b := c.team.Budget[name]
		c.ordered(b.Ordered, "budget", name)
		if b.Growth != nil {
			c.duration(b.Growth.Within, time.Second, "budget", name, "growth", "within")
		}
		if b.Series == 0 && b.SamplesPerSecond == 0 && b.Growth == nil {
			c.add(diag.BudgetUnbound, "a budget needs a bound", "give series, samplesPerSecond or growth", "budget", name)
		}
	}
}
