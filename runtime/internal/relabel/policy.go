package relabel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/schema"
)

// Orders of the rules: behind those that authors usually give, in the order of the
// steps, and of the rules of a step.
const (
	firstOrder = 1000
	perStep    = 10
)

// Outcome counts what became of the steps of a list.
type Outcome struct {
	Steps   int
	Exact   int // that do the same
	Differ  int // that do almost the same; a comment says what not
	LeftOut int // that have no rule; a comment says why
}

// Policy writes a list as the policy of a team. from is the name of the file, for
// the comments. The text is formatted. The error is a fault of this package.
func Policy(l List, team, from string) ([]byte, Outcome, error) {
	w := writer{}
	w.line("// Relabelling steps of %s, in their order. Each comment", from)
	w.line("// says what became of a step; what has no rule is kept there as it was written.")
	if l.Name != "" {
		w.line("// The list is %s.", l.Name)
	}
	w.line("package policies\n\nimport %q\n\npolicy: schema.#Policy & {\n\tteam: %s\n", schema.ImportPath, quote(team))
	t := translator{}
	count := Outcome{Steps: len(l.Steps)}
	for i := range l.Steps {
		o := t.translate(&l.Steps[i])
		switch {
		case o.reason != "":
			count.LeftOut++
		case len(o.differ) > 0 && len(o.rules) > 0:
			count.Differ++
		default:
			count.Exact++
		}
		w.step(i+1, &l.Steps[i], o)
	}
	w.line("}")
	x, err := policy.NewFormatter()
	if err != nil {
		return nil, count, err
	}
	out, _, found, err := x.Format("policy.cue", w.out.Bytes(), false)
	if err == nil && len(found) > 0 {
		err = found[0]
	}
	if err != nil {
		return nil, count, fmt.Errorf("write the policy: %w", err)
	}
	return out, count, nil
}

// A writer writes steps as CUE.
type writer struct{ out bytes.Buffer }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.out, format+"\n", args...) }

func (w *writer) comment(text string) {
	for line := range strings.Lines(text) {
		w.line("\t%s", strings.TrimRight("// "+line, " \r\n"))
	}
}

func (w *writer) step(n int, s *Step, o outcome) {
	w.line("")
	switch {
	case o.reason != "":
		w.comment(fmt.Sprintf("Step %d, line %d: %s is left out. Why: %s.", n, s.Line, s.Action, o.reason))
		w.comment("    " + strings.ReplaceAll(s.text, "\n", "\n    "))
	case len(o.rules) == 0:
		w.comment(fmt.Sprintf("Step %d, line %d: %s; %s.", n, s.Line, s.Action, strings.Join(append(o.differ, "nothing to do")[:1], "")))
	default:
		w.comment(fmt.Sprintf("Step %d, line %d: %s.", n, s.Line, s.Action))
		for _, d := range o.differ {
			w.comment("It differs: " + d + ".")
		}
	}
	if len(o.rules) == 0 {
		w.line("")
	}
	for i, r := range o.rules {
		w.rule(n, firstOrder+(n-1)*perStep+min(i, perStep-1), r)
	}
}

func (w *writer) rule(step, order int, r rule) {
	name := fmt.Sprintf("step-%02d", step)
	if r.suffix != "" {
		name += "-" + r.suffix
	}
	w.line("\t%s: %s: schema.#%s & {", r.section, quote(name), r.definition)
	w.line("\t\torder: %d", order)
	w.selector("match", r.match, true)
	w.selector("unless", r.unless, false)
	for _, f := range r.fields {
		text := f[1]
		if f[0] != "labels" {
			text = quote(text)
		}
		w.line("\t\t%s: %s", f[0], text)
	}
	w.line("\t}")
}

// selector writes a match; always says that one must be there.
func (w *writer) selector(field string, m match, always bool) {
	if len(m) == 0 {
		if always {
			w.line("\t\t%s: metrics: [\"*\"]", field)
		}
		return
	}
	w.line("\t\t%s: {", field)
	for _, c := range m {
		if c.label == nameLabel {
			w.line("\t\t\tmetrics: %s", quoted(c.values))
		} else {
			w.line("\t\t\tlabels: %s: %s", quote(c.label), quoted(c.values))
		}
	}
	w.line("\t\t}")
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// quote writes a text as CUE does: raw where that spares escapes, which expressions
// are full of.
func quote(s string) string {
	if strings.ContainsAny(s, `\"`) && !strings.HasPrefix(s, `"`) && !strings.ContainsAny(s, "\n\r\t") && !strings.Contains(s, `"#`) && !strings.Contains(s, `\#`) && isPlain(s) {
		return `#"` + s + `"#`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // a text has no value that JSON cannot write
	}
	return strings.TrimSpace(b.String())
}

func isPlain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' || r == '\ufeff' }) < 0
}
