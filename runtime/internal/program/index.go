package program

import (
	"math/bits"
	"slices"
)

// bitset is a set of rules by their position in the program. Nil is the set of
// all rules.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) add(i int32)      { b[i>>6] |= 1 << (i & 63) }
func (b bitset) has(i int32) bool { return b == nil || b[i>>6]&(1<<(i&63)) != 0 }

// keep removes what is not in o.
func (b bitset) keep(o bitset) {
	for i, w := range o {
		b[i] &= w
	}
}

// candidates are the rules that every set leaves possible.
type candidates [2]bitset

// next returns the first candidate of the rules i to n-1, or n.
func (c *candidates) next(i, n int) int {
	if c[0] == nil && c[1] == nil {
		return min(i, n)
	}
	for first := i >> 6; i < n; i = (i>>6 + 1) << 6 {
		word := ^uint64(0)
		for _, set := range c {
			if set != nil {
				word &= set[i>>6]
			}
		}
		if i>>6 == first {
			word &= ^uint64(0) << (i & 63)
		}
		if word != 0 {
			return min(i&^63+bits.TrailingZeros64(word), n)
		}
	}
	return n
}

// index answers which rules accept a value of one field without asking each
// rule: literals, prefixes and suffixes are looked up, and patterns of other
// forms are tried once each however many rules share them.
type index struct {
	always    bitset // rules that do not look at the field, or take everything
	sometimes bool   // there are others
	literals  map[string][]int32
	prefixes  affixes
	suffixes  affixes
	others    []shared
	place     map[string]int // of a pattern in others
}

// affixes are prefixes or suffixes by their text; lengths are those that occur.
type affixes struct {
	rules   map[string][]int32
	lengths []int
}

// shared is a pattern and the rules that have it.
type shared struct {
	pattern pattern
	rules   []int32
}

func newIndex(n int) *index {
	return &index{
		always: newBitset(n), literals: map[string][]int32{}, place: map[string]int{},
		prefixes: affixes{rules: map[string][]int32{}}, suffixes: affixes{rules: map[string][]int32{}},
	}
}

// add says that a rule accepts what one of the patterns matches; without
// patterns it accepts everything.
func (x *index) add(rule int32, ps patterns) {
	if len(ps) == 0 || slices.ContainsFunc(ps, func(p pattern) bool { return p.form == everything }) {
		x.always.add(rule)
		return
	}
	x.sometimes = true
	for _, p := range ps {
		switch p.form {
		case literal:
			x.literals[p.text] = append(x.literals[p.text], rule)
		case prefix:
			x.prefixes.add(p.text, rule)
		case suffix:
			x.suffixes.add(p.text, rule)
		default:
			key := string('0'+rune(p.form)) + p.text
			i, ok := x.place[key]
			if !ok {
				i = len(x.others)
				x.place[key] = i
				x.others = append(x.others, shared{pattern: p})
			}
			x.others[i].rules = append(x.others[i].rules, rule)
		}
	}
}

func (a *affixes) add(text string, rule int32) {
	a.rules[text] = append(a.rules[text], rule)
	if i, ok := slices.BinarySearch(a.lengths, len(text)); !ok {
		a.lengths = slices.Insert(a.lengths, i, len(text))
	}
}

// mark adds to b the rules that accept v, without those that always do.
func (x *index) mark(b bitset, v string) {
	addAll(b, x.literals[v])
	for _, n := range x.prefixes.lengths {
		if n > len(v) {
			break
		}
		addAll(b, x.prefixes.rules[v[:n]])
	}
	for _, n := range x.suffixes.lengths {
		if n > len(v) {
			break
		}
		addAll(b, x.suffixes.rules[v[len(v)-n:]])
	}
	for i := range x.others {
		if o := &x.others[i]; o.pattern.match(v) {
			addAll(b, o.rules)
		}
	}
}

func addAll(b bitset, rules []int32) {
	for _, r := range rules {
		b.add(r)
	}
}

// narrow removes from b the rules that accept none of the values. scratch is
// overwritten.
func (x *index) narrow(b, scratch bitset, values ...string) {
	if !x.sometimes {
		return
	}
	copy(scratch, x.always)
	for _, v := range values {
		x.mark(scratch, v)
	}
	b.keep(scratch)
}
