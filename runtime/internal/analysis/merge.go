package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// identity is what labels of a series name together: one of them is enough.
type identity struct {
	what   string // in the plural
	labels []string
}

// identities that Flink's labels name.
var (
	subtasks     = identity{"subtasks", []string{metric.SubtaskLabel}}
	vertices     = identity{"vertices", []string{"task_id", "task_name"}}
	operators    = identity{"operators", []string{"operator_id", "operator_name"}}
	taskManagers = identity{"task managers", []string{"tm_id", "host"}}
)

// scope is a logical scope of Flink, and what tells its series apart.
type scope struct {
	name  string
	apart []identity
}

var scopes = []scope{
	{"taskmanager.job.task.operator", []identity{subtasks, operators}},
	{"taskmanager.job.task", []identity{subtasks, vertices}},
	{"taskmanager.job", []identity{taskManagers}},
	{"taskmanager", []identity{taskManagers}},
	{"jobmanager.job.operator", []identity{operators}},
}

// keyed are labels whose names stand in the names of metrics, as groups that a
// key and its value make do.
var keyed = map[string][]identity{
	"topic.partition": {{"topics", []string{"topic"}}, {"partitions", []string{"partition"}}},
	"column_family":   {{"column families", []string{"column_family"}}},
	"state_name":      {{"states", []string{"state_name"}}},
	"split":           {{"splits", []string{"split"}}},
}

// sample is a metric of a scope, for which series are made up.
type sample struct {
	name   string
	kind   metric.Kind
	origin metric.Origin
	labels []string
	apart  []identity
	rank   int // the lower, the better known
}

// samples lists Flink's metrics that have series to tell apart, the well-known first.
func (a *analyser) samples() (out []sample) {
	for _, e := range a.opts.Catalogue.Entries() {
		i := slices.IndexFunc(scopes, func(s scope) bool { return s.name == e.Scope })
		if i < 0 || strings.Contains(e.Name, "<") {
			continue
		}
		s := sample{metric.SeriesName(e.Scope, e.Name), e.Kind, e.Origin, catalogue.ScopeLabels(e.Scope), scopes[i].apart, 4 * i}
		if e.Needs != "" || e.ReplacedBy != "" {
			s.rank++
		}
		if strings.Contains(e.Name, ".") {
			s.rank += 2
		}
		for key, more := range keyed {
			if strings.Contains("."+e.Name, "."+key+".") {
				s.apart = slices.Concat(s.apart, more)
				for _, id := range more {
					s.labels = slices.Concat(s.labels, id.labels)
				}
			}
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(x, y sample) int { return x.rank - y.rank })
	return out
}

// touches reports whether a rewrite changes or takes away one of the labels of an identity.
func (a *analyser) touches(r *rule, id identity) bool {
	_, written := writes(r.rewrite)
	return slices.ContainsFunc(id.labels, func(l string) bool { return written == l || a.mayTake(r, l) })
}

// merges finds rewrites that take the last label away that tells live series apart.
func (a *analyser) merges() {
	var samples []sample
	seen := map[string]bool{}   // rules that differ in nothing that matters here
	blamed := map[string]bool{} // rule and identity
	for _, r := range a.rewrites {
		if r.opaque || r.rewrite.Action == "scale" || r.rewrite.Action == "rename-metric" {
			continue
		}
		if samples == nil {
			samples = a.samples()
		}
		key := fmt.Sprint(r.change(), r.ordered.Match, r.ordered.Unless, r.scope)
		if seen[key] {
			continue
		}
		seen[key] = true
		done := map[string]bool{} // identities of scopes
		for _, s := range samples {
			if !a.selects(r, s.name) {
				continue
			}
			for _, id := range s.apart {
				at := fmt.Sprint(len(s.labels), id.what)
				if done[at] || !a.touches(r, id) {
					continue
				}
				done[at] = true
				a.mergesBy(r, s, id, blamed)
			}
		}
	}
}

// selects reports whether a rule may match a metric.
func (a *analyser) selects(r *rule, name string) bool {
	return !slices.ContainsFunc(r.match.conds, func(c cond) bool { return c.dim == dimMetric && !c.set.Match(name) })
}

// mergesBy tries two series of a metric that are equal but for an identity.
func (a *analyser) mergesBy(r *rule, s sample, id identity, blamed map[string]bool) {
	one, two, ok := a.twins(r, s, id)
	if !ok {
		return
	}
	first, second := a.input(one), a.input(two)
	x := a.opts.Program.Decide(first, program.Filter{}, program.Filter{})
	y := a.opts.Program.Decide(second, program.Filter{}, program.Filter{})
	if x.Merge != nil && !x.Merge.Keep {
		return // an aggregate puts them together as their kind asks for
	}
	if x.Disposition != ledger.Out || y.Disposition != ledger.Out || !same(x.Name, y.Name, x.Labels, y.Labels) {
		return
	}
	by, before := a.blame(first, second, id)
	if by == nil || blamed[by.id()+id.what] {
		return
	}
	blamed[by.id()+id.what] = true
	var notes []diag.Note
	for _, b := range before {
		notes = append(notes, a.note(b, "", b.id()+" changes them before"))
	}
	a.add(diag.Merges, diag.Warning, by, mergeField(by), fmt.Sprintf("%s makes one series of several: %s of two %s (%s) come out with the same labels",
		by, s.name, id.what, differences(first.Labels, second.Labels, id)),
		"keep "+strings.Join(id.labels, " or ")+", or drop the series instead of the label", notes...)
}

// mergeField is the field of a rewrite that names what it takes away.
func mergeField(r *rule) string {
	switch r.rewrite.Action {
	case "drop-labels":
		return "labels"
	case "prefer-label":
		return "over"
	case "rename-label":
		return "from"
	}
	field, _ := writes(r.rewrite)
	return field
}

func differences(x, y metric.Labels, id identity) string {
	var out []string
	for _, l := range id.labels {
		if v, w := x.Get(l), y.Get(l); v != w {
			out = append(out, fmt.Sprintf("%s %q and %q", l, v, w))
		}
	}
	return strings.Join(out, ", ")
}

func same(nameX, nameY string, x, y metric.Labels) bool { return nameX == nameY && slices.Equal(x, y) }

// twins makes two series of a metric that a rule matches, as Flink reports them,
// that differ in the labels of an identity only.
func (a *analyser) twins(r *rule, s sample, id identity) (one, two *series, ok bool) {
	usual := make([]string, dimFirst+len(a.dimNames))
	for _, l := range s.labels {
		usual[a.dim(labelDim+l)] = sampleLabels[l][0]
	}
	usual[dimTask] = "t-1"
	q := question{in: []*rule{r}, extra: []atom{{dimMetric, a.literal(s.name), false}}, usual: usual}
	one, ok, err := a.solve(q)
	if !ok || err != nil || !a.plausible(one, s) {
		return nil, nil, false
	}
	one.kind, one.origin = s.kind, s.origin
	copied := *one
	copied.values = slices.Clone(one.values)
	two = &copied
	differ := false
	for _, l := range id.labels {
		d := a.dim(labelDim + l)
		was := two.values[d]
		if two.values[d] = sampleLabels[l][1]; was == two.values[d] {
			two.values[d] = sampleLabels[l][0]
		}
		if !r.matches(two) {
			two.values[d] = a.anotherValue(r, d, was)
		}
		if !r.matches(two) {
			two.values[d] = was
		}
		differ = differ || two.values[d] != was
	}
	return one, two, differ && r.matches(one)
}

// plausible reports whether an example has no labels but those of its scope: a
// rule that asks for others is about series that nothing is known of.
func (a *analyser) plausible(s *series, of sample) bool {
	for i, name := range a.dimNames {
		if label, isLabel := strings.CutPrefix(name, labelDim); isLabel && s.values[dimFirst+i] != "" && !slices.Contains(of.labels, label) {
			return false
		}
	}
	return true
}

// anotherValue is a value for a dimension with which a rule still matches.
func (a *analyser) anotherValue(r *rule, dim int, was string) string {
	var all []*automaton.Set
	for _, c := range r.match.conds {
		if c.dim == dim {
			all = append(all, c.set)
		}
	}
	v, ok, err := a.search.Find(all, []*automaton.Set{a.literal(was)})
	if !ok || err != nil {
		return was
	}
	return v
}

// blame finds the rewrite after which two series are equal, and those that have
// changed the labels of the identity before it.
func (a *analyser) blame(x, y program.Input, id identity) (by *rule, before []*rule) {
	_, ex := a.opts.Program.Explain(x)
	_, ey := a.opts.Program.Explain(y)
	now := [2]program.Snapshot{{Name: x.Name, Labels: x.Labels}, {Name: y.Name, Labels: y.Labels}}
	for len(ex) > 0 || len(ey) > 0 {
		i := int32(-1)
		for _, events := range [][]program.Event{ex, ey} {
			if len(events) > 0 && (i < 0 || events[0].Rule < i) {
				i = events[0].Rule
			}
		}
		touched := false
		for k, events := range []*[]program.Event{&ex, &ey} {
			if e := *events; len(e) > 0 && e[0].Rule == i {
				if e[0].After != nil {
					now[k] = *e[0].After
					touched = touched || slices.ContainsFunc(id.labels, func(l string) bool { return changes(&e[0], l) })
				}
				*events = e[1:]
			}
		}
		if same(now[0].Name, now[1].Name, now[0].Labels, now[1].Labels) {
			return a.ruleAt(i), before
		}
		if r := a.ruleAt(i); touched && r != nil {
			before = append(before, r)
		}
	}
	return nil, nil
}
