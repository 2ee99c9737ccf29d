package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// TestReport is what the tests of a policy set show: the JSON of sluice test.
type TestReport struct {
	Policies string       `json:"policies"`
	Revision string       `json:"revision"`
	Tests    []TestCase   `json:"tests"` // by team and name
	Failed   int          `json:"failed"`
	Coverage RuleCoverage `json:"coverage"` // by the tests that ran

	set     *policy.Set
	fsys    fs.FS
	dir     string
	results []program.TestResult
}

// TestCase is one test that ran.
type TestCase struct {
	ID          string        `json:"id"` // team/name
	Description string        `json:"description,omitempty"`
	Pos         diag.Pos      `json:"pos"`
	Samples     int           `json:"samples"` // given
	Seconds     float64       `json:"seconds"`
	Failures    []TestFailure `json:"failures,omitempty"` // none: it passes
}

// TestFailure is one thing that is not as a test expects. All but Message is
// about a series, where the failure is.
type TestFailure struct {
	Message  string               `json:"message"` // in one line
	Series   string               `json:"series,omitempty"`
	Expected string               `json:"expected,omitempty"`
	Got      string               `json:"got,omitempty"`
	Rule     *explain.RuleView    `json:"rule,omitempty"`    // that decided
	Explain  *explain.Explanation `json:"explain,omitempty"` // of the series, as it was reported
}

// RuleCoverage says which rules tests exercise: those that decided about a series,
// changed one, or told something of a task. Rules that are not in force do not count.
type RuleCoverage struct {
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

// Test runs the tests of the policy set in dir whose team/name a regular
// expression finds; "" runs all. The tests have a clock of their own, and the
// program is the one that an instance would run. A check that refuses the set for
// anything but its tests comes without results. The error is about reading the
// directory, or wraps ErrConfig: the expression is wrong, or finds no test.
func Test(ctx context.Context, dir string, how Loading, run string) (TestReport, Report, error) {
	wanted, err := regexp.Compile(run)
	if err != nil {
		return TestReport{}, Report{}, fmt.Errorf("%w: --run is no regular expression: %w", ErrConfig, err)
	}
	l, err := loadDir(ctx, dir, how)
	if err != nil {
		return TestReport{}, Report{}, err
	}
	if l.program == nil || refusedOtherwise(l.report.Findings) {
		return TestReport{}, l.report, nil
	}
	x := l.explainer(dir)
	t := TestReport{Policies: dir, Revision: l.bundle.Digest, Tests: []TestCase{}, set: &l.bundle.Set, fsys: os.DirFS(dir), dir: dir}
	all := 0
	policy.Each(t.set, func(t *policy.Team) map[string]policy.Test { return t.Test }, func(team, name string, test policy.Test) {
		if all++; wanted.MatchString(team + "/" + name) {
			t.run(&l, x, team, name, &test)
		}
	})
	if all > 0 && len(t.Tests) == 0 {
		return t, l.report, fmt.Errorf("%w: --run %s finds none of %s", ErrConfig, run, count(all, "test"))
	}
	t.Coverage = coverage(l.program, t.results, x)
	return t, l.report, nil
}

// refusedOtherwise reports whether anything but a test refuses the set.
func refusedOtherwise(found []diag.Diagnostic) bool {
	for _, d := range found {
		if d.Severity == diag.Error && d.Code != diag.TestFailed {
			return true
		}
	}
	return false
}

// run runs one test.
func (t *TestReport) run(l *loadedSet, x *explain.Explainer, team, name string, test *policy.Test) {
	began := time.Now()
	r := l.program.TryTest(test, team, l.known.Origin)
	c := TestCase{
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

func failure(f *program.Failure, x *explain.Explainer) TestFailure {
	out := TestFailure{Message: f.Message, Series: f.Series, Expected: f.Expected, Got: f.Got}
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

func coverage(p *program.Program, results []program.TestResult, x *explain.Explainer) RuleCoverage {
	c := p.Cover(results)
	out := RuleCoverage{Percent: c.Percent()}
	for _, s := range c.Sections {
		out.Sections = append(out.Sections, SectionCoverage(s))
	}
	for _, i := range c.Unused {
		out.Never = append(out.Never, x.View(i, false))
	}
	return out
}

// TestPatch is a file whose expectations are changed to what the tests show.
type TestPatch struct {
	File string `json:"file"`
	Diff string `json:"diff"` // unified

	path     string
	old, new []byte
}

// Update says what the expectations of the tests that fail would have to be.
// Expectations that are computed cannot be rewritten; they become warnings. The
// error is about reading the directory.
func (t *TestReport) Update() ([]TestPatch, []diag.Diagnostic, error) {
	var edits []policy.ExpectEdit
	for i := range t.Tests {
		if len(t.Tests[i].Failures) == 0 || t.results[i].Seen.Kept == nil {
			continue // it passes, or could not run
		}
		team, name, _ := strings.Cut(t.Tests[i].ID, "/")
		for j := range t.set.Teams {
			if t.set.Teams[j].Name == team {
				test := t.set.Teams[j].Test[name]
				edits = append(edits, expectations(team, name, &test, &t.results[i].Seen)...)
			}
		}
	}
	snap, _, err := policy.Take(t.fsys)
	if err != nil {
		return nil, nil, err
	}
	files, found := policy.UpdateTests(snap, edits)
	var out []TestPatch
	for i := range files {
		f := &files[i]
		name := path.Join(filepath.ToSlash(t.dir), f.File)
		if diff := f.Diff(name); diff != "" {
			out = append(out, TestPatch{name, diff, filepath.Join(t.dir, filepath.FromSlash(f.File)), f.Old, f.New})
		}
	}
	return out, diag.Rebase(found, t.dir), nil
}

// Write puts the new text into the file, if nobody has changed it since.
func (p *TestPatch) Write() error {
	info, err := os.Stat(p.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	now, err := os.ReadFile(p.path)
	if err == nil && string(now) != string(p.old) {
		err = errors.New(p.File + " has changed in the meantime")
	}
	if err == nil {
		err = os.WriteFile(p.path, p.new, info.Mode().Perm())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// Summary is one line for people.
func (t *TestReport) Summary() string {
	if len(t.Tests) == 0 {
		return "no tests"
	}
	covered, rules := 0, 0
	for _, s := range t.Coverage.Sections {
		covered += s.Exercised
		rules += s.Rules
	}
	outcome := count(len(t.Tests), "test") + " passed"
	if t.Failed > 0 {
		outcome = fmt.Sprintf("%d of %s failed", t.Failed, count(len(t.Tests), "test"))
	}
	who := "they exercise"
	if len(t.Tests) == 1 {
		who = "it exercises"
	}
	return fmt.Sprintf("%s; %s %d of %s", outcome, who, covered, count(rules, "rule"))
}
