// Package analysis finds what is wrong with a policy set as a whole: rules that
// contradict each other, that can never decide, that read what is not there, and
// rewrites that make one series of several. Each question is about all series
// there can be, so it is decided by automata; where it is not decided, that is
// said.
//
// What the findings claim holds by construction. A series shown as an example is
// matched by the rules it is shown for, with tags that the task section gives it.
// It is sought among tasks whose name alone meets a rule: one whose
// torrent_task_id meets the one rule and whose job_name the other is not
// considered. "Can never decide" is claimed for all series, whatever their tags.
//
// # Labels that tell series apart
//
// Two series that live at the same time become one when rewrites take the last
// label away that differs between them. Which labels those are depends on what is
// measured: the subtasks of a vertex differ by subtask_index and may otherwise be
// equal, since they may run in one process; vertices differ by task_id and
// task_name; operators chained in one task by operator_id and operator_name; task
// managers by tm_id and host; splits, topics, partitions, column families by the
// label of their name. Of labels that name the same thing, one is enough. A job
// needs none: its series differ by torrent_task_id. Attempts need none either:
// task_attempt_num and task_attempt_id differ between two lives of one subtask,
// which are never there at the same time.
//
// Whether series meet is not deduced but tried: two series of a metric that Flink
// is known to report, equal but for such labels, go through the program, the one
// interpreter of rules, and are compared. So a rule that moves an identity to
// another label (a short identifier, a new name) raises no alarm.
//
// The package does not know how sets are loaded or run, and refuses nothing by
// itself: it returns findings.
package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Options are what the analysis needs beside the set.
type Options struct {
	// Today decides which rules have expired, as in program.Options. Rules that
	// are disabled or have expired are left out.
	Today time.Time

	// Program is the set, compiled for the same day.
	Program *program.Program

	// Catalogue is what is known of Flink's metrics.
	Catalogue *catalogue.Catalogue

	// Known are metrics that Sluice itself reports.
	Known []Metric

	// Without are sections of which some rules are left out, since they are wrong:
	// findings that those could make untrue are left out, too.
	Without map[string]bool

	// Provenance places findings where their authors wrote them. It may be nil.
	Provenance policy.Provenance
}

// Metric is a series name, or "", with patterns of the labels that its series have.
type Metric struct {
	Series string
	Labels []string
}

// budget bounds the whole analysis, in units of automaton.Search: two or three
// seconds, which only sets take that are made to.
const budget = 500_000_000

// Findings returns what is wrong with a set that package policy has accepted and
// package program has compiled, sorted by place.
func Findings(set *policy.Set, opts Options) []diag.Diagnostic {
	return slices.DeleteFunc(prepare(set, opts).findings(), func(d diag.Diagnostic) bool {
		return slices.ContainsFunc(hangsOn[d.Code], func(section string) bool { return opts.Without[section] })
	})
}

// hangsOn lists the sections whose rules could make a finding untrue: of those that
// take what a rule matches before, that give a label, or that keep series apart. What
// tags there are, entries of task say.
var hangsOn = map[diag.Code][]string{
	diag.Ambiguous:     {"task", "control", "aggregate"},
	diag.NeverDecides:  {"task"},
	diag.Overruled:     {"task"},
	diag.UnknownMetric: {"test"},
	diag.UnknownLabel:  {"task", "rewrite", "transform", "test"},
	diag.LabelGone:     {"task", "rewrite", "transform"},
	diag.TwoWriters:    {"task"},
	diag.Merges:        {"task", "control", "degrade", "rewrite", "transform", "aggregate", "budget"},
	diag.UnsaidLoss:    {"stream"},
}

func (a *analyser) findings() []diag.Diagnostic {
	a.ambiguous()
	a.neverDecide()
	a.loss()
	a.unknownMetrics()
	a.unknownLabels()
	a.labelsGone()
	a.twoWriters()
	a.pluginLabels()
	a.merges()
	a.notAnalysed()
	return diag.Sort(a.found)
}

// prepare reads the rules of a set.
func prepare(set *policy.Set, opts Options) *analyser {
	a := &analyser{
		opts: opts, set: set, search: &automaton.Search{Left: budget}, sets: map[string]*automaton.Set{},
		overlaps: map[[2]*automaton.Set]bool{}, dims: map[string]int{}, unsure: map[*rule]bool{},
	}
	a.text = texts{
		seriesNames: a.must("re:[a-zA-Z_:][a-zA-Z0-9_:]*"), someText: a.must("?*"), noText: a.must(""), nothing: a.must(),
	}
	for _, l := range flinkLabels {
		a.dim(labelDim + l)
	}
	a.dim(tagDim + teamTag)
	a.gather()
	a.readEntries()
	return a
}

// analyser looks at one set.
type analyser struct {
	opts     Options
	set      *policy.Set
	search   *automaton.Search
	sets     map[string]*automaton.Set // by patterns
	text     texts
	overlaps map[[2]*automaton.Set]bool
	dims     map[string]int // label and tag dimensions by name
	dimNames []string

	// Rules in force, in the order of evaluation; others are degrade rules and budgets.
	controls, rewrites, transforms, aggregates, others []*rule

	byID    map[string]*rule
	byIndex []*rule // by index in Program.Rules
	entries []entry

	ambiguousPairs map[[2]*rule]bool
	unsure         map[*rule]bool // rules that some question about was given up
	found          []diag.Diagnostic
}

// texts are sets that are needed everywhere.
type texts struct {
	seriesNames, someText, noText, nothing *automaton.Set
}

// must is the set of patterns that are part of the program.
func (a *analyser) must(patterns ...string) *automaton.Set {
	s, err := a.search.Compile(patterns...)
	if err != nil {
		panic(fmt.Sprintf("patterns %q: %v", patterns, err))
	}
	return s
}

// add reports a finding about a field of a rule, "" for the rule.
func (a *analyser) add(code diag.Code, severity diag.Severity, r *rule, field, message, hint string, notes ...diag.Note) {
	path := r.section + "." + r.name
	if field != "" {
		path += "." + field
	}
	a.found = append(a.found, diag.Diagnostic{
		Code: code, Severity: severity, Pos: a.place(r, field), Path: "policy." + path,
		Message: message, Hint: hint, Notes: notes,
	})
}

// place is where a field of a rule was written, or the rule if the field is a default.
func (a *analyser) place(r *rule, field string) diag.Pos {
	at := r.team + "." + r.section + "." + r.name
	if field != "" {
		at += "." + field
	}
	return a.opts.Provenance.Near(at)
}

func (a *analyser) note(r *rule, field, message string) diag.Note {
	return diag.Note{Pos: a.place(r, field), Message: message}
}

// patterns returns the set of what patterns match; nil when there is none to be had.
func (a *analyser) patterns(list []string) (*automaton.Set, error) {
	key := strings.Join(list, "\x00")
	if s, ok := a.sets[key]; ok {
		if s == nil {
			return nil, automaton.ErrTooLarge
		}
		return s, nil
	}
	s, err := a.search.Compile(list...)
	if err != nil {
		s = nil
	}
	a.sets[key] = s
	return s, err
}

// literal is the set with one member.
func (a *analyser) literal(v string) *automaton.Set {
	if strings.ContainsAny(v, "*?") || strings.HasPrefix(v, "re:") {
		v = "re:" + regexp.QuoteMeta(v)
	}
	s, err := a.patterns([]string{v})
	if err != nil {
		return a.text.nothing
	}
	return s
}

// overlap reports whether two sets have a member in common; true when that is not known.
func (a *analyser) overlap(x, y *automaton.Set) bool {
	if x == y || x.All() || y.All() {
		return true
	}
	if p, q := x.Prefix(), y.Prefix(); !strings.HasPrefix(p, q) && !strings.HasPrefix(q, p) {
		return false
	}
	key := [2]*automaton.Set{x, y}
	meet, ok := a.overlaps[key]
	if !ok {
		_, found, err := a.search.Find(key[:], nil)
		meet = found || err != nil
		a.overlaps[key] = meet
	}
	return meet
}

// spend takes a number of units from the budget and reports whether it is spent,
// which it remembers of a rule.
func (a *analyser) spend(r *rule, units int) bool {
	a.search.Left -= units
	if a.search.Left < 0 {
		a.unsure[r] = true
	}
	return a.search.Left < 0
}

// givenUp remembers that a question about a rule was not answered.
func (a *analyser) givenUp(r *rule, err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, automaton.ErrTooLarge) {
		a.unsure[r] = true
	}
	return true
}

// notAnalysed says which rules the analysis could not follow.
func (a *analyser) notAnalysed() {
	rules := make([]*rule, 0, len(a.unsure))
	for r := range a.unsure {
		rules = append(rules, r)
	}
	slices.SortFunc(rules, func(x, y *rule) int { return cmp.Compare(x.section+x.id(), y.section+y.id()) })
	if a.search.Left < 0 && len(rules) > 0 {
		a.add(diag.NotAnalysed, diag.Warning, rules[0], "match",
			fmt.Sprintf("the analysis was given up: the patterns of %s and of other rules take too long to compare", rules[0]),
			"write globs, or several short expressions in place of a long one; the rules work all the same")
		return
	}
	for _, r := range rules {
		a.add(diag.NotAnalysed, diag.Warning, r, "match",
			fmt.Sprintf("%s was not compared with all other rules: its patterns are too complex together", r),
			"write globs, or several short expressions in place of a long one; the rule works all the same")
	}
}
