package analysis

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// rule is a rule of any section that selects series.
type rule struct {
	section, team, name string
	alone               bool   // there is no other team
	scope               string // the only team whose tasks it sees, "" for all
	tier, order         int
	ordered             *policy.Ordered
	control             *policy.Control
	rewrite             *policy.Rewrite
	aggregate           *policy.Aggregate
	plugin              *program.Plugin // of a transform
	match               box             // with the scope
	unless              *box
	drops               *automaton.Set // labels that a rewrite drops; nil for none
	index               int            // in the list of its section
	opaque              bool           // a pattern cannot be looked at
	changes             string         // what change returns, "" until it is asked for
}

// id names the rule within the set.
func (r *rule) id() string {
	if r.alone {
		return r.name
	}
	return r.team + "/" + r.name
}

// String names the rule for people.
func (r *rule) String() string { return r.section + " " + r.id() }

// teamTag is the tag that says whose a task is, in a set of several teams.
const teamTag = "team"

// tiers in the order in which they decide.
var tiers = [...]string{"guard", "tenant", "default"}

// gather lists the rules that are in force.
func (a *analyser) gather() {
	a.byID = map[string]*rule{}
	plugins := map[program.RuleID]*program.Plugin{}
	for _, t := range a.opts.Program.Transforms() {
		p := t.Plugin.Plugin()
		plugins[t.ID] = &p
	}
	for i := range a.set.Teams {
		t := &a.set.Teams[i]
		for name, v := range t.Control {
			if r := a.rule(t.Name, "control", name, &v.Ordered); r != nil {
				r.tier, r.control = slices.Index(tiers[:], v.Tier), &v
				a.controls = append(a.controls, r)
			}
		}
		for name, v := range t.Rewrite {
			if r := a.rule(t.Name, "rewrite", name, &v.Ordered); r != nil {
				r.rewrite = &v
				a.rewrites = append(a.rewrites, r)
			}
		}
		for name, v := range t.Aggregate {
			if r := a.rule(t.Name, "aggregate", name, &v.Ordered); r != nil {
				r.aggregate = &v
				a.aggregates = append(a.aggregates, r)
			}
		}
		for name, v := range t.Transform {
			if r := a.rule(t.Name, program.SectionTransform, name, &v.Ordered); r != nil {
				r.plugin = plugins[program.RuleID(t.Name+"/"+name)]
				a.transforms = append(a.transforms, r)
			}
		}
		for name, v := range t.Degrade {
			a.others = append(a.others, a.rule(t.Name, "degrade", name, &v.Ordered))
		}
		for name, v := range t.Budget {
			a.others = append(a.others, a.rule(t.Name, "budget", name, &v.Ordered))
		}
	}
	a.others = slices.DeleteFunc(a.others, func(r *rule) bool { return r == nil })
	for _, list := range [][]*rule{a.controls, a.rewrites, a.transforms, a.aggregates, a.others} {
		slices.SortFunc(list, func(x, y *rule) int {
			return cmp.Or(cmp.Compare(x.tier, y.tier), cmp.Compare(x.order, y.order), cmp.Compare(x.team, y.team),
				cmp.Compare(x.name, y.name), cmp.Compare(x.section, y.section))
		})
		for i, r := range list {
			r.index = i
			a.byID[r.section+" "+r.team+"/"+r.name] = r
			a.compile(r)
		}
	}
	for _, r := range a.opts.Program.Rules() {
		a.byIndex = append(a.byIndex, a.byID[r.Section+" "+string(r.ID)])
	}
}

// all lists the rules of all sections.
func (a *analyser) all() []*rule {
	return slices.Concat(a.controls, a.rewrites, a.transforms, a.aggregates, a.others)
}

// rule returns the rule of an entry, nil when it is not in force.
func (a *analyser) rule(team, section, name string, o *policy.Ordered) *rule {
	if !o.Enabled || o.Expires != "" && a.today() >= o.Expires {
		return nil
	}
	r := &rule{section: section, team: team, name: name, order: o.Order, ordered: o, alone: len(a.set.Teams) < 2}
	if !r.alone && team != policy.PlatformTeam {
		r.scope = team
	}
	return r
}

// today is the day in UTC, "" when nothing expires.
func (a *analyser) today() string {
	if a.opts.Today.IsZero() {
		return ""
	}
	return a.opts.Today.UTC().Format(time.DateOnly)
}

func (a *analyser) compile(r *rule) {
	var ok bool
	if r.match, ok = a.box(&r.ordered.Match); !ok {
		r.opaque = true
	}
	if r.scope != "" {
		r.match.conds = append(r.match.conds, cond{a.dim(tagDim + teamTag), a.literal(r.scope)})
		slices.SortStableFunc(r.match.conds, func(x, y cond) int { return x.dim - y.dim })
	}
	if r.ordered.Unless != nil {
		unless, ok := a.box(r.ordered.Unless)
		r.unless, r.opaque = &unless, r.opaque || !ok
	}
	if r.rewrite != nil && r.rewrite.Action == "drop-labels" {
		var err error
		if r.drops, err = a.patterns(r.rewrite.Labels); err != nil {
			r.drops, r.opaque = a.text.nothing, true
		}
	}
	if r.opaque {
		a.unsure[r] = true
	}
}

// effect says what a control rule or an aggregate does with a series.
func (r *rule) effect() string {
	if r.aggregate != nil {
		if len(r.aggregate.Keep) > 0 {
			return "aggregate by " + listed(r.aggregate.Keep)
		}
		return "aggregate without " + listed(r.aggregate.Drop)
	}
	switch c := r.control; c.Action {
	case "sample":
		return fmt.Sprintf("sample %v by %s", c.Rate, cmp.Or(c.By, "series"))
	case "thin":
		return fmt.Sprintf("thin to the %s of every %s", cmp.Or(c.Pick, "last"), c.Every)
	case "limit":
		return fmt.Sprintf("limit to %v per second and %s", c.Rate, cmp.Or(c.Per, "series"))
	case "route":
		return "route to " + listed(slices.Sorted(slices.Values(c.To)))
	}
	return r.control.Action
}

// change is what a rule does, in a form that rules which do the same share.
func (r *rule) change() string {
	if r.changes == "" {
		r.changes = r.newChange()
	}
	return r.changes
}

func (r *rule) newChange() string {
	if r.control != nil {
		return r.effect()
	}
	var rest any
	if r.rewrite != nil {
		v := *r.rewrite
		v.Ordered = policy.Ordered{}
		rest = v
	} else {
		v := *r.aggregate
		v.Ordered = policy.Ordered{}
		rest = v
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return r.id() // like no other
	}
	return string(text)
}

// names lists rules for people.
func names(rules []*rule) string {
	out := make([]string, len(rules))
	for i, r := range rules {
		out[i] = r.id()
	}
	return listed(out)
}

// listed writes a, b and c.
func listed(out []string) string {
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " and " + out[len(out)-1]
}
