package program

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// everyLabel stands for all labels in what a plugin reads or writes.
const everyLabel = "*"

// flinkLabels are the variables that Flink gives its metrics.
var flinkLabels = [...]string{
	"host", "job_id", jobLabel, "operator_id", "operator_name", metric.SubtaskLabel,
	"task_attempt_id", metric.AttemptLabel, "task_id", "task_name", "tm_id",
}

// kept are labels that never are left out at the source: records have fields for
// them, and tasks are selected by job name.
var kept = [...]string{jobLabel, metric.SubtaskLabel, metric.AttemptLabel, metric.TaskLabel}

// note remembers the labels that a rule of the document looks at or makes.
func (c *collector) note(r *rule) {
	conditions := r.match.labels
	if r.unless != nil {
		conditions = slices.Concat(conditions, r.unless.labels)
	}
	for i := range conditions {
		c.read[conditions[i].name] = true
	}
	for _, name := range r.touches {
		c.read[name] = true
	}
}

// droppable returns which of the labels that a rewrite drops may be missing from
// the start: nothing else looks at them, and no sample rule hashes them. Where a
// pattern takes others, too, those of Flink's labels that it takes are named.
func (c *collector) droppable(names patterns) []string {
	var out []string
	for i := range names {
		p := &names[i]
		if !c.sampling && !c.takesOthers(p) {
			out = append(out, p.String())
			continue
		}
		for _, l := range flinkLabels {
			if p.match(l) && c.free(l) {
				out = append(out, l)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// takesOthers reports whether a pattern matches a label that has to stay.
func (c *collector) takesOthers(p *pattern) bool {
	if c.read[everyLabel] {
		return true
	}
	for name := range c.read {
		if p.match(name) {
			return true
		}
	}
	return slices.ContainsFunc(kept[:], p.match)
}

// free reports whether a label may be missing.
func (c *collector) free(label string) bool {
	return !c.read[everyLabel] && !c.read[label] && !slices.Contains(kept[:], label) &&
		(!c.sampling || slices.Contains(incarnation[:], label))
}
