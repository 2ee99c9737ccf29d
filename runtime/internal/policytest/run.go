// Package policytest runs the tests that a policy set brings, says what their
// expectations would have to be, and makes tests of recorded series. What a test does
// to the program, package program knows; this package knows how it is told to who
// wrote the test. It does not know where sets come from, nor which are refused.
package policytest

import (
	"regexp"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Report is what the tests of a policy set show: the JSON of sluice test.
type Report struct {
	Policies string   `json:"policies"` // the directory of the set
	Revision string   `json:"revision"`
	Tests    []Case   `json:"tests"` // by team and name
	Failed   int      `json:"failed"`
	Coverage Coverage `json:"coverage"` // by the tests that ran

	set     *policy.Set
	results []program.TestResult
}

// Case is one test that ran.
type Case struct {
	ID          string    `json:"id"` // team/name
	Description string    `json:"description,omitempty"`
	Pos         diag.Pos  `json:"pos"`
	Samples     int       `json:"samples"` // given
	Seconds     float64   `json:"seconds"`
	Failures    []Failure `json:"failures,omitempty"` // none: it passes
}

// Failure is one thing that is not as a test expects. All but Message is
// about a series, where the failure is.
type Failure struct {
	Message  string               `json:"message"` // in one line
	Series   string               `json:"series,omitempty"`
	Expected string               `json:"expected,omitempty"`
	Got      string               `json:"got,omitempty"`
	Rule     *explain.RuleView    `json:"rule,omitempty"`    // that decided
	Explain  *explain.Explanation `json:"explain,omitempty"` // of the series, as it was reported
}

// Coverage says which rules tests exercise: those that decided about a series,
// changed one, or told something of a task. Rules that are not in force do not count.
type Coverage struct {
	Percent  float64            `json:"percent"`
	Sections []SectionCoverage  `json:"sections,omitempty"`
	Never    []explain.RuleView `json:"never,omitempty"` // rules that no test exercises
}

// SectionCoverage counts the rules of a section.
type SectionCoverage struct {
	Section   string `json:"section"`
	Rules     int    `json:"rules"`
	Exercised int    `json:"exercised"`
}

// Run runs the tests of a set whose team/name wanted finds. The tests have a clock of
// their own, and the program is the one that an instance would run. The files of the
// set lie in the directory set.Dir; revision is its digest. all is how many tests the set has.
func Run(set explain.Set, revision string, wanted *regexp.Regexp) (report Report, all int) {
	x := explain.New(set, explain.Instance{})
	t := Report{Policies: set.Dir, Revision: revision, Tests: []Case{}, set: set.Policies}
	policy.Each(set.Policies, func(t *policy.Team) map[string]policy.Test { return t.Test }, func(team, name string, test policy.Test) {
		if all++; wanted.MatchString(team + "/" + name) {
			t.run(&set, x, team, name, &test)
		}
	})
	t.Coverage = coverage(set.Program, t.results, x)
	return t, all
}

// run runs one test.
func (t *Report) run(set *explain.Set, x *explain.Explainer, team, name string, test *policy.Test) {
	began := time.Now()
	r := set.Program.TryTest(test, team, set.Known.Origin)
	c := Case{
		ID: team + "/" + name, Description: test.Description, Pos: x.Place(team, "test", name),
		Samples: r.Samples, Seconds: time.Since(began).Seconds(),
	}
	for _, f := range r.Failures {
		c.Failures = append(c.Failures, failure(&f, x))
	}
	if len(c.Failures) > 0 {
		t.Failed++
	}
	r.ID = program.RuleID(c.ID)
	t.Tests, t.results = append(t.Tests, c), append(t.results, r)
}

func failure(f *program.Failure, x *explain.Explainer) Failure {
	out := Failure{Message: f.Message, Series: f.Series, Expected: f.Expected, Got: f.Got}
	if f.Rule != program.NoRule {
		v := x.View(f.Rule, false)
		out.Rule = &v
	}
	if f.Input != nil {
		e := x.Series(*f.Input)
		out.Explain = &e
	}
	return out
}

func coverage(p *program.Program, results []program.TestResult, x *explain.Explainer) Coverage {
	c := p.Cover(results)
	out := Coverage{Percent: c.Percent()}
	for _, s := range c.Sections {
		out.Sections = append(out.Sections, SectionCoverage(s))
	}
	for _, i := range c.Unused {
		out.Never = append(out.Never, x.View(i, false))
	}
	return out
}
