package analysis

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// takes reports whether a rewrite takes a label away from whatever it matches, and
// puts no other value there.
func (a *analyser) takes(r *rule, label string) bool {
	switch v := r.rewrite; v.Action {
	case "drop-labels":
		return r.drops.Match(label)
	case "rename-label":
		return v.From == label
	}
	return false
}

// mayTake is takes, with those that do so under a condition.
func (a *analyser) mayTake(r *rule, label string) bool {
	v := r.rewrite
	return a.takes(r, label) || v.Action == "prefer-label" && v.Over == label ||
		v.Action == "map-value" && v.Label == label && v.Otherwise == "drop-label"
}

// lookedBack is how many earlier rewrites of one label are looked at.
const lookedBack = 200

// labelsGone finds rewrites that read a label which an earlier one has taken away
// from everything that they match.
func (a *analyser) labelsGone() {
	var droppers []*rule // so far
	touched := map[string][]*rule{}
	for _, r := range a.rewrites {
		if field, label := reads(r.rewrite); label != "" {
			before := slices.Concat(droppers, touched[label])
			slices.SortFunc(before, func(x, y *rule) int { return x.index - y.index })
			a.goneBefore(r, field, label, before[max(0, len(before)-lookedBack):])
		}
		if r.rewrite.Action == "drop-labels" {
			droppers = append(droppers, r)
		}
		if _, label := writes(r.rewrite); label != "" {
			touched[label] = append(touched[label], r)
		}
		if r.rewrite.Action == "rename-label" {
			touched[r.rewrite.From] = append(touched[r.rewrite.From], r)
		}
	}
}

func (a *analyser) goneBefore(r *rule, field, label string, before []*rule) {
	for _, b := range slices.Backward(before) {
		if _, written := writes(b.rewrite); written == label {
			if !a.apart(&r.match, &b.match) {
				return // it may be there again
			}
			continue
		}
		if !a.takes(b, label) {
			continue
		}
		if _, ok, err := a.solve(question{in: []*rule{r}, out: []*rule{b}, any: true}); ok || err != nil {
			continue
		}
		verb := "drops"
		if b.rewrite.Action == "rename-label" {
			verb = "renames"
		}
		a.add(diag.LabelGone, diag.Warning, r, field,
			fmt.Sprintf("%s reads label %s, which %s has taken away: it comes before and %s the label of all that this one matches", r, label, b.id(), verb),
			fmt.Sprintf("give it a lower order than %d, or read another label", b.order), a.note(b, "", b.id()+" "+verb+" "+label))
		return
	}
}

// twoWriters finds rewrites of one order that give one label, or the name, two
// values: which one stays would depend on the names of the rules.
func (a *analyser) twoWriters() {
	for from := 0; from < len(a.rewrites); {
		to := from + 1
		for to < len(a.rewrites) && a.rewrites[to].order == a.rewrites[from].order {
			to++
		}
		if to-from > 1 {
			a.writersAmong(a.rewrites[from:to])
		}
		from = to
	}
}

// pairsAtMost is how many pairs of writers of one order are compared.
const pairsAtMost = 20_000

func (a *analyser) writersAmong(rules []*rule) {
	written := map[string][]*rule{} // so far, by label; "" for the name
	var takers []*rule
	pairs := 0
	for _, y := range rules {
		_, label := writes(y.rewrite)
		names := label == "" && y.rewrite.Action == "rename-metric"
		var before []*rule
		if label != "" || names {
			before = slices.Clone(written[label])
		}
		for _, x := range takers {
			if label != "" && a.mayTake(x, label) {
				before = append(before, x)
			}
		}
		taker := mayTakeAny(y.rewrite)
		for _, l := range slices.Sorted(maps.Keys(written)) {
			if taker && l != "" && l != label && a.mayTake(y, l) {
				before = append(before, written[l]...)
			}
		}
		for _, x := range before {
			if pairs++; pairs > pairsAtMost || a.comparesWriters(x, y) {
				break
			}
		}
		if label != "" || names {
			written[label] = append(written[label], y)
		}
		if taker {
			takers = append(takers, y)
		}
	}
}

// mayTakeAny reports whether a rewrite takes any labels away.
func mayTakeAny(v *policy.Rewrite) bool {
	switch v.Action {
	case "drop-labels", "rename-label", "prefer-label":
		return true
	}
	return v.Otherwise == "drop-label"
}

// comparesWriters reports a conflict of two rewrites, x before y, and whether there is one.
func (a *analyser) comparesWriters(x, y *rule) bool {
	label, both := a.both(x, y)
	if !both || x.change() == y.change() || a.apart(&x.match, &y.match) {
		return false
	}
	s, ok := a.writtenTwice(x, y, label)
	if !ok {
		return false
	}
	what, field := "label "+label, "order"
	if label == "" {
		what = "the name"
	}
	a.add(diag.TwoWriters, diag.Error, y, field,
		fmt.Sprintf("%s and %s have the same order and both change %s, for instance of %s", x, y.id(), what, a.describe(s)),
		fmt.Sprintf("give them different orders, or matches that exclude each other; as it is, %s would have the last word, by its name", y.id()),
		a.note(x, "", x.id()))
	return true
}

// both returns the label that one rewrite writes and the other writes or takes
// away, "" for the name.
func (a *analyser) both(x, y *rule) (label string, ok bool) {
	_, lx := writes(x.rewrite)
	_, ly := writes(y.rewrite)
	switch {
	case lx == "" && ly == "":
		return "", x.rewrite.Action == "rename-metric" && y.rewrite.Action == "rename-metric"
	case lx == ly:
		return lx, true
	case lx != "" && a.mayTake(y, lx):
		return lx, true
	case ly != "" && a.mayTake(x, ly):
		return ly, true
	}
	return "", false
}

// writtenTwice finds a series whose label, or name, two rewrites change, one after
// the other. The program says whether they do.
func (a *analyser) writtenTwice(x, y *rule, label string) (*series, bool) {
	q := question{in: []*rule{x, y}, usual: a.usual()}
	for _, r := range q.in {
		q.extra = append(q.extra, a.readsWhat(r)...)
		if label != "" && a.mayTake(r, label) {
			q.extra = append(q.extra, atom{a.dim(labelDim + label), a.text.someText, false})
		}
	}
	for range rounds {
		s, ok, err := a.solve(q)
		if a.givenUp(y, err) || !ok {
			return nil, false
		}
		verdict, events := a.opts.Program.Explain(a.input(s))
		if verdict.Disposition == ledger.Out {
			return s, changes(a.eventOf(events, x), label) && changes(a.eventOf(events, y), label)
		}
		by := a.ruleAt(verdict.Rule)
		if by == nil {
			return nil, false
		}
		q.out = append(q.out, by)
	}
	return nil, false
}

// readsWhat are conditions without which a rewrite does nothing, as far as its
// label is the reported one.
func (a *analyser) readsWhat(r *rule) []atom {
	_, label := reads(r.rewrite)
	if label == "" {
		return nil
	}
	d := a.dim(labelDim + label)
	for _, b := range a.rewrites[:r.index] {
		if _, written := writes(b.rewrite); written == label || a.mayTake(b, label) {
			return nil
		}
	}
	set := a.text.someText
	if r.rewrite.Action == "extract" {
		if s, err := a.patterns([]string{"re:" + r.rewrite.Regex}); err == nil {
			set = s
		}
	}
	return []atom{{d, set, false}}
}

func changes(e *program.Event, label string) bool {
	switch {
	case e == nil || e.After == nil:
		return false
	case label == "":
		return e.Before.Name != e.After.Name
	}
	return e.Before.Labels.Get(label) != e.After.Labels.Get(label)
}

// eventOf is what the program noted of a rule.
func (a *analyser) eventOf(events []program.Event, r *rule) *program.Event {
	for i := range events {
		if a.ruleAt(events[i].Rule) == r {
			return &events[i]
		}
	}
	return nil
}

// ruleAt is the rule at an index of the program, nil for none and for tasks.
func (a *analyser) ruleAt(i int32) *rule {
	if i < 0 {
		return nil
	}
	return a.byIndex[i]
}

func (a *analyser) input(s *series) program.Input {
	return program.Input{Task: s.values[dimTask], Name: s.values[dimMetric], Kind: s.kind, Origin: s.origin, Labels: a.labelsOf(s)}
}

// usual are labels as Flink gives them, for examples that look like them.
func (a *analyser) usual() []string {
	out := make([]string, dimFirst+len(a.dimNames))
	for label, values := range sampleLabels {
		out[a.dim(labelDim+label)] = values[0]
	}
	out[dimTask] = "t-1"
	return out
}

// sampleLabels are two values of each label, as Flink gives them.
var sampleLabels = map[string][2]string{
	"host":              {"10.0.0.1", "10.0.0.2"},
	"tm_id":             {"10.0.0.1:6122-1a2b3c", "10.0.0.2:6122-4d5e6f"},
	"job_id":            {"00000000000000000000000000000001", "00000000000000000000000000000002"},
	"job_name":          {"orders", "payments"},
	"task_id":           {"bc764cd8ddf7a0cff126f51c16239658", "0a448493b4782967b150582570326227"},
	"task_name":         {"Source: orders[1] -> Calc[2]", "Sink: totals[3]"},
	"task_attempt_id":   {"a1b2c3d4", "a1b2c3d4"},
	metric.AttemptLabel: {"0", "0"},
	metric.SubtaskLabel: {"0", "1"},
	"operator_id":       {"20ba6b65f97481d5570070de90e4e791", "6d2677a0ecc3fd8df0b72ec675edf8f4"},
	"operator_name":     {"Source: orders[1]", "Calc[2]"},
	"topic":             {"orders", "payments"},
	"partition":         {"0", "1"},
	"column_family":     {"window-contents", "window-merging"},
	"state_name":        {"window-contents", "window-merging"},
	"split":             {"0", "1"},
}
