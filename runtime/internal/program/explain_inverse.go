package program

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Preimage is a series as it may have been reported, if a series that is looked
// for came of it. To be sure, apply the rewrites to it.
type Preimage struct {
	Name   string
	Labels metric.Labels
	Undone []int32 // rewrites that were taken back, the last one first
}

// Lookup is what a search for preimages may ask.
type Lookup struct {
	Names []string                                     // of series that may be reported
	Value func(shortID string) (value string, ok bool) // what a short identifier stands for
}

// Bounds of a search. Sets that rename in many ways have more preimages, of which
// the first are as good as any.
const (
	maxPreimages = 512
	maxMapped    = 16 // values of one table that become one value
)

// Preimages takes the rewrites back, the last one first, from a series as it
// would leave. Its labels are those that are asked for; it may have others. What
// cannot be taken back is left: values that table-name and extract have made of
// others, and short identifiers that nobody knows. The first preimage is the
// series itself. set is the one that p was compiled from.
func (p *Program) Preimages(set *policy.Set, name string, labels metric.Labels, ask Lookup) []Preimage {
	written := rewritesOf(set)
	all := []Preimage{{Name: name, Labels: labels}}
	for i := p.rewrites - 1; i >= p.degrades; i-- {
		r := &p.rules[i]
		w := written[r.ID]
		if r.Inert != "" || w == nil || r.transform != nil {
			continue
		}
		for _, after := range all[:len(all):len(all)] {
			for _, before := range p.undo(int32(i), w, &after, ask) {
				if len(all) == maxPreimages {
					return all
				}
				before.Undone = append(slices.Clone(after.Undone), int32(i))
				all = append(all, before)
			}
		}
	}
	return all
}

// undo returns what one rewrite may have made a series of.
func (p *Program) undo(rule int32, r *policy.Rewrite, after *Preimage, ask Lookup) (out []Preimage) {
	put := func(label, from, value string) {
		l := slices.Clone(after.Labels).Set(label, "")
		out = append(out, Preimage{Name: after.Name, Labels: l.Set(from, value)})
	}
	switch r.Action {
	case "rename-metric":
		if after.Name != r.To {
			return nil
		}
		for _, name := range p.renamed(rule, r, ask.Names) {
			out = append(out, Preimage{Name: name, Labels: after.Labels})
		}
	case "rename-label":
		if v := after.Labels.Get(r.To); v != "" {
			put(r.To, r.From, v)
		}
	case "map-value":
		v := after.Labels.Get(r.Label)
		for _, old := range sortedKeys(r.Map) {
			if v != "" && r.Map[old] == v && len(out) < maxMapped {
				put(r.Label, r.Label, old)
			}
		}
	case "set-label":
		if after.Labels.Get(r.Label) == r.Value {
			put(r.Label, r.Label, "")
		}
	case "short-id":
		into := r.Into
		if into == "" {
			into = r.Label
		}
		if id := after.Labels.Get(into); id != "" && ask.Value != nil {
			if v, ok := ask.Value(id); ok {
				put(into, r.Label, v)
			}
		}
	}
	return out
}

// renamed lists the names that a rename-metric may have taken away: known ones,
// and those that its match spells out.
func (p *Program) renamed(rule int32, r *policy.Rewrite, known []string) (names []string) {
	selects := &p.rules[rule].match
	for _, name := range known {
		if selects.metrics.match(name) {
			names = append(names, name)
		}
	}
	for i := range selects.metrics {
		if m := &selects.metrics[i]; m.form == literal && !slices.Contains(names, m.text) {
			names = append(names, m.text)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == r.To })
}

// Makes lists the rewrites in force that give a label a value of which the one
// that it was made from cannot be told.
func (p *Program) Makes(set *policy.Set, label string) (rules []int32) {
	written := rewritesOf(set)
	for i := p.degrades; i < p.rewrites; i++ {
		r := &p.rules[i]
		if r.Inert != "" || r.transform != nil {
			continue
		}
		w := written[r.ID]
		if w == nil {
			continue
		}
		into := w.Into
		if w.Action == "short-id" && into == "" {
			into = w.Label
		}
		if slices.Contains([]string{"table-name", "extract", "short-id"}, w.Action) && into == label {
			rules = append(rules, int32(i))
		}
	}
	return rules
}

// rewritesOf gives the rewrites of a set by their id.
func rewritesOf(set *policy.Set) map[RuleID]*policy.Rewrite {
	written := map[RuleID]*policy.Rewrite{}
	for i := range set.Teams {
		t := &set.Teams[i]
		for name, r := range t.Rewrite {
			written[RuleID(t.Name+"/"+name)] = &r
		}
	}
	return written
}
