package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// A series is looked at by dimension. The first ones are fixed; each label and tag
// that a rule reads is another.
const (
	dimMetric = iota
	dimTask   // torrent_task_id
	dimJob    // label job_name
	dimTasks  // in conditions only: dimTask or, where it is not "", dimJob
	dimFirst  // labels and tags follow
)

// Names of dimensions are those of labels and tags behind one of these.
const (
	labelDim = "labels."
	tagDim   = "tags."
)

// box is a compiled match: all conditions hold.
type box struct {
	conds          []cond // by dimension
	kinds, origins mask
}

// cond asks that the value of a dimension is in a set.
type cond struct {
	dim int
	set *automaton.Set
}

// mask is a set of kinds or origins.
type mask uint16

const anything = ^mask(0)

// dim returns the dimension of a label or tag.
func (a *analyser) dim(name string) int {
	switch name {
	case labelDim + metric.TaskLabel:
		return dimTask
	case labelDim + "job_name":
		return dimJob
	}
	d, ok := a.dims[name]
	if !ok {
		d = dimFirst + len(a.dimNames)
		a.dims[name] = d
		a.dimNames = append(a.dimNames, name)
	}
	return d
}

// box compiles a match; ok is false when it has a pattern that cannot be looked at.
func (a *analyser) box(m *policy.Match) (b box, ok bool) {
	ok = true
	add := func(dim int, patterns []string) {
		if len(patterns) == 0 {
			return
		}
		set, err := a.patterns(patterns)
		if err != nil {
			ok = false
			return
		}
		b.conds = append(b.conds, cond{dim, set})
	}
	add(dimMetric, m.Metrics)
	add(dimTasks, m.Tasks)
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		add(a.dim(labelDim+name), m.Labels[name])
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		add(a.dim(tagDim+name), m.Tags[name])
	}
	slices.SortStableFunc(b.conds, func(x, y cond) int { return x.dim - y.dim })
	b.kinds = words(m.Kinds, metric.ParseKind)
	b.origins = words(m.Origin, metric.ParseOrigin)
	return b, ok
}

func words[T ~uint8](list []string, parse func(string) (T, bool)) mask {
	var m mask
	for _, s := range list {
		if v, ok := parse(s); ok {
			m |= 1 << v
		}
	}
	if len(list) == 0 {
		return anything
	}
	return m
}

// series is an example: a value for each dimension, "" for labels and tags that
// are not there.
type series struct {
	values []string
	kind   metric.Kind
	origin metric.Origin
	shown  []int // dimensions that matter, in order
	kinds  mask  // those it could have
	whence mask  // origins it could have
}

func (s *series) in(b *box) bool {
	if b.kinds&(1<<s.kind) == 0 || b.origins&(1<<s.origin) == 0 {
		return false
	}
	for i := range b.conds {
		c := &b.conds[i]
		if c.dim == dimTasks {
			if !c.set.Match(s.values[dimTask]) && (s.values[dimJob] == "" || !c.set.Match(s.values[dimJob])) {
				return false
			}
		} else if !c.set.Match(s.values[c.dim]) {
			return false
		}
	}
	return true
}

// matches reports whether the rule matches the series.
func (r *rule) matches(s *series) bool {
	return s.in(&r.match) && (r.unless == nil || !s.in(r.unless))
}

// apart reports whether no series is in both, as far as single dimensions tell.
func (a *analyser) apart(x, y *box) bool {
	if x.kinds&y.kinds == 0 || x.origins&y.origins == 0 {
		return true
	}
	j := 0
	for i := range x.conds {
		for j < len(y.conds) && y.conds[j].dim < x.conds[i].dim {
			j++
		}
		if j < len(y.conds) && y.conds[j].dim == x.conds[i].dim && !a.overlap(x.conds[i].set, y.conds[j].set) {
			return true
		}
	}
	return false
}

// describe writes a series for people: what matters of it.
func (a *analyser) describe(s *series) string {
	var labels, more []string
	name := ""
	for _, d := range s.shown {
		switch {
		case d == dimMetric:
			name = s.values[d]
		case d == dimTask:
			more = append(more, "of task "+s.values[d])
		case d == dimJob:
			labels = append(labels, fmt.Sprintf("job_name=%q", s.values[d]))
		default:
			if label, ok := strings.CutPrefix(a.dimNames[d-dimFirst], labelDim); ok {
				if s.values[d] != "" {
					labels = append(labels, fmt.Sprintf("%s=%q", label, s.values[d]))
				}
			} else if tag := a.dimNames[d-dimFirst][len(tagDim):]; s.values[d] != "" {
				more = append(more, fmt.Sprintf("with tag %s=%q", tag, s.values[d]))
			}
		}
	}
	if len(labels) > 0 {
		slices.Sort(labels)
		name += "{" + strings.Join(labels, ", ") + "}"
	}
	if s.kinds != anything {
		more = append(more, "of kind "+s.kind.String())
	}
	if s.whence != anything {
		more = append(more, "of origin "+s.origin.String())
	}
	if name == "" {
		name = "any series"
	}
	return strings.Join(append([]string{name}, more...), " ")
}

// labelsOf are the labels of the series as the program sees it.
func (a *analyser) labelsOf(s *series) metric.Labels {
	labels := metric.Labels{}.Set(metric.TaskLabel, s.values[dimTask]).Set("job_name", s.values[dimJob])
	for i, name := range a.dimNames {
		if label, ok := strings.CutPrefix(name, labelDim); ok {
			labels = labels.Set(label, s.values[dimFirst+i])
		}
	}
	return labels
}
