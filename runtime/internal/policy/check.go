package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// A checker finds what is wrong with the meaning of a set whose shape is right.
type checker struct {
	*locator // of the team that is looked at
	team     *Team
	today    time.Time
	names    *names
	out      []diag.Diagnostic
}

// check looks at the rules whose shape is right. What needs the whole set, such as
// whether a sink exists, is looked at when these are all teams and every team's shape is
// right. The plugins are those that transforms name.
func check(teams []teamOutcome, plugins map[string]PluginInfo, today time.Time, all bool) []diag.Diagnostic {
	var out []diag.Diagnostic
	whole := all && !slices.ContainsFunc(teams, func(t teamOutcome) bool { return t.Team == nil })
	n := namesOf(teams)
	for _, t := range teams {
		if t.rules() == nil {
			continue
		}
		c := &checker{locator: t.where, team: t.rules(), today: today, names: n}
		c.streams()
		c.tasks()
		c.controls(whole)
		c.degrades()
		c.rewrites()
		c.transforms()
		c.aggregates()
		c.budgets()
		c.sinks()
		c.tests(whole)
		out = append(out, c.out...)
	}
	if whole {
		out = append(out, topics(teams)...)
		out = append(out, defaultSink(teams)...)
		out = append(out, twice(teams)...)
		out = append(out, direct(teams)...)
		out = append(out, partitions(teams, plugins)...)
		out = append(out, losing(teams)...)
		out = append(out, upsideDown(teams)...)
	}
	return out
}

func (c *checker) add(code diag.Code, message, hint string, path ...string) {
	d := c.found(code, message, path...)
	d.Hint = hint
	c.out = append(c.out, d)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (c *checker) streams() {
	for _, name := range sorted(c.team.Stream) {
		s := c.team.Stream[name]
		switch {
		case s.Level == "no-duplicate" || s.Level == "exactly-once":
			c.add(diag.LevelToCome, "level "+s.Level+" is not available yet", "write none or no-loss", "stream", name, "level")
		case s.Direct && s.Level != "none":
			c.add(diag.DirectLevel, "direct needs level none, and the level is "+s.Level,
				"the other levels need the processed topic", "stream", name, "direct")
		}
	}
}

func (c *checker) tasks() {
	for _, name := range sorted(c.team.Task) {
		t := c.team.Task[name]
		c.patterns(t.Match.Tasks, "task", name, "match", "tasks")
		if day, ok := c.day(t.Until, "task", name, "until"); ok && !c.today.IsZero() && c.today.After(day.AddDate(0, 0, 1)) {
			c.expiry("task "+name+" held until "+t.Until+", so it declares nothing now", "task", name, "until")
		}
	}
}

func (c *checker) controls(whole bool) {
	for _, name := range sorted(c.team.Control) {
		r := c.team.Control[name]
		c.ordered(r.Ordered, "control", name)
		if r.Action == "thin" {
			c.duration(r.Every, time.Millisecond, "control", name, "every")
		}
		if r.Action == "route" && whole {
			c.route(r, name)
		}
	}
}

func (c *checker) rewrites() {
	for _, name := range sorted(c.team.Rewrite) {
		r := c.team.Rewrite[name]
		c.ordered(r.Ordered, "rewrite", name)
		c.nameGlobs(r.Labels, "label", "rewrite", name, "labels")
		switch r.Action {
		case "extract":
			c.extract(r, name)
		case "rename-label":
			c.sameLabel(r.From, r.To, name, "to")
		case "prefer-label":
			c.sameLabel(r.Prefer, r.Over, name, "over")
		case "scale":
			c.scale(r, name)
		}
	}
}

// ordered looks at what rules have in common.
func (c *checker) ordered(r Ordered, section, name string) {
	c.match(&r.Match, section, name, "match")
	c.match(r.Unless, section, name, "unless")
	day, ok := c.day(r.Expires, section, name, "expires")
	if !ok || c.today.IsZero() {
		return
	}
	switch left := day.Sub(c.today); {
	case left <= 0:
		c.expiry(section+" "+name+" expired on "+r.Expires+", so it does nothing", section, name, "expires")
	case left <= expiresSoon:
		c.expiry(section+" "+name+" expires on "+r.Expires, section, name, "expires")
	}
}

// expiresSoon is how long before a rule ends that is reported.
const expiresSoon = 7 * 24 * time.Hour

func (c *checker) expiry(message string, path ...string) {
	c.add(diag.Expiring, message, "remove it, or give it a later day", path...)
	c.out[len(c.out)-1].Severity = diag.Warning
}

func (c *checker) sameLabel(a, b, name, field string) {
	if a == b {
		c.add(diag.SameLabel, "both labels are "+a+", so the rewrite does nothing", "name two different labels", "rewrite", name, field)
	}
}

// scale refuses a factor that makes a count go down.
func (c *checker) scale(r Rewrite, name string) {
	if r.Factor > 0 || len(r.Match.Kinds) == 1 && r.Match.Kinds[0] == "gauge" {
		return
	}
	c.add(diag.NegativeScale, "a negative factor makes counts go down",
		"limit the rule to gauges: match: kinds: [\"gauge\"]", "rewrite", name, "factor")
}
