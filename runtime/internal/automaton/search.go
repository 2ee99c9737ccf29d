package automaton

import (
	"slices"
	"unicode/utf8"
)

// Search makes sets and answers questions about them. Left is what remains of its
// budget over all of that, in units of some five nanoseconds: it bounds what a whole
// analysis takes. The caller may take from it for work of its own.
type Search struct {
	Left int
}

// maxVisited is how many combinations of states one question may look at.
const maxVisited = 20_000

// Find returns a shortest string that is in each of all and in none of but, made
// of readable characters where there is a choice; found is false when there is no
// such string. The same question always gets the same string. Both lists may be
// empty. The error is ErrTooLarge when the question was given up.
//
// Whether sets a and b overlap is Find({a, b}, nil); whether a lies within b is
// the contrary of Find({a}, {b}).
func (s *Search) Find(all, but []*Set) (found string, ok bool, err error) {
	if s.Left < 0 {
		return "", false, ErrTooLarge
	}
	var in []*Set
	for i, a := range all {
		for _, b := range all[:i] {
			if apart(a, b) {
				return "", false, nil
			}
		}
		if !a.all {
			in = append(in, a)
		}
	}
	var out []*Set
	for _, b := range but {
		if b.all {
			return "", false, nil
		}
		excludes := true
		for _, a := range in {
			if a == b {
				return "", false, nil
			}
			excludes = excludes && !apart(a, b)
		}
		if excludes {
			out = append(out, b)
		}
	}
	if v, ok, sure := quick(in, out); sure {
		return v, ok, nil
	}
	return s.walk(in, out)
}

// quick answers what needs no automata built together: a set of literals has few
// members to try, and a shortest string of one set may be in all the others.
func quick(in, out []*Set) (v string, ok, sure bool) {
	if fits("", in, out) {
		return "", true, true
	}
	for _, a := range in {
		if !a.finite {
			continue
		}
		best, ok := "", false
		for _, v := range a.literals {
			if (!ok || utf8.RuneCountInString(v) < utf8.RuneCountInString(best)) && fits(v, in, out) {
				best, ok = v, true
			}
		}
		return best, ok, true
	}
	for _, a := range in {
		// Where there are expressions, too, one of theirs may be shorter.
		if len(a.samples) > 0 && len(a.samples) == len(a.pieces) && fits(a.samples[0], in, out) {
			return a.samples[0], true, true
		}
	}
	if len(in) == 0 && fits(string(filler), in, out) {
		return string(filler), true, true
	}
	return "", false, false
}

func fits(v string, in, out []*Set) bool {
	for _, a := range in {
		if !a.Match(v) {
			return false
		}
	}
	for _, b := range out {
		if b.Match(v) {
			return false
		}
	}
	return true
}

// visit is a combination of states and the way to it.
type visit struct {
	from int32
	char rune
}

// atOnce is how many automata a walk can follow.
const atOnce = 4 * len(combination{})

// combination is a state of each automaton, in 16 bits.
type combination [6]uint64

func combine(states []int32) (c combination) {
	for i, s := range states {
		c[i/4] = c[i/4]<<16 | uint64(uint16(s))
	}
	return c
}

// walk goes through the combinations of states, breadth first, from behind the
// text with which every member of the sets begins.
func (s *Search) walk(in, out []*Set) (string, bool, error) {
	n, prefix := len(in)+len(out), ""
	machines := make([]*machine, 0, n)
	for _, set := range in {
		machines = append(machines, set.automaton())
		if len(set.prefix) > len(prefix) && utf8.ValidString(set.prefix) {
			prefix = set.prefix
		}
	}
	for _, set := range out {
		machines = append(machines, set.automaton())
	}
	letters, ok := letters(machines)
	if !ok || n > atOnce {
		return "", false, ErrTooLarge
	}
	states := make([]int32, n, 64*n) // n for each visit
	for i, m := range machines {
		if states[i], ok = m.after(prefix); !ok {
			return "", false, ErrTooLarge
		}
	}
	if accepted(machines, states, len(in)) {
		return prefix, true, nil
	}
	visits := []visit{{from: -1}}
	seen := map[combination]bool{combine(states): true}
	to := make([]int32, n)
	for at := 0; at < len(visits); at++ {
		if s.Left -= 10 * len(letters); at >= maxVisited || s.Left < 0 {
			return "", false, ErrTooLarge
		}
		for _, l := range letters {
			alive := true
			for i, m := range machines {
				next, ok := m.next(states[at*n+i], l.class[i])
				if !ok {
					return "", false, ErrTooLarge
				}
				if to[i] = next; next == dead && i < len(in) {
					alive = false
					break
				}
			}
			if !alive || seen[combine(to)] {
				continue
			}
			seen[combine(to)] = true
			visits = append(visits, visit{int32(at), l.char})
			states = append(states, to...)
			if accepted(machines, to, len(in)) {
				return prefix + spell(visits), true, nil
			}
		}
	}
	return "", false, nil
}

// accepted reports whether the first automata accept and the others do not.
func accepted(machines []*machine, at []int32, first int) bool {
	for i, m := range machines {
		if m.states[at[i]].accept != (i < first) {
			return false
		}
	}
	return true
}

// spell reads the way to the last visit.
func spell(visits []visit) string {
	var back []rune
	for i := int32(len(visits) - 1); visits[i].from >= 0; i = visits[i].from {
		back = append(back, visits[i].char)
	}
	slices.Reverse(back)
	return string(back)
}
