package analysis

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// A question asks for a series that some rules match and others do not. Its
// answer is exact: every dimension is decided by automata, and where a rule can be
// missed in several ways, each is tried.
type question struct {
	in  []*rule // must match
	out []*rule // must not

	// any asks about all series whatever: tags have any value, and tasks meet a rule
	// by id or by job name. Otherwise the answer is a series that there can be: its
	// tags are those that the task section gives, and the task meets by its id.
	any bool

	extra []atom   // more that must hold
	usual []string // values to prefer, by dimension; nil for none
}

// atom is one condition on one dimension: in the set, or not in it.
type atom struct {
	dim int
	set *automaton.Set
	not bool
}

// step is a way to meet a goal: all atoms hold, and so do the masks.
type step struct {
	atoms          []atom
	kinds, origins mask
}

func holds(atoms ...atom) step { return step{atoms, anything, anything} }

// goal is met by any of its steps.
type goal []step

// tried bounds the steps that one question tries; stepCost is what one takes from
// the budget.
const (
	tried    = 20_000
	stepCost = 200
)

// solver is a question while it is answered.
type solver struct {
	*analyser
	any   bool
	usual []string
	goals []goal
	left  int
}

// region is what has been decided so far about the series sought.
type region struct {
	dims           []constraint // by dimension
	kinds, origins mask
}

// constraint is what must hold in a dimension, and a value for which it does.
type constraint struct {
	dim     int
	all     []*automaton.Set
	but     []*automaton.Set
	example string
}

// solve answers a question; ok is false when there is no such series.
func (a *analyser) solve(q question) (s *series, ok bool, err error) {
	for _, r := range slices.Concat(q.in, q.out) {
		if r.opaque || a.search.Left < 0 {
			return nil, false, automaton.ErrTooLarge
		}
	}
	v := &solver{analyser: a, any: q.any, usual: q.usual, left: tried}
	for _, r := range q.in {
		v.goals = append(v.goals, v.within(&r.match)...)
		if r.unless != nil {
			v.goals = append(v.goals, v.outside(r.unless))
		}
	}
	for _, x := range q.extra {
		v.goals = append(v.goals, goal{holds(x)})
	}
	for _, r := range q.out {
		missed := v.outside(&r.match)
		if r.unless != nil {
			missed = append(missed, v.inside(r.unless)...)
		}
		v.goals = append(v.goals, missed)
	}
	slices.SortStableFunc(v.goals, func(x, y goal) int { return min(len(x), 2) - min(len(y), 2) })
	return v.meet(0, region{kinds: anything, origins: anything})
}

// within are the goals of being in a box, one for each condition.
func (v *solver) within(b *box) []goal {
	goals := []goal{{{nil, b.kinds, b.origins}}}
	for _, c := range b.conds {
		if c.dim != dimTasks {
			goals = append(goals, goal{holds(atom{c.dim, c.set, false})})
			continue
		}
		g := goal{holds(atom{dimTask, c.set, false})}
		if v.any {
			g = append(g, holds(atom{dimJob, c.set, false}, atom{dimJob, v.text.noText, true}))
		}
		goals = append(goals, g)
	}
	return goals
}

// inside are the ways of being in a box.
func (v *solver) inside(b *box) []step {
	ways := []step{{nil, b.kinds, b.origins}}
	for _, g := range v.within(b)[1:] {
		var next []step
		for _, w := range ways {
			for _, s := range g {
				next = append(next, step{slices.Concat(w.atoms, s.atoms), w.kinds, w.origins})
			}
		}
		ways = next
	}
	return ways
}

// outside is the goal of missing a box, by one of its conditions.
func (v *solver) outside(b *box) goal {
	var g goal
	if b.kinds != anything {
		g = append(g, step{nil, ^b.kinds, anything})
	}
	if b.origins != anything {
		g = append(g, step{nil, anything, ^b.origins})
	}
	for _, c := range b.conds {
		if c.dim != dimTasks {
			g = append(g, holds(atom{c.dim, c.set, true}))
			continue
		}
		g = append(g,
			holds(atom{dimTask, c.set, true}, atom{dimJob, v.text.noText, false}),
			holds(atom{dimTask, c.set, true}, atom{dimJob, c.set, true}))
	}
	return g
}

// meet goes on from goal i. The ways that what is decided meets already come first.
func (v *solver) meet(i int, r region) (*series, bool, error) {
	if i == len(v.goals) {
		return v.finish(r)
	}
	var unsure error
	for _, easy := range []bool{true, false} {
		for _, w := range v.goals[i] {
			if v.easy(&r, w) != easy {
				continue
			}
			v.search.Left -= stepCost
			if v.left--; v.left < 0 || v.search.Left < 0 {
				return nil, false, automaton.ErrTooLarge
			}
			next, ok, err := v.narrow(r, w)
			if err == nil && ok {
				var s *series
				if s, ok, err = v.meet(i+1, next); ok {
					return s, true, nil
				}
			}
			if err != nil {
				unsure = err
			}
		}
	}
	return nil, false, unsure
}

// easy reports whether the examples so far meet a step.
func (v *solver) easy(r *region, w step) bool {
	if r.kinds&w.kinds != r.kinds || r.origins&w.origins != r.origins {
		return false
	}
	for _, x := range w.atoms {
		if x.set.Match(v.example(r, x.dim)) == x.not {
			return false
		}
	}
	return true
}

// example is the value that a dimension has so far.
func (v *solver) example(r *region, dim int) string {
	i, ok := r.find(dim)
	if ok {
		return r.dims[i].example
	}
	if dim < len(v.usual) && v.usual[dim] != "" {
		return v.usual[dim]
	}
	if dim == dimMetric || dim == dimTask {
		return "x"
	}
	return ""
}

func (r *region) find(dim int) (int, bool) {
	return slices.BinarySearchFunc(r.dims, dim, func(c constraint, d int) int { return c.dim - d })
}

// narrow returns the region in which a step holds too; ok is false when it is
// empty. It leaves r as it is.
func (v *solver) narrow(r region, w step) (region, bool, error) {
	r.kinds, r.origins = r.kinds&w.kinds, r.origins&w.origins
	if lowest[metric.Kind](r.kinds, metric.Histogram) == 0 || lowest[metric.Origin](r.origins, metric.Event) == 0 {
		return r, false, nil
	}
	if len(w.atoms) == 0 {
		return r, true, nil
	}
	r.dims = slices.Clone(r.dims)
	for _, x := range w.atoms {
		i, ok := r.find(x.dim)
		if !ok {
			c := constraint{dim: x.dim, example: v.example(&r, x.dim)}
			switch x.dim {
			case dimMetric:
				c.all = []*automaton.Set{v.text.seriesNames}
			case dimTask:
				c.all = []*automaton.Set{v.text.someText}
			}
			r.dims = slices.Insert(r.dims, i, c)
		}
		c := &r.dims[i]
		if x.not {
			c.but = append(slices.Clip(c.but), x.set)
		} else {
			c.all = append(slices.Clip(c.all), x.set)
		}
		if x.set.Match(c.example) != x.not {
			continue
		}
		example, ok, err := v.search.Find(c.all, c.but)
		if !ok || err != nil {
			return r, false, err
		}
		c.example = example
	}
	return r, true, nil
}

// lowest is the first word of a mask, 0 when there is none.
func lowest[T ~uint8](m mask, last T) T {
	for w := T(1); w <= last; w++ {
		if m&(1<<w) != 0 {
			return w
		}
	}
	return 0
}

// finish makes a series of a region.
func (v *solver) finish(r region) (*series, bool, error) {
	if !v.any {
		var ok bool
		var err error
		if r, ok, err = v.realise(r); !ok || err != nil {
			return nil, false, err
		}
	}
	s := &series{
		values: make([]string, dimFirst+len(v.dimNames)),
		kind:   lowest(r.kinds, metric.Histogram), origin: lowest(r.origins, metric.Event),
		kinds: r.kinds, whence: r.origins,
	}
	if r.kinds&(1<<metric.Gauge) != 0 {
		s.kind = metric.Gauge
	}
	for d := range s.values {
		s.values[d] = v.example(&r, d)
	}
	for i := range r.dims {
		s.shown = append(s.shown, r.dims[i].dim)
	}
	if !v.any {
		v.tagAs(s)
	}
	return s, true, nil
}

// tagAs gives a series the tags that its task has.
func (v *solver) tagAs(s *series) {
	if len(v.entries) == 0 {
		return
	}
	tags, _ := v.tagsOf(s.values[dimTask], s.values[dimJob])
	for d := range s.values {
		if tag, ok := v.tag(d); ok {
			s.values[d] = tags[tag]
		}
	}
}
