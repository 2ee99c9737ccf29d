package automaton

import (
	"slices"
	"unicode"
)

// alphabet divides the characters into classes that an automaton treats alike.
type alphabet struct {
	cuts    []rune // first characters of intervals, from 0
	of      []int  // class of each interval
	classes []class
	ascii   [128]uint16
}

// class is one class of characters.
type class struct {
	example rune
	in      []bool // by set of characters: whether the class is in it
}

// Surrogates are no characters: no string that is UTF-8 has them.
const (
	surrogates      = 0xD800
	afterSurrogates = 0xE000
)

// newAlphabet finds the classes that the sets tell apart, and, with looks, those
// that conditions do: the end of a line and the characters of words.
func newAlphabet(sets [][]rune, looks bool) alphabet {
	cuts := []rune{0, surrogates, afterSurrogates}
	for _, pairs := range sets {
		for i := 0; i+1 < len(pairs); i += 2 {
			cuts = append(cuts, pairs[i], pairs[i+1]+1)
		}
	}
	if looks {
		cuts = append(cuts, '\n', '\n'+1, '0', '9'+1, 'A', 'Z'+1, '_', '_'+1, 'a', 'z'+1)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	cuts = slices.DeleteFunc(cuts, func(r rune) bool { return r > unicode.MaxRune })
	a := alphabet{cuts: cuts, of: make([]int, len(cuts))}
	known := map[string]int{}
	key := make([]byte, len(sets)+1)
	members := make([][]bool, len(sets))
	for s, pairs := range sets {
		members[s] = intervals(pairs, cuts)
	}
	for i, r := range cuts {
		for s := range sets {
			key[s] = boolByte(members[s][i])
		}
		key[len(sets)] = boolByte(looks && r == '\n') + 2*boolByte(looks && isWord(r)) + 4*boolByte(r == surrogates)
		id, ok := known[string(key)]
		if !ok {
			id = len(a.classes)
			known[string(key)] = id
			in := make([]bool, len(sets))
			for s := range in {
				in[s] = key[s] == 1
			}
			a.classes = append(a.classes, class{example: r, in: in})
		}
		a.of[i] = id
	}
	for r := range a.ascii {
		a.ascii[r] = uint16(a.find(rune(r)))
	}
	return a
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func isWord(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// intervals says which of the intervals that begin at cuts the pairs of bounds hold.
func intervals(pairs, cuts []rune) []bool {
	in := make([]bool, len(cuts))
	for i := 0; i+1 < len(pairs); i += 2 {
		at, _ := slices.BinarySearch(cuts, pairs[i])
		for ; at < len(cuts) && cuts[at] <= pairs[i+1]; at++ {
			in[at] = true
		}
	}
	return in
}

func (a *alphabet) class(r rune) int {
	if r < rune(len(a.ascii)) {
		return int(a.ascii[r])
	}
	return a.find(r)
}

func (a *alphabet) find(r rune) int {
	i, found := slices.BinarySearch(a.cuts, r)
	if !found {
		i--
	}
	return a.of[i]
}

// filler stands for any character.
const filler = 'x'

// readable are characters to show people, the first ones first.
const readable = "xyzabcdefghijklmnopqrstuvw0123456789_-.ABCDEFGHIJKLMNOPQRSTUVWXYZ: /!#$%&()*+,;<=>?@[]^{|}~'\"`\\é日"

// letter is a character that stands for all that every one of some automata
// treats as it treats this one.
type letter struct {
	char  rune
	class []int // by automaton
}

// letters returns one letter for each way in which the automata tell characters
// apart, those that people can read first; ok is false when there are too many.
func letters(machines []*machine) (out []letter, ok bool) {
	ways := uint64(1)
	for _, m := range machines {
		if ways *= uint64(len(m.alphabet.classes)); ways > 1<<40 {
			return nil, false
		}
	}
	known := map[uint64]bool{}
	add := func(r rune) {
		key := uint64(0)
		for _, m := range machines {
			key = key*uint64(len(m.alphabet.classes)) + uint64(m.alphabet.class(r))
		}
		if known[key] {
			return
		}
		known[key] = true
		l := letter{r, make([]int, len(machines))}
		for i, m := range machines {
			l.class[i] = m.alphabet.class(r)
		}
		out = append(out, l)
	}
	for _, r := range readable {
		add(r)
	}
	for _, m := range machines {
		for _, r := range m.alphabet.cuts {
			if r != surrogates {
				add(r)
			}
		}
	}
	return out, true
}
