package automaton

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode"
)

// machine is the automaton of a set: nodes of the patterns side by side, and the
// deterministic states that have been asked for so far.
type machine struct {
	nodes    []node
	starts   []int32
	ranges   [][]rune // distinct sets of characters, as pairs of bounds
	alphabet alphabet
	looks    bool // some node asks what stands beside it

	meter  *Search
	states []state
	held   int              // nodes in all states
	index  map[string]int32 // states by key
	mark   []uint32         // by node: the closure that has seen it last
	round  uint32
	stack  []int32
}

type opcode uint8

const (
	reads  opcode = iota // one character of ranges[arg], then next
	splits               // next and arg
	asks                 // the condition arg, then next
	ends                 // a pattern has matched
)

type node struct {
	op   opcode
	next int32
	arg  int32
}

// state is what the patterns can be at after some text: nodes that read, ask or
// end, sorted. Only automata that look beside them remember the last character,
// as one of the before runes.
type state struct {
	nodes  []int32
	before rune
	accept bool
	next   []int32 // by class of character; unknown where nobody has asked
}

// nodeCost is what a node in a step takes from the budget.
const nodeCost = 150

// dead is the state from which no member is reached.
const (
	dead    = int32(0)
	initial = int32(1)
	unknown = int32(-1)
)

// The characters before a position that conditions tell apart; syntax.EmptyOpContext
// takes them, and begins a text at none.
const (
	none    = rune(-1)
	newline = '\n'
	word    = 'a'
	other   = '!'
)

func newMachine(pieces []piece, meter *Search) *machine {
	m := &machine{meter: meter, index: map[string]int32{}}
	b := builder{machine: m, known: map[string]int32{}}
	for _, p := range pieces {
		if p.expr != nil {
			b.expression(p.expr)
		} else {
			b.glob(p.glob)
		}
	}
	m.alphabet = newAlphabet(m.ranges, m.looks)
	m.mark = make([]uint32, len(m.nodes))
	m.add(nil, none)
	first := m.begin()
	for _, n := range m.starts {
		first = m.follow(n, first)
	}
	m.add(first, none)
	return m
}

// begin starts a closure: a set of nodes without repetitions.
func (m *machine) begin() []int32 {
	m.round++
	return nil
}

// follow adds to a closure the nodes reached from n without reading or asking.
func (m *machine) follow(n int32, to []int32) []int32 {
	m.stack = append(m.stack[:0], n)
	for len(m.stack) > 0 {
		n := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		if m.mark[n] == m.round {
			continue
		}
		m.mark[n] = m.round
		if x := m.nodes[n]; x.op == splits {
			m.stack = append(m.stack, x.next, x.arg)
		} else {
			to = append(to, n)
		}
	}
	return to
}

// pass returns the nodes that stand between two characters: where those that ask
// get a yes, also what follows them.
func (m *machine) pass(from []int32, before, after rune) []int32 {
	if !m.looks {
		return from
	}
	holds := int32(syntax.EmptyOpContext(before, after))
	out := m.begin()
	for _, n := range from {
		out = m.follow(n, out)
	}
	for i := 0; i < len(out); i++ {
		if x := m.nodes[out[i]]; x.op == asks && x.arg&^holds == 0 {
			out = m.follow(x.next, out)
		}
	}
	return out
}

// step returns the nodes after one more character of a class.
func (m *machine) step(from []int32, before rune, class int) (to []int32, then rune) {
	m.meter.Left -= nodeCost * (1 + len(from))
	c := &m.alphabet.classes[class]
	from = m.pass(from, before, c.example)
	to = m.begin()
	for _, n := range from {
		if x := m.nodes[n]; x.op == reads && c.in[x.arg] {
			to = m.follow(x.next, to)
		}
	}
	if !m.looks {
		return to, none
	}
	switch {
	case c.example == '\n':
		return to, newline
	case syntax.IsWordChar(c.example):
		return to, word
	}
	return to, other
}

func (m *machine) accepts(nodes []int32, before rune) bool {
	return slices.ContainsFunc(m.pass(nodes, before, none), func(n int32) bool { return m.nodes[n].op == ends })
}

// add returns the state of these nodes, new if there is none; ok is false when it
// would be one too many.
func (m *machine) add(nodes []int32, before rune) (id int32, ok bool) {
	if len(nodes) == 0 && len(m.states) > int(initial) {
		return dead, true
	}
	slices.Sort(nodes)
	key := make([]byte, 0, 4+4*len(nodes))
	key = binary.LittleEndian.AppendUint32(key, uint32(before))
	for _, n := range nodes {
		key = binary.LittleEndian.AppendUint32(key, uint32(n))
	}
	if id, ok := m.index[string(key)]; ok && len(nodes) > 0 {
		return id, true
	}
	if len(m.states) >= maxStates || m.held >= maxHeld {
		return dead, false
	}
	id = int32(len(m.states))
	m.index[string(key)] = id
	m.held += len(nodes)
	m.states = append(m.states, state{nodes: nodes, before: before, accept: m.accepts(nodes, before)})
	return id, true
}

// next returns the state after one more character of a class; ok is false when it
// would be one too many.
func (m *machine) next(from int32, class int) (to int32, ok bool) {
	if from == dead {
		return dead, true
	}
	s := &m.states[from]
	if s.next == nil {
		s.next = slices.Repeat([]int32{unknown}, len(m.alphabet.classes))
	}
	if to = s.next[class]; to != unknown {
		return to, true
	}
	nodes, before := m.step(s.nodes, s.before, class)
	if to, ok = m.add(nodes, before); ok {
		m.states[from].next[class] = to
	}
	return to, ok
}

// after is the state after a text.
func (m *machine) after(text string) (at int32, ok bool) {
	at = initial
	for _, r := range text {
		if at, ok = m.next(at, m.alphabet.class(r)); !ok {
			return dead, false
		}
	}
	return at, true
}

func (m *machine) match(v string) bool {
	at := initial
	for i, r := range v {
		to, ok := m.next(at, m.alphabet.class(r))
		if !ok {
			return m.simulate(at, v[i:])
		}
		if at = to; at == dead {
			return false
		}
	}
	return m.states[at].accept
}

// simulate goes on from a state without remembering new ones.
func (m *machine) simulate(at int32, v string) bool {
	nodes, before := m.states[at].nodes, m.states[at].before
	for _, r := range v {
		nodes, before = m.step(nodes, before, m.alphabet.class(r))
	}
	return m.accepts(nodes, before)
}

// builder adds patterns to a machine.
type builder struct {
	*machine
	known map[string]int32 // ranges by their text
}

func (b *builder) node(op opcode, next, arg int32) int32 {
	b.nodes = append(b.nodes, node{op, next, arg})
	return int32(len(b.nodes) - 1)
}

func (b *builder) set(pairs ...rune) int32 {
	id, ok := b.known[string(pairs)]
	if !ok {
		id = int32(len(b.ranges))
		b.known[string(pairs)] = id
		b.ranges = append(b.ranges, pairs)
	}
	return id
}

// glob adds its characters from the last to the first.
func (b *builder) glob(g string) {
	next := b.node(ends, 0, 0)
	runes := []rune(g)
	for i := len(runes) - 1; i >= 0; i-- {
		switch r := runes[i]; r {
		case '*':
			loop := b.node(reads, 0, b.set(0, unicode.MaxRune))
			next = b.node(splits, next, loop)
			b.nodes[loop].next = next
		case '?':
			next = b.node(reads, next, b.set(0, unicode.MaxRune))
		default:
			next = b.node(reads, next, b.set(r, r))
		}
	}
	b.starts = append(b.starts, next)
}

// expression adds a compiled expression, node by node.
func (b *builder) expression(p *syntax.Prog) {
	at := int32(len(b.nodes))
	for i := range p.Inst {
		in := &p.Inst[i]
		next, arg := at+int32(in.Out), at+int32(in.Arg)
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			b.node(splits, next, arg)
		case syntax.InstCapture, syntax.InstNop:
			b.node(splits, next, next)
		case syntax.InstEmptyWidth:
			b.looks = true
			b.node(asks, next, int32(in.Arg))
		case syntax.InstMatch:
			b.node(ends, 0, 0)
		case syntax.InstFail:
			b.node(reads, next, b.set())
		default:
			b.node(reads, next, b.set(characters(in)...))
		}
	}
	b.starts = append(b.starts, at+int32(p.Start))
}

// characters are the bounds of what an instruction reads.
func characters(in *syntax.Inst) []rune {
	switch {
	case in.Op == syntax.InstRuneAny:
		return []rune{0, unicode.MaxRune}
	case in.Op == syntax.InstRuneAnyNotNL:
		return []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}
	case len(in.Rune) != 1:
		return in.Rune
	}
	r := in.Rune[0]
	out := []rune{r, r}
	if in.Op == syntax.InstRune && syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			out = append(out, f, f)
		}
	}
	return out
}
