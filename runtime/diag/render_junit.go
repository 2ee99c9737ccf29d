package diag

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// The part of JUnit's report that readers agree on.
type (
	junitReport struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitFailure `xml:"failure"`
		Out     *junitText    `xml:"system-out"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
	junitText struct {
		Text string `xml:",cdata"`
	}
)

// junit writes a test case for each of ds: one that fails where its severity is
// reached by Fail, else one that passes and says what was found. Without findings
// there is one case that passes, since readers take a report without any for a fault.
func junit(b *bytes.Buffer, ds []Diagnostic, how Output) error {
	suite := junitSuite{Name: how.Suite, Cases: []junitCase{}}
	if suite.Name == "" {
		suite.Name = "sluice"
	}
	if len(ds) == 0 {
		suite.Cases = append(suite.Cases, junitCase{Name: "no findings", Class: suite.Name})
	}
	secret := secretColumns(ds)
	for _, d := range ds {
		var text bytes.Buffer
		r := renderer{out: &text, source: how.Source, secret: secret}
		r.diagnostic(d)
		c := junitCase{
			Name: oneLine(fmt.Sprintf("%s %s", d.Code, d.Message)), Class: suite.Name,
			File: how.relative(d.Pos.File), Line: d.Pos.Line,
		}
		if d.Pos.File != "" {
			c.Class = how.relative(d.Pos.String())
		}
		if d.Severity <= how.Fail {
			c.Failure = &junitFailure{Type: string(d.Code), Message: oneLine(advice(d, "; ")), Text: text.String()}
			suite.Failures++
		} else {
			c.Out = &junitText{text.String()}
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(b)
	enc.Indent("", "  ")
	if err := enc.Encode(junitReport{Suite: suite}); err != nil {
		return err
	}
	b.WriteByte('\n')
	return nil
}
