package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// How much of a plan people are shown; the JSON form has all of it.
const (
	textRules  = 200
	textGroups = 50
	textTasks  = 10
	textValue  = 60 // of a field, in characters
)

// writePlanText writes a plan for people: what goes with -, what comes with +, what
// changes with ~, and the totals last.
func writePlanText(w io.Writer, p *runtime.Plan) error {
	b := &planText{plan: p, columns: columnsOf(w)}
	b.head()
	if p.Changes() {
		b.rules()
		b.verdicts()
		b.labels()
		b.routes()
	} else {
		b.line("\nno changes: both sets say the same, and do the same to this traffic")
	}
	b.transforms()
	b.unmet()
	if p.Changes() {
		b.volumes()
	}
	b.foot()
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

// planText is a plan while it is written.
type planText struct {
	strings.Builder
	plan    *runtime.Plan
	columns int // of a table; 0: as many as it takes
}

func (b *planText) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

func (b *planText) head() {
	p := b.plan
	b.line("base     %s, revision %.12s", p.Base.Name, p.Base.Revision)
	b.line("new      %s, revision %.12s", p.New.Name, p.New.Revision)
	b.line("traffic  %s: %s", p.Traffic.Name, trafficText(p))
}

// trafficText says in a few words what a plan was made over.
func trafficText(p *runtime.Plan) string {
	in := p.Impact.Reported
	text := fmt.Sprintf("%s series of %s, %s", thousands(in.Series), counted(p.Impact.AllTasks, "task"), perSecond(p, in.Samples, "samples"))
	if p.Traffic.To.IsZero() {
		return text
	}
	at := p.Traffic.To.UTC().Format(time.RFC3339)
	if span := p.Traffic.To.Sub(p.Traffic.From).Round(time.Second); span > 0 {
		return fmt.Sprintf("%s, %v until %s", text, span, at)
	}
	return text + " at " + at
}

func (b *planText) rules() {
	list := b.plan.Rules
	if len(list) == 0 {
		return
	}
	b.line("\nrules    %s", ruleCounts(list))
	b.listed(len(list), textRules, "", func(i int) {
		r := &list[i]
		b.line("  %s %s %s  %s", marks[string(r.Change)], r.Section, r.Rule, r.Pos)
		for _, f := range r.Fields {
			b.line("      %s  %s", f.Path, fieldText(&f))
		}
	})
}

// marks are the signs before what is added, removed and changed.
var marks = map[string]string{"added": "+", "removed": "-", "changed": "~"}

func ruleCounts(list []runtime.RuleChange) string {
	n := map[string]int{}
	for _, r := range list {
		n[string(r.Change)]++
	}
	return fmt.Sprintf("%d added, %d removed, %d changed", n["added"], n["removed"], n["changed"])
}

func fieldText(f *runtime.FieldChange) string {
	text := short(string(f.After))
	switch {
	case f.After == nil:
		text = short(string(f.Before)) + " -> nothing"
	case f.Before != nil:
		text = short(string(f.Before)) + " -> " + text
	}
	if f.Pos.IsValid() {
		text += "  " + f.Pos.String()
	}
	return text
}

// short keeps the first characters of a value.
func short(s string) string {
	if r := []rune(s); len(r) > textValue {
		return string(r[:textValue-1]) + "…"
	}
	return s
}

// listed draws the first most of n things, and says how many more there are.
func (b *planText) listed(n, most int, things string, draw func(i int)) {
	for i := range min(n, most) {
		draw(i)
	}
	if n > most {
		b.line("  … and %d more%s", n-most, things)
	}
}

func (b *planText) verdicts() {
	list := b.plan.Impact.Moves
	if len(list) == 0 {
		return
	}
	n := 0
	for _, m := range list {
		n += m.Series
	}
	b.line("\nverdicts %s of %s series change", thousands(n), thousands(b.plan.Impact.Reported.Series))
	b.listed(len(list), textGroups, " groups", func(i int) {
		m := &list[i]
		b.line("  %s %s -> %s  %s series, %s -> %s", direction(m.Before.Samples, m.After.Samples), m.From, m.To, thousands(m.Series),
			amount(m.Before.Samples), perSecond(b.plan, m.After.Samples, "samples"))
		b.line("      %s", causeText(m.Was, m.By))
		b.examples(m.Examples)
	})
}

func direction(before, after float64) string {
	switch {
	case after < before:
		return "-"
	case after > before:
		return "+"
	}
	return "~"
}

// causeText names the rules behind a change of verdict.
func causeText(was, by *runtime.RuleAt) string {
	switch {
	case by == nil && was == nil:
		return "by no rule"
	case by == nil:
		return "no longer by " + ruleText(*was)
	case was == nil || was.Rule == by.Rule && was.Section == by.Section:
		return "by " + ruleText(*by)
	}
	return "by " + ruleText(*by) + ", was by " + ruleText(*was)
}

func ruleText(r runtime.RuleAt) string {
	text := r.Section + " " + string(r.Rule)
	if r.Pos.IsValid() {
		text += " (" + r.Pos.String() + ")"
	}
	return text
}

func rulesText(list []runtime.RuleAt) string {
	var out []string
	for _, r := range list {
		out = append(out, ruleText(r))
	}
	return strings.Join(out, ", ")
}

func (b *planText) examples(list []string) {
	if len(list) > 0 {
		b.line("      e.g. %s", list[0])
	}
}

func (b *planText) labels() {
	list := b.plan.Impact.Relabels
	if len(list) == 0 {
		return
	}
	n := 0
	for _, r := range list {
		n += r.Series
	}
	b.line("\nlabels   %s series go on as other ones", thousands(n))
	b.listed(len(list), textGroups, " groups", func(i int) {
		r := &list[i]
		b.line("  ~ %s  %s series", relabelText(r.Name, r.Labels, r.Scale), thousands(r.Series))
		if len(r.By) > 0 {
			b.line("      by %s", rulesText(r.By))
		}
		b.line("      e.g. %s\n        -> %s", r.Examples[0][0], r.Examples[0][1])
	})
}

func relabelText(name bool, labels []string, scale *[2]float64) string {
	var parts []string
	if name {
		parts = append(parts, "name")
	}
	if len(labels) > 0 {
		parts = append(parts, "labels "+strings.Join(labels, " "))
	}
	if scale != nil {
		parts = append(parts, fmt.Sprintf("values times %g -> %g", scale[0], scale[1]))
	}
	return strings.Join(parts, ", ")
}

func (b *planText) routes() {
	list := b.plan.Impact.Reroutes
	if len(list) == 0 {
		return
	}
	b.line("\nroutes")
	b.listed(len(list), textGroups, " groups", func(i int) {
		r := &list[i]
		b.line("  ~ %s -> %s  %s series", r.From, r.To, thousands(r.Series))
		b.line("      %s", causeText(nil, r.By))
		b.examples(r.Examples)
	})
}

// unmet lists the rules of the new set that this traffic says nothing about.
func (b *planText) unmet() {
	i := b.plan.Impact
	if n := len(i.Idle); n > 0 {
		b.line("\nunmet    %s of the new set: no series of this traffic", counted(n, "rule"))
		b.listed(n, textRules, "", func(k int) { b.line("      %s", ruleText(i.Idle[k])) })
	}
	first := true
	for _, s := range i.Shadowed {
		if s.Before {
			continue
		}
		if first {
			b.line("\nshadowed rules that match and never decide, which is new")
			first = false
		}
		b.line("      %s: %s series, the first of them decided by %s", ruleText(s.RuleAt), thousands(s.Series), ruleText(s.By))
	}
}

// volumes is the table of teams, tasks and totals.
func (b *planText) volumes() {
	b.line("")
	i, unit := b.plan.Impact, "/s"
	if !i.Timed {
		unit = ""
	}
	g := grid{rows: [][]string{{"what goes on", "series", "", "samples" + unit, "", "bytes" + unit + " (estimate)", ""}}}
	add := func(name string, before, after runtime.Volume) {
		g.rows = append(g.rows, volumeRow(name, before, after))
	}
	for _, s := range i.Teams {
		if len(i.Teams) > 1 {
			add("team "+orNone(s.Name), s.Before, s.After)
		}
	}
	for k, s := range i.Tasks {
		if k == textTasks {
			break
		}
		add("task "+s.Name, s.Before, s.After)
	}
	if more := len(i.Tasks) - textTasks + i.MoreTasks; more > 0 {
		g.rows = append(g.rows, []string{fmt.Sprintf("… %d more tasks", more), "", "", "", "", "", ""})
	}
	add("total", i.Before, i.After)
	b.WriteString(g.text(b.columns))
	if i.NewSeries > 0 || i.Merged > 0 {
		b.line("%s series are new by name or labels, %s fall together with another one", thousands(i.NewSeries), thousands(i.Merged))
	}
}

func orNone(name string) string {
	if name == "" {
		return "(none)"
	}
	return name
}

func volumeRow(name string, a, b runtime.Volume) []string {
	return []string{
		name,
		thousands(a.Series) + " -> " + thousands(b.Series), percent(float64(a.Series), float64(b.Series)),
		amount(a.Samples) + " -> " + amount(b.Samples), percent(a.Samples, b.Samples),
		bytesText(uint64(a.Bytes)) + " -> " + bytesText(uint64(b.Bytes)), percent(a.Bytes, b.Bytes),
	}
}

func (b *planText) foot() {
	b.line("")
	for _, g := range b.plan.Gates {
		b.line("gate     %s", gateText(g))
	}
	for _, n := range b.plan.Notes {
		b.line("note     %s", n)
	}
	b.line("plan     %s", b.plan.Digest)
}

func gateText(g runtime.Gate) string {
	verdict := "passed"
	if !g.Passed {
		verdict = "FAILED"
	}
	return fmt.Sprintf("%s: %.3g %%, at most %.3g %%: %s", g.Name, 100*g.Is, 100*g.Most, verdict)
}

// percent is by how much b is more or less than a.
func percent(a, b float64) string {
	if a == 0 || a == b {
		return ""
	}
	return fmt.Sprintf("%+.1f %%", 100*(b/a-1))
}

// perSecond writes an amount with its unit.
func perSecond(p *runtime.Plan, n float64, unit string) string {
	if p.Impact.Timed {
		unit += "/s"
	}
	return amount(n) + " " + unit
}

// amount writes a number with three figures, or all of them before the point.
func amount(n float64) string {
	if n >= 100 {
		return thousands(int(n + 0.5))
	}
	return fmt.Sprintf("%.3g", n)
}

// thousands groups the digits of a number.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}
