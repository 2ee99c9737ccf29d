package program

import (
	"fmt"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Why says for people why a rule does not match a series, "" when it does.
func (p *Program) Why(rule int32, in Input) string {
	r, x := &p.rules[rule], p.alone(in)
	why := r.mismatch(&x)
	switch {
	case why == "" && r.degrade != nil && r.degrade.letsThrough(&x):
		return "its hash is within the share that the rule lets through"
	case why == "" || why == r.Inert:
		return why
	case r.team != "" && x.task.tags.Get(teamTag) != r.team:
		if of := x.task.tags.Get(teamTag); of != "" {
			return "the task is of team " + of
		}
		return "no entry gives the task to team " + r.team
	case why == "unless":
		return "unless: " + r.unless.describe()
	}
	return r.match.why(why, &x)
}

// alone returns a series with what is known of its task, for one question.
func (p *Program) alone(in Input) subject {
	job := in.Labels.Get(jobLabel)
	return subject{Input: in, job: job, task: p.tasks.info(in.Task, job)}
}

// why puts a mismatch into words.
func (s *selector) why(mismatch string, x *subject) string {
	field, name, _ := strings.Cut(mismatch, ".")
	switch field {
	case "metrics":
		return "metric matches none of " + s.metrics.text()
	case "kinds":
		return fmt.Sprintf("kind %s is none of %s", x.Kind, strings.Join(wordTexts(s.kinds, metric.Histogram), ", "))
	case "origin":
		return fmt.Sprintf("origin %s is none of %s", x.Origin, strings.Join(wordTexts(s.origins, metric.Event), ", "))
	case "tasks":
		return "task matches none of " + s.tasks.text()
	case "labels":
		return valueText("label", name, x.Labels.Get(name), s.labels)
	case "tags":
		return valueText("tag", name, x.task.tags.Get(name), s.tags)
	}
	return mismatch
}

func valueText(what, name, value string, conditions []condition) string {
	for _, c := range conditions {
		if c.name != name {
			continue
		}
		if value == "" {
			return fmt.Sprintf("there is no %s %s, and it must match %s", what, name, c.values.text())
		}
		return fmt.Sprintf("%s %s is %q and matches none of %s", what, name, value, c.values.text())
	}
	return what + " " + name
}

// describe says what a selector asks for.
func (s *selector) describe() string {
	var parts []string
	add := func(field, value string) { parts = append(parts, field+" "+value) }
	if len(s.metrics) > 0 {
		add("metrics", s.metrics.text())
	}
	if s.kinds != 0 {
		add("kinds", strings.Join(wordTexts(s.kinds, metric.Histogram), ", "))
	}
	if s.origins != 0 {
		add("origin", strings.Join(wordTexts(s.origins, metric.Event), ", "))
	}
	if len(s.tasks) > 0 {
		add("tasks", s.tasks.text())
	}
	for _, c := range s.labels {
		add("labels."+c.name, c.values.text())
	}
	for _, c := range s.tags {
		add("tags."+c.name, c.values.text())
	}
	return strings.Join(parts, ", ")
}

// maxPatternTexts is how many patterns a reason lists.
const maxPatternTexts = 4

func (ps patterns) text() string {
	var list []string
	for i := range ps[:min(len(ps), maxPatternTexts)] {
		list = append(list, fmt.Sprintf("%q", ps[i].String()))
	}
	if more := len(ps) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// Reach says what the name, kind and origin of a series tell about a rule that is
// in force.
type Reach uint8

// The reaches.
const (
	MatchesNone Reach = iota
	MatchesSome       // it depends on the task, its tags or labels
	MatchesAll
)

// Reach tells whether a control rule or rewrite matches series of a name.
func (p *Program) Reach(rule int32, name string, kind metric.Kind, origin metric.Origin) Reach {
	r := &p.rules[rule]
	x := subject{Input: Input{Name: name, Kind: kind, Origin: origin}, task: &taskInfo{disabled: NoRule}}
	reach := r.match.reach(&x)
	if r.team != "" {
		reach = min(reach, MatchesSome)
	}
	if r.unless != nil {
		switch r.unless.reach(&x) {
		case MatchesAll:
			return MatchesNone
		case MatchesSome:
			reach = min(reach, MatchesSome)
		}
	}
	return reach
}

func (s *selector) reach(x *subject) Reach {
	byName := selector{metrics: s.metrics, kinds: s.kinds, origins: s.origins}
	if byName.mismatch(x) != "" {
		return MatchesNone
	}
	if len(s.tasks) > 0 || len(s.labels) > 0 || len(s.tags) > 0 {
		return MatchesSome
	}
	return MatchesAll
}

// Rewrite applies the rewrites to a series, whatever control decides about it,
// and lists those that matched.
func (p *Program) Rewrite(in Input) (name string, labels metric.Labels, events []Event) {
	x := p.alone(in)
	var rec recorder
	var v Verdict
	p.rewrite(&x, &candidates{}, &v, &rec)
	for _, e := range rec.events {
		if e.Mismatch == "" {
			events = append(events, e)
		}
	}
	return v.Name, v.Labels, events
}
