package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/spell"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// flinkLabels are the variables of Flink's scopes, and those that its own metrics
// have beside them.
var flinkLabels = []string{
	"host", "tm_id", "job_id", "job_name", "task_id", "task_name", "task_attempt_id", metric.AttemptLabel,
	metric.SubtaskLabel, "operator_id", "operator_name", metric.TaskLabel,
	"topic", "partition", "column_family", "state_name", "split",
}

// reads are the labels that a rewrite needs to do anything, by field.
func reads(v *policy.Rewrite) (field, label string) {
	switch v.Action {
	case "prefer-label":
		return "prefer", v.Prefer
	case "rename-label", "table-name", "extract":
		return "from", v.From
	case "map-value", "short-id":
		return "label", v.Label
	}
	return "", ""
}

// writes is the label that a rewrite gives a value, by field.
func writes(v *policy.Rewrite) (field, label string) {
	switch v.Action {
	case "rename-label":
		return "to", v.To
	case "map-value", "set-label":
		return "label", v.Label
	case "short-id":
		if v.Into == "" {
			return "label", v.Label
		}
		return "into", v.Into
	case "table-name", "extract":
		return "into", v.Into
	}
	return "", ""
}

// use is a place where a label or tag is read.
type use struct {
	rule  *rule
	field string
}

// vocabulary gathers the uses of names, and which names there are.
type vocabulary struct {
	uses  map[string][]use
	there []string
	globs []*automaton.Set
}

func (v *vocabulary) read(name string, r *rule, field string) {
	v.uses[name] = append(v.uses[name], use{r, field})
}

func (v *vocabulary) has(name string) bool {
	return slices.Contains(v.there, name) || slices.ContainsFunc(v.globs, func(s *automaton.Set) bool { return s.Match(name) })
}

// unknownLabels finds labels and tags that are read, and that nothing gives:
// neither Flink, nor a rewrite, an entry of task, or a test's example.
func (a *analyser) unknownLabels() {
	labels, tags := a.labelsThere(), a.tagsThere()
	look := func(r *rule, field string, m *policy.Match) {
		for name, values := range m.Labels {
			if asksForValue(values) {
				labels.read(name, r, field+".labels."+name)
			}
		}
		for name, values := range m.Tags {
			if asksForValue(values) {
				tags.read(name, r, field+".tags."+name)
			}
		}
	}
	for _, r := range a.all() {
		look(r, "match", &r.ordered.Match)
		if r.ordered.Unless != nil {
			look(r, "unless", r.ordered.Unless)
		}
		if r.rewrite != nil {
			if field, label := reads(r.rewrite); label != "" {
				labels.read(label, r, field)
			}
			a.dropsUnknown(r, labels)
		}
	}
	a.reportUnknown(labels, "label", "neither Flink nor a rewrite gives", "if jobs report it, show it in a test: given: [{labels: {%s: …}, …}]")
	a.reportUnknown(tags, "tag", "no entry of task gives", "give it to tasks: policy: task: …: tags: %s: …")
}

// asksForValue reports whether patterns match more than an absent label.
func asksForValue(values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return v != "" })
}

func (a *analyser) labelsThere() *vocabulary {
	v := &vocabulary{uses: map[string][]use{}, there: slices.Clone(flinkLabels)}
	for _, m := range a.opts.Known {
		for _, l := range m.Labels {
			if set, err := a.patterns([]string{l}); err == nil && strings.ContainsAny(l, "*?") {
				v.globs = append(v.globs, set)
			} else {
				v.there = append(v.there, l)
			}
		}
	}
	for i := range a.set.Teams {
		t := &a.set.Teams[i]
		for _, r := range t.Rewrite { // in force or not: the name is meant
			if _, label := writes(&r); label != "" && r.Action != "map-value" {
				v.there = append(v.there, label)
			}
		}
		for _, test := range t.Test {
			for _, in := range test.Given {
				v.there = slices.AppendSeq(v.there, maps.Keys(in.Labels))
			}
		}
	}
	for _, t := range a.transforms {
		if t.plugin != nil {
			v.there = append(v.there, t.plugin.Writes...)
		}
	}
	if slices.Contains(v.there, everyLabel) {
		if all, err := a.patterns([]string{"*"}); err == nil {
			v.globs = append(v.globs, all)
		}
	}
	slices.Sort(v.there)
	v.there = slices.Compact(v.there)
	return v
}

func (a *analyser) tagsThere() *vocabulary {
	v := &vocabulary{uses: map[string][]use{}}
	if len(a.set.Teams) > 1 {
		v.there = append(v.there, teamTag)
	}
	for i := range a.set.Teams {
		for _, t := range a.set.Teams[i].Task {
			v.there = slices.AppendSeq(v.there, maps.Keys(t.Tags))
		}
	}
	slices.Sort(v.there)
	v.there = slices.Compact(v.there)
	return v
}

// dropsUnknown finds labels to drop whose names are one slip away from a known
// one. Others may be labels of a job: to drop what is not there does no harm.
func (a *analyser) dropsUnknown(r *rule, labels *vocabulary) {
	if r.rewrite.Action != "drop-labels" {
		return
	}
	for _, p := range r.rewrite.Labels {
		set, err := a.patterns([]string{p})
		if err != nil || strings.HasPrefix(p, "re:") || slices.ContainsFunc(labels.there, set.Match) ||
			slices.ContainsFunc(labels.globs, func(s *automaton.Set) bool { return a.overlap(s, set) }) {
			continue
		}
		if word := spell.Near(p, labels.there, slips(p)); word != "" {
			a.add(diag.UnknownLabel, diag.Warning, r, "labels", fmt.Sprintf("%s matches no label that is known, and nearly %s", p, word),
				fmt.Sprintf("did you mean %s?", word))
		}
	}
}

// slips is how many letters of a name may be wrong for it to be recognised.
func slips(name string) int { return min(max(len(name)/4, 1), 2) }

// reportUnknown reports each name once, where it is first read.
func (a *analyser) reportUnknown(v *vocabulary, what, nobody, otherwise string) {
	for _, name := range slices.Sorted(maps.Keys(v.uses)) {
		if v.has(name) {
			continue
		}
		uses := v.uses[name]
		slices.SortFunc(uses, func(x, y use) int { return strings.Compare(x.rule.String()+x.field, y.rule.String()+y.field) })
		hint := fmt.Sprintf(otherwise, name)
		if word := spell.Near(name, v.there, slips(name)); word != "" {
			hint = fmt.Sprintf("did you mean %s?", word)
		}
		var notes []diag.Note
		for _, u := range uses[1:min(len(uses), notesShown+1)] {
			notes = append(notes, a.note(u.rule, u.field, u.rule.String()+" reads it too"))
		}
		a.add(diag.UnknownLabel, diag.Warning, uses[0].rule, uses[0].field,
			fmt.Sprintf("%s reads %s %s, which %s", uses[0].rule, what, name, nobody), hint, notes...)
	}
}
