package program

import (
	"cmp"
	"iter"
	"slices"

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

// String is the path of the place; that of one in no set is its field.
func (p place) String() string {
	if p.team == "" {
		return p.field
	}
	return p.team + "." + p.section + "." + p.name + p.field
}

// sectionEntry is an entry of a section of a set, with what its place in the order depends on.
type sectionEntry struct {
	team        *policy.Team
	section     string
	name        string
	rank, order int
}

func (e *sectionEntry) place() place {
	return place{team: e.team.Name, section: e.section, name: e.name}
}

// entriesOf appends the entries of one section of all teams. of gives the rank and
// the order of one.
func entriesOf[T any](to []sectionEntry, set *policy.Set, section string, values func(*policy.Team) map[string]T, of func(*T) (rank, order int)) []sectionEntry {
	n := 0
	for i := range set.Teams {
		n += len(values(&set.Teams[i]))
	}
	to = slices.Grow(to, n)
	for i := range set.Teams {
		t := &set.Teams[i]
		for name, v := range values(t) {
			rank, order := of(&v)
			to = append(to, sectionEntry{team: t, section: section, name: name, rank: rank, order: order})
		}
	}
	return to
}

// compareEntries goes by rank, order, team, name and section.
func compareEntries(a, b sectionEntry) int {
	if a.rank != b.rank {
		return cmp.Compare(a.rank, b.rank)
	}
	if a.order != b.order {
		return cmp.Compare(a.order, b.order)
	}
	if a.team != b.team {
		return cmp.Compare(a.team.Name, b.team.Name)
	}
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.section, b.section))
}

// inOrder goes through one section of all teams in the order of compareEntries. A value is
// valid until the next.
func inOrder[T any](set *policy.Set, section string, values func(*policy.Team) map[string]T, of func(*T) (rank, order int)) iter.Seq2[place, *T] {
	entries := entriesOf(nil, set, section, values, of)
	slices.SortFunc(entries, compareEntries)
	return func(yield func(place, *T) bool) {
		var v T
		for i := range entries {
			e := &entries[i]
			if v = values(e.team)[e.name]; !yield(e.place(), &v) {
				return
			}
		}
	}
}
