package analysis

import (
	"fmt"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// coverRounds is how many earlier rules together are tried as the cover of one.
const coverRounds = 16

// neverDecide finds rules that match nothing, and rules whose series are all
// decided about by rules before them.
func (a *analyser) neverDecide() {
	for _, chain := range [][]*rule{a.controls, a.aggregates} {
		earlier := map[string][]*rule{} // by scope
		for i, r := range chain {
			if r.scope == "" {
				a.neverDecides(r, chain[:i])
				for _, t := range a.set.Teams {
					earlier[t.Name] = append(earlier[t.Name], r)
				}
				continue
			}
			a.neverDecides(r, earlier[r.scope])
			earlier[r.scope] = append(earlier[r.scope], r)
		}
	}
	for _, r := range slices.Concat(a.rewrites, a.transforms, a.others) {
		_, ok, err := a.solve(question{in: []*rule{r}, any: true})
		if !a.givenUp(r, err) && !ok {
			a.matchesNothing(r)
		}
	}
}

func (a *analyser) neverDecides(r *rule, before []*rule) {
	if a.spend(r, 10*len(before)) {
		return
	}
	s, ok, err := a.solve(question{in: []*rule{r}, any: true})
	if a.givenUp(r, err) {
		return
	}
	if !ok {
		a.matchesNothing(r)
		return
	}
	var takers []*rule
	for _, b := range before {
		if !b.opaque && b.matches(s) {
			takers = append(takers, b)
		}
	}
	if len(takers) == 0 {
		return
	}
	for _, b := range takers[:min(len(takers), coverRounds)] {
		if _, ok, err := a.solve(question{in: []*rule{r}, out: []*rule{b}, any: true}); !ok && err == nil {
			a.reportCovered(r, b)
			return
		}
	}
	a.coveredTogether(r, before, takers[0])
}

// coveredTogether looks for rules that between them take all that a rule matches.
func (a *analyser) coveredTogether(r *rule, before []*rule, first *rule) {
	cover := []*rule{first}
	for len(cover) <= coverRounds {
		s, ok, err := a.solve(question{in: []*rule{r}, out: cover, any: true})
		if err != nil {
			return // more rules than can be told: this warning is not owed
		}
		if !ok {
			a.reportCovered(r, cover...)
			return
		}
		taken := false
		for _, b := range before {
			if !b.opaque && b.matches(s) {
				cover, taken = append(cover, b), true
				break
			}
		}
		if !taken {
			return
		}
	}
}

// verb says what a rule never does when nothing is left for it.
func (r *rule) verb() string {
	if r.control != nil {
		return "decides"
	}
	return "applies"
}

func (a *analyser) matchesNothing(r *rule) {
	verb := r.verb()
	if _, ok, err := a.solve(question{in: []*rule{{match: r.match}}, any: true}); ok && err == nil {
		a.add(diag.NeverDecides, diag.Warning, r, "unless", fmt.Sprintf("%s never %s: unless excludes all that match selects", r, verb),
			"remove the rule, or narrow unless")
		return
	}
	a.add(diag.NeverDecides, diag.Warning, r, "match", fmt.Sprintf("%s never %s: no series meets all conditions of match", r, verb),
		"remove the rule, or widen match")
}

func (a *analyser) reportCovered(r *rule, cover ...*rule) {
	one := cover[0]
	if len(cover) == 1 && a.ambiguousPairs[[2]*rule{one, r}] {
		return // has been said, as the contradiction that it is
	}
	var notes []diag.Note
	for _, b := range cover[:min(len(cover), notesShown)] {
		notes = append(notes, a.note(b, "match", fmt.Sprintf("%s: %s", b.id(), b.effect())))
	}
	switch {
	case len(cover) > 1:
		a.add(diag.NeverDecides, diag.Warning, r, "match",
			fmt.Sprintf("%s never %s: %s come before it and between them match all that it matches", r, r.verb(), names(cover)),
			"remove it, or give it a lower order than theirs", notes...)
	case one.tier == 0 && r.tier > 0:
		a.add(diag.Overruled, diag.Warning, r, "match",
			fmt.Sprintf("%s never decides: guard %s comes first and matches all that it matches", r, one.id()),
			"remove it, or agree with the owner of the guard on an unless there", notes...)
	case one.tier < r.tier:
		a.add(diag.NeverDecides, diag.Warning, r, "match",
			fmt.Sprintf("%s never decides: %s is of tier %s, comes before it and matches all that it matches", r, one.id(), tiers[one.tier]),
			"remove it, or narrow "+one.id()+", for instance by unless", notes...)
	default:
		a.add(diag.NeverDecides, diag.Warning, r, "match",
			fmt.Sprintf("%s never %s: %s comes before it and matches all that it matches", r, r.verb(), one.id()),
			"remove it, give it a lower order than "+one.id()+" has, or narrow "+one.id(), notes...)
	}
}
