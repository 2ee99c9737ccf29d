package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
)

// NamedTest is a test and the name it is to have.
type NamedTest struct {
	Name string
	Test
}

// TestFile writes tests as a file of a policy set, in the form of a [Formatter].
func TestFile(comment string, tests []NamedTest) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\n// %s\n", packageName, comment)
	for i := range tests {
		t := &tests[i]
		fmt.Fprintf(&b, "\npolicy: test: %s: {\n", labelText(t.Name))
		if t.Description != "" {
			fmt.Fprintf(&b, "description: %s\n", quoted(t.Description))
		}
		if t.Step != "" && t.Step != "P0" {
			fmt.Fprintf(&b, "step: %s\n", quoted(t.Step))
		}
		b.WriteString("given: [\n")
		for j := range t.Given {
			b.WriteString(t.Given[j].text() + ",\n")
		}
		b.WriteString("]\nexpect: {\n")
		if t.Expect.Kept != nil {
			b.WriteString("kept: [\n")
			for j := range t.Expect.Kept {
				b.WriteString(t.Expect.Kept[j].Text() + ",\n")
			}
			b.WriteString("]\n")
		}
		if len(t.Expect.Dropped) > 0 {
			b.WriteString("dropped: [\n")
			for j := range t.Expect.Dropped {
				b.WriteString(t.Expect.Dropped[j].Text() + ",\n")
			}
			b.WriteString("]\n")
		}
		b.WriteString("}\n}\n")
	}
	x, err := NewFormatter()
	if err != nil {
		return nil, err
	}
	out, _, found, err := x.Format("tests.cue", []byte(b.String()), false)
	if err == nil && len(found) > 0 {
		err = found[0]
	}
	if err != nil {
		return nil, fmt.Errorf("write tests: %w", err)
	}
	return out, nil
}

// members collects the fields of a struct as CUE text on one line.
type members []string

func (m *members) add(name, value string) { *m = append(*m, labelText(name)+": "+value) }

func (m *members) text(name, value string) {
	if value != "" {
		m.add(name, quoted(value))
	}
}

func (m *members) labels(labels map[string]string) {
	var inner members
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		inner.add(name, quoted(labels[name]))
	}
	if len(inner) > 0 {
		m.add("labels", inner.String())
	}
}

func (m members) String() string { return "{" + strings.Join(m, ", ") + "}" }

func (t *TestInput) text() string {
	var m members
	m.text("task", t.Task)
	m.text("scope", t.Scope)
	m.text("metric", t.Metric)
	m.text("kind", t.Kind)
	m.text("origin", t.Origin)
	m.labels(t.Labels)
	m.add("value", Number(t.Value))
	return m.String()
}

// Text writes the expectation as an element of kept.
func (s *TestSeries) Text() string {
	var m members
	m.text("metric", s.Metric)
	m.text("task", s.Task)
	m.labels(s.Labels)
	if s.Value != nil {
		m.add("value", Number(*s.Value))
	}
	if len(s.To) > 0 {
		m.add("to", Texts(s.To))
	}
	return m.String()
}

// Text writes the expectation as an element of dropped.
func (d *TestDropped) Text() string {
	var m members
	m.text("metric", d.Metric)
	m.text("task", d.Task)
	m.labels(d.Labels)
	m.text("by", d.By)
	return m.String()
}

// Number writes a number as CUE, exactly. It must be finite.
func Number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// Texts writes a list of texts as CUE.
func Texts(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, quoted(s))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// Quote writes a text as CUE.
func Quote(s string) string { return quoted(s) }

func quoted(s string) string { return literal.String.Quote(s) }

func labelText(name string) string {
	if ast.IsValidIdent(name) && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "#") {
		return name
	}
	return quoted(name)
}
