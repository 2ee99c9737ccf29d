package cli

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime"
)

// testText draws the outcome of tests for people, in tables of so many columns; 0: as
// many as they take.
func testText(r *runtime.TestReport, coverage bool, columns int) string {
	if len(r.Tests) == 0 {
		return printable("no tests in " + r.Policies + "\n" +
			"    hint: write one beside a rule (sluice test --help shows how), or let sluice test --from-traffic FILE write some\n")
	}
	p := page{columns: columns}
	p.tests(r)
	if coverage {
		p.coverage(&r.Coverage)
	} else if n := len(r.Coverage.Never); n > 0 {
		p.line("never exercised: %s; --coverage lists them", counted(n, "rule"))
	}
	p.line("%s", testSummary(r))
	return printable(p.String())
}

// testSummary is one line about all tests.
func testSummary(r *runtime.TestReport) string {
	covered, rules := 0, 0
	for _, s := range r.Coverage.Sections {
		covered += s.Exercised
		rules += s.Rules
	}
	outcome := counted(len(r.Tests), "test") + " passed"
	if r.Failed > 0 {
		outcome = fmt.Sprintf("%d of %s failed", r.Failed, counted(len(r.Tests), "test"))
	}
	who := "they exercise"
	if len(r.Tests) == 1 {
		who = "it exercises"
	}
	return fmt.Sprintf("%s; %s %d of %s", outcome, who, covered, counted(rules, "rule"))
}

// tests has a line for each test, and what is wrong below those that fail.
func (p *page) tests(r *runtime.TestReport) {
	var g grid
	for i := range r.Tests {
		c := &r.Tests[i]
		team, name, _ := strings.Cut(c.ID, "/")
		word, about := "ok", counted(c.Samples, "sample")
		if len(c.Failures) > 0 {
			word, about = "FAIL", c.Pos.String()
		}
		g.rows = append(g.rows, []string{word, team, name, about})
	}
	for i, line := range g.draw(p.columns) {
		p.line("%s", line)
		for j := range r.Tests[i].Failures {
			p.failure(&r.Tests[i].Failures[j], explainedBefore(r.Tests[i].Failures[:j], &r.Tests[i].Failures[j]))
		}
	}
}

// explainedBefore reports whether the series of a failure has been explained with
// an earlier one.
func explainedBefore(before []runtime.TestFailure, f *runtime.TestFailure) bool {
	for i := range before {
		if before[i].Explain != nil && f.Explain != nil && before[i].Explain.Series == f.Explain.Series {
			return true
		}
	}
	return false
}

func (p *page) failure(f *runtime.TestFailure, explained bool) {
	if f.Series == "" {
		p.line("      %s", f.Message)
		return
	}
	p.line("      series    %s", f.Series)
	p.line("      expected  %s", f.Expected)
	got := f.Got
	if f.Rule != nil {
		got += "   " + f.Rule.Pos.String()
	}
	p.line("      got       %s", got)
	if f.Explain == nil || explained {
		return
	}
	const before = "      | "
	inner := page{columns: max(p.columns-len(before), 0)}
	inner.explanation(f.Explain, false)
	for line := range strings.Lines(strings.TrimPrefix(inner.String(), f.Series+"\n")) {
		p.WriteString(before + line)
	}
}

func (p *page) coverage(c *runtime.RuleCoverage) {
	for i := range c.Never {
		v := &c.Never[i]
		p.line("never exercised: %s %s (%s)", v.Section, v.ID, v.Pos)
	}
	for _, s := range c.Sections {
		p.line("coverage  %-10s %4d of %4d  %5.1f %%", s.Section, s.Exercised, s.Rules, 100*float64(s.Exercised)/float64(s.Rules))
	}
	p.line("coverage  %-10s %21.1f %%", "all", c.Percent)
}

// The elements of a JUnit report that readers agree on.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Suite   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Seconds string        `xml:"time,attr"` // without an exponent, which not every reader knows
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes a suite for each team.
func writeJUnit(w io.Writer, r *runtime.TestReport) error {
	var suites []*junitSuite
	for i := range r.Tests {
		c := &r.Tests[i]
		team, name, _ := strings.Cut(c.ID, "/")
		if n := len(suites); n == 0 || suites[n-1].Name != team {
			suites = append(suites, &junitSuite{Name: team})
		}
		s := suites[len(suites)-1]
		j := junitCase{Suite: team, Name: name, File: c.Pos.File, Line: c.Pos.Line, Seconds: strconv.FormatFloat(c.Seconds, 'f', 6, 64)}
		if len(c.Failures) > 0 {
			j.Failure = &junitFailure{Message: printable(c.Failures[0].Message)}
			for k := range c.Failures {
				j.Failure.Text += printable(c.Failures[k].Message) + "\n"
			}
			s.Failures++
		}
		s.Tests++
		s.Cases = append(s.Cases, j)
	}
	out, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []*junitSuite
	}{Suites: suites}, "", "  ")
	if err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}
