package program

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// text says in words what becomes of a series. Two with the same words let the
// same through.
func (s *half) text(j *judged) string {
	switch j.Disposition {
	case ledger.Out:
	case ledger.Sampled:
		return "outside the sample"
	case ledger.Merged:
		return "into the overflow of " + string(s.program.rules[j.by].ID)
	case ledger.OverBudget:
		return "over the budget " + string(s.program.rules[j.by].ID)
	default:
		return j.Disposition.String()
	}
	text := stepText(&j.Step)
	if m := j.merge; m != nil && m.Keep {
		text += fmt.Sprintf(" and aggregated over %s", m.Window)
	} else if m != nil {
		text = fmt.Sprintf("aggregated over %s", m.Window)
		if j.Step.Kind != NoStep {
			text += ", " + stepText(&j.Step)
		}
	}
	return text
}

// moreText says what else may become of a series that goes on: by a budget of
// samples, or under overload.
func (s *half) moreText(j *judged) (text string) {
	if !j.alone {
		return ""
	}
	if j.Shed > 0 {
		j.besides = s.program.ShedBy(j.Shed)
		text = ", given up at " + s.program.rules[j.besides].Priority
	}
	for _, c := range j.Charges {
		if c.Samples > 0 {
			j.besides = c.Rule
			text = fmt.Sprintf(", at most %g/s by %s", c.Samples, c.ID) + text
		}
	}
	return text
}

func stepText(s *Step) string {
	switch s.Kind {
	case SampleStep:
		return fmt.Sprintf("sampled to %.3g", float64(s.Share)/(1<<64))
	case ThinStep:
		return fmt.Sprintf("thinned to the %s of %s", [...]string{Last: "last", First: "first", Max: "max", Min: "min"}[s.Pick], s.Every)
	case LimitStep:
		return fmt.Sprintf("limited to %g/s per %s", s.Rate, [...]string{PerSeries: "series", PerTask: "task", PerRule: "rule"}[s.Per])
	}
	return "kept"
}

// destination says in words where a verdict sends a series.
func destination(v *Verdict) string {
	switch {
	case len(v.To) == 0 && v.Topic == "":
		return "default sinks"
	case len(v.To) == 0:
		return "topic " + v.Topic
	}
	to := "sink " + strings.Join(slices.Sorted(slices.Values(v.To)), ", ")
	if v.Topic != "" {
		to += " by topic " + v.Topic
	}
	return to
}

// named is what a series goes on as: itself, or what it is put together into.
func (j *judged) named() (string, metric.Labels) {
	if j.alone {
		return j.Name, j.Labels
	}
	return j.merge.Name, j.merge.Labels
}

// relabel notes that a series goes on as another one, if it does.
func (d *Differ) relabel(a, b *judged) bool {
	wasName, was := a.named()
	isName, is := b.named()
	labels := labelChanges(was, is)
	if wasName == isName && a.Scale == b.Scale && len(labels) == 0 {
		return false
	}
	r := Relabel{Name: wasName != isName, Labels: labels, By: d.rewriters(a, b)}
	if a.Scale != b.Scale {
		r.Scale = &[2]float64{a.Scale, b.Scale}
	}
	key := fmt.Sprint(r.Name, r.Labels, a.Scale, b.Scale, r.By)
	known := d.relabels[key]
	if known == nil {
		known = &r
		d.relabels[key] = known
	}
	known.Series++
	if len(known.Examples) < maxExamples {
		known.Examples = append(known.Examples, [2]string{wasName + was.String(), isName + is.String()})
	}
	return true
}

// labelChanges lists the labels that are not the same.
func labelChanges(a, b metric.Labels) []string {
	out := []string{}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			out, a = append(out, "-"+a[0].Name), a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			out, b = append(out, "+"+b[0].Name), b[1:]
		default:
			if a[0].Value != b[0].Value {
				out = append(out, "~"+a[0].Name)
			}
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// rewriters lists the rewrites that may be the cause of a difference: those that
// one side alone applied, and those that are written otherwise.
func (d *Differ) rewriters(a, b *judged) []RuleAt {
	out := []RuleAt{}
	both := map[entryRef]bool{}
	for _, i := range a.applied {
		both[d.before.ref(i)] = false
	}
	for _, i := range b.applied {
		ref := d.after.ref(i)
		if _, was := both[ref]; was {
			both[ref] = true
		}
		if !both[ref] || d.changed[ref] {
			out = append(out, *d.after.at(i))
		}
	}
	for _, i := range a.applied {
		if !both[d.before.ref(i)] {
			out = append(out, *d.before.at(i))
		}
	}
	return out
}

// largest lists groups by their number of series, the largest first, then by what
// they are, so that the same traffic gives the same list.
func largest[K comparable, G any](groups map[K]*G, series func(*G) int) []G {
	type keyed struct {
		group *G
		text  string
	}
	all := make([]keyed, 0, len(groups))
	for _, g := range groups {
		text, err := json.Marshal(g)
		if err != nil {
			panic(fmt.Sprintf("texts and finite numbers can be written: %v", err))
		}
		all = append(all, keyed{g, string(text)})
	}
	slices.SortFunc(all, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(series(b.group), series(a.group)), cmp.Compare(a.text, b.text))
	})
	out := make([]G, len(all))
	for i := range all {
		out[i] = *all[i].group
	}
	return out
}
