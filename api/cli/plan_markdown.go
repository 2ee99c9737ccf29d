package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/sluice-metrics/sluice/runtime"
)

// writePlanMarkdown writes a plan as a comment of a merge request: the outcome and
// the totals at once, the rest to be opened.
func writePlanMarkdown(w io.Writer, p *runtime.Plan) error {
	b := &planText{plan: p}
	b.line("### Sluice plan: %s\n", planTitle(p))
	b.line("%s (`%.12s`) → %s (`%.12s`) over %s: %s\n", code(p.Base.Name), p.Base.Revision, code(p.New.Name), p.New.Revision,
		code(p.Traffic.Name), trafficText(p))
	for _, g := range p.Gates {
		sign := "✅"
		if !g.Passed {
			sign = "❌"
		}
		b.line("- %s %s", sign, gateText(g))
	}
	for _, n := range p.Notes {
		b.line("- ⚠️ %s", n)
	}
	if len(p.Gates)+len(p.Notes) > 0 {
		b.line("")
	}
	if p.Changes() {
		b.totals()
		b.details(fmt.Sprintf("Rules: %s", ruleCounts(p.Rules)), len(p.Rules) > 0, (*planText).rules)
		b.details(fmt.Sprintf("Verdicts: %s", counted(len(p.Impact.Moves), "group")), len(p.Impact.Moves) > 0, (*planText).verdicts)
		b.details(fmt.Sprintf("Labels: %s", counted(len(p.Impact.Relabels), "group")), len(p.Impact.Relabels) > 0, (*planText).labels)
		b.details(fmt.Sprintf("Routes: %s", counted(len(p.Impact.Reroutes), "group")), len(p.Impact.Reroutes) > 0, (*planText).routes)
	}
	b.details(fmt.Sprintf("Transforms: %s", counted(len(p.Transforms), "rule")), len(p.Transforms) > 0, (*planText).transforms)
	b.details("Rules that this traffic does not meet, and rules in the shadow of others", len(p.Impact.Idle) > 0 || newlyShadowed(p), (*planText).unmet)
	b.line("plan `%s`", p.Digest)
	_, err := io.WriteString(w, b.String())
	return err
}

// planTitle is the outcome in a few words.
func planTitle(p *runtime.Plan) string {
	n := p.Impact.Reported.Series - p.Impact.Unchanged
	switch {
	case !p.Changes():
		return "no changes"
	case !p.Passed():
		return "a gate fails"
	case n <= 0:
		return fmt.Sprintf("%s, nothing changes for this traffic", ruleCounts(p.Rules))
	}
	return fmt.Sprintf("%s of %s series change", thousands(n), thousands(p.Impact.Reported.Series))
}

func newlyShadowed(p *runtime.Plan) bool {
	for _, s := range p.Impact.Shadowed {
		if !s.Before {
			return true
		}
	}
	return false
}

// totals is a table; only it is always open.
func (b *planText) totals() {
	i, unit := b.plan.Impact, "/s"
	if !i.Timed {
		unit = ""
	}
	b.line("| what goes on | series | samples%s | bytes%s (estimate) |\n| --- | --- | --- | --- |", unit, unit)
	row := func(name string, x, y runtime.Volume) {
		b.line("| %s | %s → %s %s | %s → %s %s | %s → %s %s |", name,
			thousands(x.Series), thousands(y.Series), percent(float64(x.Series), float64(y.Series)),
			amount(x.Samples), amount(y.Samples), percent(x.Samples, y.Samples),
			bytesText(uint64(x.Bytes)), bytesText(uint64(y.Bytes)), percent(x.Bytes, y.Bytes))
	}
	for _, s := range i.Teams {
		if len(i.Teams) > 1 {
			row("team "+code(orNone(s.Name)), s.Before, s.After)
		}
	}
	for k, s := range i.Tasks {
		if k == textTasks {
			break
		}
		row("task "+code(s.Name), s.Before, s.After)
	}
	if more := len(i.Tasks) - textTasks + i.MoreTasks; more > 0 {
		b.line("| … %d more tasks | | | |", more)
	}
	row("**total**", i.Before, i.After)
	b.line("\n%s series are new by name or labels, %s fall together with another one.\n", thousands(i.NewSeries), thousands(i.Merged))
}

// code writes a text that may hold anything as code within a table.
func code(s string) string {
	s = strings.NewReplacer("`", "'", "|", "¦", "\n", " ", "\r", " ").Replace(s)
	return "`" + s + "`"
}

// details writes a part of the text form to be opened. The fence is longer than
// any that a label may hold.
func (b *planText) details(title string, there bool, write func(*planText)) {
	if !there {
		return
	}
	part := &planText{plan: b.plan}
	write(part)
	text := strings.Trim(part.String(), "\n")
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	b.line("<details><summary>%s</summary>\n\n%sdiff\n%s\n%s\n\n</details>\n", title, fence, unindent(text), fence)
}

// unindent brings the signs of a text to the start of their lines, where the
// colours of a diff come from.
func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}
