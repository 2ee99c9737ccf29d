package program

import (
	"cmp"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// place is an entry of a section, or a field of it. It is put together to a path only
// where something is said of it: few of thousands of rules are wrong.
type place struct{ team, section, name, field string }

// in is a field of a place, which begins with a dot.
func (p place) in(field string) place {
	p.field += field
	return p
}

func (p place) id() RuleID { return RuleID(p.team + "/" + p.name) }

// String is the path of the place; that of one in no set is its field.
func (p place) String() string {
	if p.team == "" {
		return p.field
	}
	return p.team + "." + p.section + "." + p.name + p.field
}

// sectionEntry is an entry of a section of a set, with what its place in the order depends on.
type sectionEntry struct {
	place
	pos         diag.Pos // where it is written
	of          *policy.Team
	rank, order int
}

// entries appends those of one section of all teams. by gives the rank and the order of one.
func entries[T any](to []sectionEntry, set *policy.Set, from policy.Provenance, section string, values func(*policy.Team) map[string]T, by func(T) (rank, order int)) []sectionEntry {
	n := 0
	for i := range set.Teams {
		n += len(values(&set.Teams[i]))
	}
	to = slices.Grow(to, n)
	for i := range set.Teams {
		t := &set.Teams[i]
		places := from[t.Name]
		for name, v := range values(t) {
			e := sectionEntry{place: place{team: t.Name, section: section, name: name}, of: t, pos: places.Rule(section, name)}
			e.rank, e.order = by(v)
			to = append(to, e)
		}
	}
	return to
}

// inOrder lists one section of all teams in the order of compareEntries.
func inOrder[T any](set *policy.Set, from policy.Provenance, section string, values func(*policy.Team) map[string]T, by func(T) (rank, order int)) []*sectionEntry {
	return sorted(entries(nil, set, from, section, values, by), compareEntries)
}

func sorted(all []sectionEntry, compare func(a, b *sectionEntry) int) []*sectionEntry {
	out := make([]*sectionEntry, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	slices.SortFunc(out, compare)
	return out
}

// compareEntries goes by rank, order, team, name and section.
func compareEntries(a, b *sectionEntry) int {
	if a.rank != b.rank {
		return cmp.Compare(a.rank, b.rank)
	}
	if a.order != b.order {
		return cmp.Compare(a.order, b.order)
	}
	if a.team != b.team {
		return cmp.Compare(a.team, b.team)
	}
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.section, b.section))
}
