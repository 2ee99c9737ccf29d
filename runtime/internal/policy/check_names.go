package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/spell"
)

// names are those that a set declares, over all teams, for references to them.
type names struct {
	places []string            // sinks and streams
	rules  map[string][]string // rules that may end a series, and tasks, by team
}

func namesOf(teams []teamOutcome) *names {
	n := &names{rules: map[string][]string{}}
	for _, t := range teams {
		if t.Team == nil {
			continue
		}
		n.places = append(n.places, sorted(t.Team.Sink)...)
		n.places = append(n.places, sorted(t.Team.Stream)...)
		n.rules[t.Team.Name] = slices.Concat(sorted(t.Team.Control), sorted(t.Team.Transform), sorted(t.Team.Aggregate), sorted(t.Team.Budget), sorted(t.Team.Degrade), sorted(t.Team.Task))
	}
	slices.Sort(n.places)
	n.places = slices.Compact(n.places)
	return n
}

// route looks for the places that a route names.
func (c *checker) route(r Control, name string) {
	for i, to := range r.To {
		if slices.Contains(c.names.places, to) {
			continue
		}
		c.add(diag.UnknownName, fmt.Sprintf("the set has no sink or stream %s", to),
			suggest(to, c.names.places), "control", name, "to", fmt.Sprint(i))
	}
}

// suggest returns the hint for a name that does not exist.
func suggest(name string, known []string) string {
	if near := spell.Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(known) == 0 {
		return "there are none"
	}
	return "there are: " + strings.Join(known[:min(len(known), 12)], ", ")
}

// tests looks for the rules and places that tests expect, and at their durations.
func (c *checker) tests(whole bool) {
	for _, name := range sorted(c.team.Test) {
		t := c.team.Test[name]
		for i, in := range t.Given {
			c.duration(in.At, 0, "test", name, "given", fmt.Sprint(i), "at")
		}
		if !whole {
			continue
		}
		for i, d := range t.Expect.Dropped {
			team, rule, ok := strings.Cut(d.By, "/")
			if !ok {
				team, rule = c.team.Name, d.By
			}
			if _, ok := c.names.rules[team]; !ok {
				c.add(diag.UnknownName, "the set has no team "+team, suggest(team, sorted(c.names.rules)),
					"test", name, "expect", "dropped", fmt.Sprint(i), "by")
			} else if !slices.Contains(c.names.rules[team], rule) {
				c.add(diag.UnknownName, fmt.Sprintf("team %s has no control or degrade rule, transform, aggregate, budget or task %s", team, rule),
					suggest(rule, c.names.rules[team]), "test", name, "expect", "dropped", fmt.Sprint(i), "by")
			}
		}
		for i, s := range t.Expect.Kept {
			for j, to := range s.To {
				if !slices.Contains(c.names.places, to) {
					c.add(diag.UnknownName, fmt.Sprintf("the set has no sink or stream %s", to),
						suggest(to, c.names.places), "test", name, "expect", "kept", fmt.Sprint(i), "to", fmt.Sprint(j))
				}
			}
		}
	}
}

// defaultSink warns of a set whose sinks get nothing but what is routed to them.
func defaultSink(teams []teamOutcome) []diag.Diagnostic {
	var first *diag.Diagnostic
	for _, t := range teams {
		for _, name := range sorted(t.Team.Sink) {
			if t.Team.Sink[name].Default {
				return nil
			}
			if first == nil {
				d := t.where.found(diag.NoDefaultSink, "no sink takes what no route sends", "sink", name)
				d.Severity, d.Hint = diag.Warning, "give one sink default: true"
				first = &d
			}
		}
	}
	if first == nil {
		return nil
	}
	return []diag.Diagnostic{*first}
}
