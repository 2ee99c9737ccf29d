package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

// explanationText draws an answer for people, in tables of so many columns; 0: as many
// as they take.
func explanationText(a *runtime.Answer, all bool, columns int) string {
	p := page{columns: columns}
	for i := range a.Series {
		if i > 0 {
			p.line("")
		}
		p.explanation(&a.Series[i], all)
	}
	if a.More > 0 {
		p.line("")
		p.line("and %d more points of this record, not shown", a.More)
	}
	if a.Rule != nil {
		p.rule(a.Rule)
	}
	if a.WhyNot != nil {
		p.absence(a.WhyNot)
	}
	p.line("")
	p.line("policies    %s, revision %.12s%s", a.Policies, a.Revision, commitText(a.Commit))
	if a.Canary != "" {
		p.line("canary      %s", a.Canary)
	}
	return printable(p.String())
}

// printable replaces what would act on a terminal rather than be seen on it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func commitText(c *runtime.Commit) string {
	if c == nil {
		return ""
	}
	text := fmt.Sprintf(", at or after commit %.12s", c.Hash)
	if c.Branch != "" {
		text += " (" + c.Branch + ")"
	}
	return text
}

// page is a text of sections, each with its name before the first line.
type page struct {
	strings.Builder
	columns int // of a line of a section; 0: as many as it takes
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// section writes rows with aligned columns, which tabs divide.
func (p *page) section(name string, rows []string) {
	if len(rows) == 0 {
		return
	}
	g := grid{rows: mapped(rows, func(row string) []string { return strings.Split(row, "\t") })}
	p.WriteString(g.under(name, 12, p.columns))
}

// mostMismatches is how many rules that do not match are listed before the rest is
// only counted.
const mostMismatches = 20

func (p *page) explanation(e *explain.Explanation, all bool) {
	p.line("%s", e.Series)
	about := e.Kind + ", " + e.Origin
	if e.Meaning != "" {
		about += ": " + e.Meaning
	}
	p.section("kind", []string{about})
	p.section("note", e.Notes)
	p.section("duplicates", mapped(e.Streams, func(s explain.StreamStage) string {
		return fmt.Sprintf("%s (%s)\t%s: %s\t%s", s.Stream, strings.Join(s.Topics, ", "), s.Level, s.Duplicates, s.Pos)
	}))
	p.section("task", taskRows(&e.Task))
	p.section("control", append(controlRows(e.Control, all), decisionRows(e)...))
	p.section("degrade", degradeRows(e.Degrade, all))
	p.section("rewrite", stageRows(e.Rewrites, all))
	p.section("aggregate", stageRows(e.Aggregates, all))
	p.section("budget", budgetRows(e.Budgets))
	if e.Scale != 0 {
		p.section("scale", []string{fmt.Sprintf("values times %v", e.Scale)})
	}
	p.section("out", e.Result)
	p.section("sinks", mapped(e.Sinks, func(s explain.SinkStage) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s", s.Sink, s.Type, s.Why, s.Pos)
	}))
}

func mapped[T, U any](list []T, text func(T) U) (out []U) {
	for _, x := range list {
		out = append(out, text(x))
	}
	return out
}

func taskRows(t *explain.TaskStage) []string {
	id := t.ID
	if id == "" {
		id = "(none)"
	}
	if t.Job != "" {
		id += " (" + t.Job + ")"
	}
	rows := []string{id}
	for _, tag := range t.Tags {
		rows = append(rows, fmt.Sprintf("  %s=%q\tby %s\t%s", tag.Name, tag.Value, tag.Rule, tag.Pos))
	}
	if t.Disabled != nil {
		if t.Disabled.Pos.File == "" { // an override, which says itself by whom, and until when
			return append(rows, "  "+t.Disabled.Description)
		}
		rows = append(rows, fmt.Sprintf("  switched off\tby %s\t%s", t.Disabled.ID, t.Disabled.Pos))
		rows = append(rows, fieldRows(t.Disabled.Fields)...)
	}
	return rows
}

// ruleCells are the columns of a rule.
func ruleCells(v *explain.RuleView) string {
	order := ""
	if v.Order != nil {
		order = fmt.Sprint(*v.Order)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", v.Tier, order)) + "\t" + v.ID + "\t" + v.Pos.String()
}

func controlRows(list []explain.ControlStage, all bool) (rows []string) {
	skip := len(list)
	if !all {
		skip = mostMismatches
	}
	left := 0
	for i := range list {
		s := &list[i]
		switch {
		case s.Mismatch == "":
			rows = append(rows, "> "+ruleCells(&s.RuleView)+"\tmatches"+samplesText(s.Samples))
		case len(rows) < skip:
			rows = append(rows, "- "+ruleCells(&s.RuleView)+"\t"+s.Mismatch)
		default:
			left++
		}
	}
	return append(rows, leftRow(left)...)
}

func leftRow(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("  and %d more that do not match; --all lists them", n)}
}

// decisionRows say what control decides, and where the fields of the rule are set.
func decisionRows(e *explain.Explanation) []string {
	rows := []string{"= " + e.Decision.Text}
	if e.Decision.Sample != "" {
		rows = append(rows, "  "+e.Decision.Sample)
	}
	if n := len(e.Control); n > 0 && e.Control[n-1].Mismatch == "" {
		rows = append(rows, fieldRows(e.Control[n-1].Fields)...)
	}
	return rows
}

// shortened is a value that may be long, for a table.
func shortened(value []byte) string {
	const most = 60
	text := []rune(string(value))
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}

// fieldRows are the fields that somebody has set.
func fieldRows(fields []explain.FieldView) (rows []string) {
	for _, f := range fields {
		if f.Pos.IsValid() && f.Name != "description" {
			rows = append(rows, fmt.Sprintf("    %s\t%s\t%s", f.Name, shortened(f.Value), f.Pos))
		}
	}
	return rows
}

func stageRows(list []explain.RewriteStage, all bool) (rows []string) {
	left := 0
	for i := range list {
		s := &list[i]
		if s.Mismatch != "" {
			if all || len(rows) < mostMismatches {
				rows = append(rows, "- "+ruleCells(&s.RuleView)+"\t"+s.Mismatch)
			} else {
				left++
			}
			continue
		}
		effect := s.Action
		switch {
		case s.Plugin != nil && s.Action == "sample":
			effect += ", each as it comes"
		case len(s.Removed)+len(s.Added) == 0 && s.Scale == 0:
			effect += ", which changes nothing"
		}
		rows = append(rows, "> "+ruleCells(&s.RuleView)+"\t"+effect)
		if s.Plugin != nil {
			rows = append(rows, fmt.Sprintf("    plugin %s %s (%.19s)", s.Plugin.Name, s.Plugin.Version, s.Plugin.Digest))
			rows = append(rows, trialText(s)...)
		}
		if s.Failed != "" {
			rows = append(rows, "    ! it fails: "+s.Failed)
		}
		for _, l := range s.Removed {
			rows = append(rows, "    - "+l)
		}
		for _, l := range s.Added {
			rows = append(rows, "    + "+l)
		}
		if s.Section == "aggregate" {
			rows = append(rows, fieldRows(s.Fields)...)
		}
	}
	return append(rows, leftRow(left)...)
}

// budgetRows say which budgets count the series, and what becomes of it beyond them.
func budgetRows(list []explain.BudgetStage) (rows []string) {
	for i := range list {
		s := &list[i]
		if s.Mismatch != "" {
			rows = append(rows, "- "+ruleCells(&s.RuleView)+"\t"+s.Mismatch)
			continue
		}
		rows = append(rows, "> "+ruleCells(&s.RuleView)+"\tcounts it for "+s.Key)
		beyond := "beyond it, samples are dropped"
		if s.Beyond != "" {
			beyond = "beyond it, samples go into " + s.Beyond
		}
		rows = append(append(rows, fieldRows(s.Fields)...), "  "+beyond)
		if r := s.Room; r != nil {
			used := "fewer series than other keys of it"
			if r.Series >= 0 {
				used = fmt.Sprintf("%d series", r.Series)
			}
			if r.Limit > 0 {
				used += fmt.Sprintf(", of %d", r.Limit)
			}
			rows = append(rows, "  used on the instance: "+used)
		}
	}
	return rows
}

// samplesText tells what a rule did on a running instance.
func samplesText(samples map[string]uint64) string {
	var parts []string
	for _, d := range slices.Sorted(maps.Keys(samples)) {
		parts = append(parts, counted(int(samples[d]), "sample")+" "+d)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + " so far)"
}

func (p *page) rule(r *explain.RuleExplanation) {
	p.line("%s", r.ID)
	what := r.Section + ", " + r.Action
	if r.Description != "" {
		what += ": " + r.Description
	}
	p.section("rule", []string{what, r.Pos.String()})
	if r.Inert != "" {
		p.section("not in force", []string{"  " + r.Inert})
	}
	p.section("fields", mapped(r.Fields, func(f explain.FieldView) string {
		where := f.Pos.String()
		if where == "" {
			where = "schema"
		}
		return fmt.Sprintf("%s\t%s\t%s", f.Name, shortened(f.Value), where)
	}))
	if c := r.Catalogue; c != nil {
		rows := []string{fmt.Sprintf("%d of Flink's %d metrics, and %d more for some tasks, tags or labels", c.Always, c.Of, c.Perhaps)}
		for _, n := range c.Names {
			rows = append(rows, "  "+n)
		}
		if more := c.Always + c.Perhaps - len(c.Names); more > 0 {
			rows = append(rows, fmt.Sprintf("  and %d more", more))
		}
		p.section("matches", rows)
	}
	if t := r.Traffic; t != nil {
		rows := []string{fmt.Sprintf("matches %d of %d recorded series and acts on %d of them, with %d samples", t.Matched, t.Series, t.Acts, t.Samples)}
		for _, s := range t.Top {
			rows = append(rows, fmt.Sprintf("  %d\t%s", s.Samples, s.Series))
		}
		p.section("traffic", rows)
	}
	if text := samplesText(r.Samples); text != "" {
		p.section("instance", []string{strings.Trim(text, " ()")})
	}
	p.section("note", r.Notes)
}

func (p *page) absence(a *explain.Absence) {
	p.line("%s", a.Series)
	p.section("verdict", []string{a.Verdict})
	for i := range a.Origins {
		o := &a.Origins[i]
		from := "may be reported"
		if o.Recorded {
			from = "was reported"
		}
		rows := []string{from + " as\t" + o.Reported, "becomes\t" + o.Becomes, "outcome\t" + o.Text}
		if o.Rule != nil {
			rows = append(rows, "by\t"+o.Rule.ID+" "+o.Rule.Pos.String()+samplesText(o.Rule.Samples))
		}
		for _, id := range o.Perhaps {
			rows = append(rows, "but perhaps\t"+id+" stops it, for some tasks, tags or labels")
		}
		p.section(fmt.Sprintf("origin %d", i+1), rows)
	}
	if len(a.Nearest) > 0 {
		p.section("names", []string{"the name is not in the catalogue; like it: " + strings.Join(a.Nearest, ", ")})
	}
	p.section("not known", a.Unknown)
}
