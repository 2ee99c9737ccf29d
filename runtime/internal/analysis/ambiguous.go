package analysis

import (
	"fmt"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Bounds of what is looked for: a set with as many findings is not read further.
const (
	conflictsPerRule = 8
	conflictsAtMost  = 500
	rounds           = 8 // rules that may take an example before another is sought
	notesShown       = 4
)

// conflict is a series that two rules want different things of.
type conflict struct {
	first, second *rule // in the order in which they decide
	example       *series
}

// ambiguous finds rules of one tier and order, of which the first that matches
// decides, that can match one series and disagree: their names would decide, which
// nobody meant.
func (a *analyser) ambiguous() {
	a.ambiguousPairs = map[[2]*rule]bool{}
	for _, chain := range [][]*rule{a.controls, a.aggregates} {
		var all []conflict
		for from := 0; from < len(chain); {
			to := from + 1
			for to < len(chain) && chain[to].tier == chain[from].tier && chain[to].order == chain[from].order {
				to++
			}
			all = append(all, a.conflicts(chain, from, to)...)
			from = to
		}
		for _, c := range all {
			a.ambiguousPairs[[2]*rule{c.first, c.second}] = true
		}
		for _, group := range grouped(all) {
			a.reportAmbiguous(group)
		}
	}
}

// conflicts compares rules of one tier and order: those from one place of a chain
// to another.
func (a *analyser) conflicts(chain []*rule, from, to int) (out []conflict) {
	rules := chain[from:to]
	if len(rules) < 2 {
		return nil
	}
	effects := make([]string, len(rules))
	for i, r := range rules {
		effects[i] = r.change()
	}
	for j, y := range rules {
		if len(out) > conflictsAtMost || a.spend(y, 2*j) {
			break
		}
		found := 0
		for i, x := range rules[:j] {
			if effects[i] == effects[j] || x.scope != y.scope && x.scope != "" && y.scope != "" || a.apart(&x.match, &y.match) {
				continue
			}
			s, ok, err := a.undecided(x, y, chain[:from+i])
			if a.givenUp(y, err) || !ok {
				continue
			}
			out = append(out, conflict{x, y, s})
			if found++; found == conflictsPerRule {
				break
			}
		}
	}
	return out
}

// undecided finds a series that both rules match, and none of those before them.
func (a *analyser) undecided(x, y *rule, before []*rule) (*series, bool, error) {
	q := question{in: []*rule{x, y}}
	for range rounds {
		s, ok, err := a.solve(q)
		if !ok || err != nil {
			return nil, false, err
		}
		i := slices.IndexFunc(before, func(r *rule) bool { return !r.opaque && r.matches(s) })
		if i < 0 {
			return s, true, nil
		}
		q.out = append(q.out, before[i])
	}
	return nil, false, nil
}

// grouped puts conflicts together that have a rule in common, so that one rule
// that is too wide gives one finding: the rule with the most conflicts first.
func grouped(all []conflict) (out [][]conflict) {
	for len(all) > 0 {
		count := map[*rule]int{}
		for _, c := range all {
			count[c.first]++
			count[c.second]++
		}
		hub := all[0].second
		for _, c := range all {
			for _, r := range []*rule{c.second, c.first} {
				if count[r] > count[hub] {
					hub = r
				}
			}
		}
		var group, rest []conflict
		for _, c := range all {
			if c.first == hub || c.second == hub {
				group = append(group, c)
			} else {
				rest = append(rest, c)
			}
		}
		out, all = append(out, group), rest
	}
	return out
}

func (a *analyser) reportAmbiguous(group []conflict) {
	c := group[0]
	hub := c.second
	if len(group) > 1 && (group[1].first == c.first || group[1].second == c.first) {
		hub = c.first
	}
	alike := "order"
	if hub.control != nil {
		alike = "tier and order"
	}
	message := fmt.Sprintf("%s and %s have the same %s, both match %s, and disagree: %s, or %s",
		c.first, c.second.id(), alike, a.describe(c.example), c.first.effect(), c.second.effect())
	var notes []diag.Note
	for i, c := range group {
		other := c.first
		if other == hub {
			other = c.second
		}
		if i == notesShown {
			notes = append(notes, a.note(other, "", fmt.Sprintf("and %d more", len(group)-notesShown)))
			break
		}
		notes = append(notes, a.note(other, "", fmt.Sprintf("%s: %s", other.id(), other.effect())))
	}
	a.add(diag.Ambiguous, diag.Error, hub, "order", message,
		fmt.Sprintf("give them different orders, or narrow one of them; as it is, %s would decide, by its name", c.first.id()), notes...)
}
