package policy

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// everyLabel stands for all labels in what a plugin writes.
const everyLabel = "*"

// transforms finds plugins that may give the series of several partitions one
// identity, of what an aggregate or a budget then merges. What a plugin may write is
// known, not what it does: only one that names the task's label is refused.
func (p *partitioned) transforms(t teamOutcome) {
	for _, name := range sorted(t.Team.Transform) {
		tr := t.Team.Transform[name]
		plugin, known := p.plugins[tr.Plugin]
		if !known || tr.Shadow > 0 {
			continue // reported elsewhere, or what it gives goes nowhere
		}
		said, writes := &plugin.Manifest, plugin.Manifest.Writes.Labels
		if len(tr.Writes) > 0 {
			writes = tr.Writes
		}
		if m := p.about(t, &tr.Ordered, "aggregate"); m != nil {
			switch notes := []diag.Note{m.note()}; {
			case slices.Contains(writes, taskLabel):
				p.add(t, "plugin "+said.Name+" writes "+taskLabel+" of series that are then merged", keepsTask, notes, "transform", name, "plugin")
			case slices.Contains(writes, everyLabel):
				p.warn(t, "plugin "+said.Name+" may change any label of series that are then merged, and so "+taskLabel,
					"series of several tasks are on different partitions; name the labels that it is to change, as in writes: [\"user\"], which the sandbox holds it to, "+
						"or let the transform match what no aggregate does", notes, name)
			}
		}
		if m := p.about(t, &tr.Ordered, "aggregate", "budget"); m != nil && said.Writes.Name && p.key == keyMetric && !oneMetric(&tr.Match) {
			p.warn(t, "plugin "+said.Name+" may give several metrics one name, and each has a partition of its own", keepsMetric, []diag.Note{m.note()}, name)
		}
	}
}

// warn reports what a transform may do.
func (p *partitioned) warn(t teamOutcome, message, hint string, notes []diag.Note, name string) {
	p.add(t, message, hint, notes, "transform", name, "plugin")
	p.out[len(p.out)-1].Severity = diag.Warning
}
