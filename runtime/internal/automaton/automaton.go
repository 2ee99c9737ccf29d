// Package automaton answers questions about the strings that patterns match: is
// there one that these patterns match and those do not, and which is the shortest.
// That is how overlap, inclusion and difference of selectors are decided, for all
// strings rather than for examples.
//
// A pattern is a glob (* any characters, ? one) or, after "re:", an expression of
// RE2; either matches whole values. Strings are sequences of Unicode code points:
// what is not UTF-8 is in no set. Automata are determinised only where a search
// goes, and the number of states is bounded: a question that would take more has
// no answer, and says so.
//
// The package knows nothing of rules, labels or metrics.
package automaton

import (
	"cmp"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrTooLarge says that a question was given up: it took too many states.
var ErrTooLarge = errors.New("too many states")

// Bounds of one set. A repetition such as x{1000} has as many nodes; an expression
// whose deterministic form is exponential meets the bounds of states.
const (
	maxNodes  = 20_000
	maxStates = 10_000
	maxHeld   = 200_000 // nodes in all states
)

// Set is the set of strings that at least one of some patterns matches. It fills
// caches while it is asked, so it is not safe for concurrent use.
type Set struct {
	all            bool     // every string is a member
	literals       []string // sorted; the only members, when there are no other patterns
	finite         bool     // literals is everything
	prefix, suffix string   // what every member begins and ends with
	samples        []string // a shortest string of each glob, the shortest first
	pieces         []piece
	machine        *machine // built when first needed
	meter          *Search  // what is done for the set is taken from its budget
}

// piece is one pattern: a glob, or a compiled expression.
type piece struct {
	glob  string
	parts []string // the texts between the stars of a glob without ?, at least two
	expr  *syntax.Prog
}

// Compile returns the set of what at least one of the patterns matches; no
// patterns match nothing. An error says what is wrong with a pattern, or is
// ErrTooLarge for one that is too large to be looked at.
func (s *Search) Compile(patterns ...string) (*Set, error) {
	set := &Set{finite: true, meter: s}
	nodes := 0
	for i, text := range patterns {
		p, e, err := newPiece(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		set.pieces = append(set.pieces, p)
		set.all = set.all || e.all
		set.finite = set.finite && e.literal
		if i == 0 {
			set.prefix, set.suffix = e.prefix, e.suffix
		} else {
			set.prefix, set.suffix = commonPrefix(set.prefix, e.prefix), commonSuffix(set.suffix, e.suffix)
		}
		if e.sampled {
			set.samples = append(set.samples, e.sample)
		}
		if e.literal {
			set.literals = append(set.literals, text)
		}
		nodes += p.size()
	}
	if nodes > maxNodes {
		return nil, fmt.Errorf("%d patterns: %w", len(patterns), ErrTooLarge)
	}
	slices.Sort(set.literals)
	slices.SortFunc(set.samples, func(a, b string) int {
		return cmp.Or(utf8.RuneCountInString(a)-utf8.RuneCountInString(b), strings.Compare(a, b))
	})
	return set, nil
}

// edges is what is known of a pattern without an automaton.
type edges struct {
	all, literal   bool
	prefix, suffix string
	sample         string // a shortest member, when sampled
	sampled        bool
}

const expressionMark = "re:"

func newPiece(text string) (piece, edges, error) {
	if !utf8.ValidString(text) {
		return piece{}, edges{}, errors.New("not UTF-8")
	}
	if expr, ok := strings.CutPrefix(text, expressionMark); ok {
		return newExpression(expr)
	}
	first, last := strings.IndexAny(text, "*?"), strings.LastIndexAny(text, "*?")
	if first < 0 {
		return piece{glob: text}, edges{literal: true, prefix: text, suffix: text, sample: text, sampled: true}, nil
	}
	sample := strings.ReplaceAll(strings.ReplaceAll(text, "*", ""), "?", string(filler))
	p := piece{glob: text}
	if !strings.Contains(text, "?") {
		p.parts = strings.Split(text, "*")
	}
	return p, edges{
		all: strings.Trim(text, "*") == "", prefix: text[:first], suffix: text[last+1:], sample: sample, sampled: true,
	}, nil
}

func newExpression(expr string) (piece, edges, error) {
	// Alone first: an expression that is not balanced could close the group below.
	if _, err := syntax.Parse(expr, syntax.Perl); err != nil {
		return piece{}, edges{}, fmt.Errorf("not an RE2 expression: %w", err)
	}
	tree, err := syntax.Parse(`(?s:(?:`+expr+`))`, syntax.Perl)
	if err != nil {
		return piece{}, edges{}, fmt.Errorf("not an RE2 expression: %w", err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return piece{}, edges{}, fmt.Errorf("not an RE2 expression: %w", err)
	}
	prefix, _ := prog.Prefix()
	return piece{expr: prog}, edges{all: expr == ".*", prefix: prefix}, nil
}

func (p *piece) size() int {
	if p.expr != nil {
		return len(p.expr.Inst)
	}
	return len(p.glob) + 1
}

// All reports whether every string is in the set, as far as one can see from the
// patterns: false says nothing.
func (s *Set) All() bool { return s.all }

// Prefix is a text with which every member begins.
func (s *Set) Prefix() string { return s.prefix }

// Match reports whether v is in the set. It answers even when the budget is spent.
func (s *Set) Match(v string) bool {
	switch {
	case s.all:
		return utf8.ValidString(v)
	case s.finite:
		_, found := slices.BinarySearch(s.literals, v)
		return found
	case !strings.HasPrefix(v, s.prefix), !strings.HasSuffix(v, s.suffix), !utf8.ValidString(v):
		return false
	}
	if s.machine == nil && len(s.pieces) == 1 && s.pieces[0].parts != nil {
		return s.pieces[0].match(v)
	}
	return s.automaton().match(v)
}

// match tells, without an automaton, whether v has the parts in order.
func (p *piece) match(v string) bool {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if len(v) < len(first)+len(last) || !strings.HasPrefix(v, first) || !strings.HasSuffix(v, last) {
		return false
	}
	v = v[len(first) : len(v)-len(last)]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		_, after, found := strings.Cut(v, part)
		if !found {
			return false
		}
		v = after
	}
	return true
}

func (s *Set) automaton() *machine {
	if s.machine == nil {
		s.machine = newMachine(s.pieces, s.meter)
	}
	return s.machine
}

// apart reports whether two sets have nothing in common because of how their
// members begin or end; false says nothing.
func apart(a, b *Set) bool {
	return !strings.HasPrefix(a.prefix, b.prefix) && !strings.HasPrefix(b.prefix, a.prefix) ||
		!strings.HasSuffix(a.suffix, b.suffix) && !strings.HasSuffix(b.suffix, a.suffix)
}

// commonPrefix and commonSuffix may cut a character in two, which does no harm:
// prefixes are compared by bytes.
func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func commonSuffix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return a[len(a)-n:]
}
