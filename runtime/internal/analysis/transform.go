package analysis

import (
	"fmt"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// everyLabel stands for all labels in what a plugin reads or writes: nothing can be
// said about one of them then.
const everyLabel = "*"

// pluginLabels finds transforms whose plugin reads a label that a rewrite before has
// taken away, or writes one that a rewrite of the same order changes.
func (a *analyser) pluginLabels() {
	for _, t := range a.transforms {
		if t.plugin == nil {
			continue
		}
		var before []*rule
		for _, r := range a.rewrites {
			if r.order < t.order {
				before = append(before, r)
			}
		}
		before = before[max(0, len(before)-lookedBack):]
		for _, label := range t.plugin.Reads {
			if label != everyLabel {
				a.goneBefore(t, "plugin", label, before)
			}
		}
		for _, r := range a.rewrites {
			if r.order == t.order && a.writesToo(t, r) {
				break
			}
		}
	}
}

// writesToo reports a rewrite that changes a label which a plugin writes, at the
// same place in the order, and whether there is one.
func (a *analyser) writesToo(t, r *rule) bool {
	_, written := writes(r.rewrite)
	at := slices.IndexFunc(t.plugin.Writes, func(label string) bool {
		return label != everyLabel && (label == written || a.takes(r, label))
	})
	if at < 0 || a.apart(&t.match, &r.match) {
		return false
	}
	s, ok, err := a.solve(question{in: []*rule{t, r}, usual: a.usual()})
	if a.givenUp(t, err) || !ok {
		return false
	}
	a.add(diag.TwoWriters, diag.Error, t, "order",
		fmt.Sprintf("%s and %s have the same order and both change label %s, for instance of %s", t, r, t.plugin.Writes[at], a.describe(s)),
		"give them different orders, or matches that exclude each other; as it is, their names decide", a.note(r, "", r.String()))
	return true
}
