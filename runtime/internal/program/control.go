package program

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// control is what a control rule does with a series; keep is the zero control.
type control struct {
	drop        bool
	protects    bool // keep of a guard: overload gives nothing of it up
	step        Step
	wholeSeries bool     // sample: decide for the series, not for each sample
	sinks       []string // route: sinks it names
	topic       string   // route: processed topic of the stream it names
	input       string   // route: topic that the stream reads, "" when it has no processed topic
	to          []string // route: the names as written
}

// tiers in the order in which they decide.
var tiers = [...]string{"guard", "tenant", "default"}

// The words of pick and per.
var (
	picks = map[string]Pick{"": Last, "last": Last, "first": First, "max": Max, "min": Min}
	pers  = map[string]Per{"": PerSeries, "series": PerSeries, "task": PerTask, "rule": PerRule}
)

// controls compiles the control rules of all teams.
func (c *compiler) controls() {
	by := func(v policy.Control) (rank, order int) { return slices.Index(tiers[:], v.Tier), v.Order }
	for _, e := range inOrder(c.set, c.from, SectionControl, func(t *policy.Team) map[string]policy.Control { return t.Control }, by) {
		at, v := e.place, e.of.Control[e.name]
		r := c.ordered(&v.Ordered, e, v.Action)
		if !slices.Contains(tiers[:], v.Tier) {
			c.fail(diag.BadValue, at.in(".tier"), fmt.Sprintf("there is no tier %q", v.Tier), "write guard, tenant or default")
		}
		r.control = c.shareControl(c.control(&v, at))
	}
}

// plainControl is what tells a control from others where it is no route.
type plainControl struct {
	drop, protects, wholeSeries bool
	step                        Step
}

// shareControl returns a control that is equal, if there was one: thousands of rules do one
// of a few things.
func (c *compiler) shareControl(do control) *control {
	if do.to != nil {
		own := do
		return &own
	}
	key := plainControl{do.drop, do.protects, do.wholeSeries, do.step}
	if known := c.controlled[key]; known != nil {
		return known
	}
	if c.controlled == nil {
		c.controlled = map[plainControl]*control{}
	}
	shared := do // a parameter that is pointed to would have every rule make its own
	c.controlled[key] = &shared
	return &shared
}

func (c *compiler) control(v *policy.Control, at place) control {
	switch v.Action {
	case "drop":
		return control{drop: true}
	case "keep":
		return control{protects: v.Tier == tiers[0]}
	case "sample":
		if !(v.Rate > 0 && v.Rate < 1) {
			c.fail(diag.BadValue, at.in(".rate"), "a share must be above 0 and below 1", "use keep to let everything through, and drop to let nothing through")
			return control{}
		}
		return control{step: Step{Kind: SampleStep, Share: uint64(v.Rate * (1 << 64))}, wholeSeries: v.By != "record"}
	case "thin":
		pick := lookup(c, v.Pick, at.in(".pick"), picks)
		return control{step: Step{Kind: ThinStep, Every: c.duration(v.Every, at.in(".every")), Pick: pick}}
	case "limit":
		per := lookup(c, v.Per, at.in(".per"), pers)
		if !(v.Rate > 0) {
			c.fail(diag.BadValue, at.in(".rate"), "a rate must be above 0", "write a number of samples per second")
		}
		return control{step: Step{Kind: LimitStep, Rate: v.Rate, Per: per}}
	case "route":
		return c.route(v.To, at.in(".to"))
	}
	c.fail(diag.BadValue, at.in(".action"), fmt.Sprintf("there is no control action %q", v.Action), "")
	return control{}
}

// route sorts the names a route is given into sinks and streams. The team's own
// come first, then the platform's, then those of the other teams.
func (c *compiler) route(to []string, at place) control {
	out := control{to: to}
	for _, name := range to {
		switch stream, isSink := c.target(name, at.team); {
		case isSink:
			out.sinks = append(out.sinks, name)
		case stream == nil:
			c.fail(diag.UnknownName, at, fmt.Sprintf("there is no sink and no stream %q", name), "name a sink or a stream of the set")
		case out.topic != "" && out.topic != stream.Processed:
			c.fail(diag.Conflict, at, "a route leads to one stream at most", "write a rule for each stream, or name sinks")
		default:
			out.topic = stream.Processed
			if out.input == "" && !stream.Direct && len(stream.Topics) > 0 {
				out.input = stream.Topics[0]
			}
		}
	}
	return out
}

func (c *compiler) target(name, team string) (stream *policy.Stream, isSink bool) {
	teams := slices.Clone(c.set.Teams)
	rank := func(t policy.Team) int {
		switch t.Name {
		case team:
			return 0
		case policy.PlatformTeam:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(teams, func(a, b policy.Team) int { return cmp.Compare(rank(a), rank(b)) })
	for _, t := range teams {
		if _, ok := t.Sink[name]; ok {
			return nil, true
		}
		if s, ok := t.Stream[name]; ok {
			return &s, false
		}
	}
	return nil, false
}

// lookup returns the value of a word of a rule.
func lookup[T any](c *compiler, word string, at place, words map[string]T) T {
	v, ok := words[word]
	if !ok {
		c.fail(diag.BadValue, at, fmt.Sprintf("%q is not one of the words allowed", word), "")
	}
	return v
}

func (c *compiler) duration(s string, at place) time.Duration {
	d, err := policy.ParseDuration(s)
	if err != nil || d <= 0 {
		c.fail(diag.BadQuantity, at, fmt.Sprintf("%q is not a duration above 0", s), `write a duration such as "30s" or "5m", the larger units first`)
	}
	return d
}
