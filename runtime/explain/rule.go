package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/spell"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// RuleExplanation says what a rule is and what it matches.
type RuleExplanation struct {
	RuleView
	Inert     string       `json:"inert,omitempty"` // why it never matches
	Catalogue *NameReach   `json:"catalogue,omitempty"`
	Traffic   *RuleTraffic `json:"traffic,omitempty"`
	Notes     []string     `json:"notes,omitempty"` // what was taken for granted
}

// NameReach says which of Flink's metrics a rule matches by what their name, kind
// and origin tell. Origins and names of a job's own metrics are not in it.
type NameReach struct {
	Of      int      `json:"of"`      // metrics in the catalogue
	Always  int      `json:"always"`  // matched
	Perhaps int      `json:"perhaps"` // matched for some tasks, tags or labels
	Names   []string `json:"names"`   // the first of them
}

// RuleTraffic says what a rule does to recorded traffic.
type RuleTraffic struct {
	Series  int           `json:"series"`  // in the traffic
	Matched int           `json:"matched"` // by the rule alone
	Acts    int           `json:"acts"`    // series that it decides about, or rewrites
	Samples uint64        `json:"samples"` // of those
	Top     []SeriesCount `json:"top"`     // with the most samples
}

// SeriesCount is a series and how often it was reported.
type SeriesCount struct {
	Series  string `json:"series"`  // in PromQL notation
	Samples uint64 `json:"samples"` // how many came
}

// Bounds of lists for people.
const (
	maxNames = 10
	maxTop   = 10
)

// rule explains one rule.
func (x *Explainer) rule(name string, seen *traffic.Recording) (*RuleExplanation, error) {
	i, err := Find(x.rules, name)
	if err != nil {
		return nil, err
	}
	e := &RuleExplanation{RuleView: x.View(i, true), Inert: x.rules[i].Inert}
	if e.Section != program.SectionControl && e.Section != program.SectionRewrite {
		return e, nil
	}
	e.Catalogue = x.reach(i)
	if e.Catalogue.Always+e.Catalogue.Perhaps == 0 {
		e.Notes = append(e.Notes, "it matches none of Flink's own metrics: it is for metrics of the jobs, or its patterns are wrong")
	}
	if seen != nil {
		e.Traffic = x.inForce(i, seen)
	}
	return e, nil
}

// Find returns which of rules a name means: team/rule, rule, or either behind a
// section and a colon. The error is a *QuestionError.
func Find(rules []program.Rule, name string) (int32, error) {
	section, id, sectioned := strings.Cut(name, ":")
	if !sectioned {
		section, id = "", name
	}
	var hits []int32
	var ids []string
	for i, r := range rules {
		_, short, _ := strings.Cut(string(r.ID), "/")
		if (string(r.ID) == id || short == id) && (!sectioned || r.Section == section) {
			hits = append(hits, int32(i))
		}
		ids = append(ids, string(r.ID))
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil
	case len(hits) > 1:
		var all []string
		for _, i := range hits {
			all = append(all, rules[i].Section+":"+string(rules[i].ID))
		}
		return 0, &QuestionError{Field: "rule", Offset: -1, Message: fmt.Sprintf("%q means several rules", name), Hint: "write one of " + strings.Join(all, ", ")}
	}
	bad := &QuestionError{Field: "rule", Offset: -1, Message: fmt.Sprintf("the set has no rule %q", name)}
	if !strings.Contains(id, "/") { // the team was left out; else a name without one is no answer
		for i, r := range ids {
			ids[i] = r[strings.IndexByte(r, '/')+1:]
		}
	}
	if near := spell.Nearest(id, ids); near != "" {
		bad.Hint = "did you mean " + near + "?"
	}
	return 0, bad
}

// bare takes the marks of what differs from one installation to the next out of a name.
var bare = strings.NewReplacer("<", "", ">", "")

// reach counts which metrics of the catalogue a rule matches. What differs from
// one installation to the next in a name stands as the catalogue calls it.
func (x *Explainer) reach(rule int32) *NameReach {
	n := &NameReach{Names: []string{}}
	for _, e := range x.known.Entries() {
		n.Of++
		name := metric.SeriesName(e.Scope, bare.Replace(e.Name))
		switch x.program.Reach(rule, name, e.Kind, e.Origin) {
		case program.MatchesNone:
			continue
		case program.MatchesAll:
			n.Always++
		case program.MatchesSome:
			n.Perhaps++
		}
		if len(n.Names) < maxNames {
			n.Names = append(n.Names, name)
		}
	}
	return n
}

// inForce counts what a rule does to recorded traffic.
func (x *Explainer) inForce(rule int32, seen *traffic.Recording) *RuleTraffic {
	t := &RuleTraffic{Series: len(seen.Series), Top: []SeriesCount{}}
	for _, s := range seen.Series {
		if x.program.Why(rule, s.Input) != "" {
			continue
		}
		t.Matched++
		if !x.acts(rule, s.Input) {
			continue
		}
		t.Acts++
		t.Samples += s.Samples
		t.Top = append(t.Top, SeriesCount{metric.SeriesText(s.Input.Name, s.Input.Labels), s.Samples})
	}
	slices.SortStableFunc(t.Top, func(a, b SeriesCount) int { return cmp.Compare(b.Samples, a.Samples) })
	t.Top = t.Top[:min(len(t.Top), maxTop)]
	return t
}

// acts reports whether a rule decides about a series, or is applied to it.
func (x *Explainer) acts(rule int32, in program.Input) bool {
	_, events := x.program.Explain(in)
	return slices.ContainsFunc(events, func(e program.Event) bool { return e.Rule == rule && e.Mismatch == "" })
}

// nearestNames are names of the catalogue that may be meant by an unknown one: the
// nearest by its letters, and those that end like it.
func (x *Explainer) nearestNames(name string) (near []string) {
	names := x.knownNames()
	if n := spell.Nearest(name, names); n != "" {
		near = append(near, n)
	}
	last := name[strings.LastIndexByte(name, '_')+1:]
	for _, n := range names {
		if last != "" && strings.HasSuffix(strings.ToLower(n), "_"+strings.ToLower(last)) && !slices.Contains(near, n) && len(near) < 3 {
			near = append(near, n)
		}
	}
	return near
}
