package meter

import "github.com/sluice-metrics/sluice/plugins/internal/module"

// tolls returns the weights that a function pays for: first that of what it does outside
// its loops, then for each loop, in the order in which they begin, that of what a round
// of it may do outside the loops in it. That is all of it; but of a loop that begins by
// branching to one of some places in it, and where nothing else does, only the most that
// there is between such a place and the next branch: of a large function, a round may be
// little.
func tolls(b module.Body) []int {
	a := account{tolls: []int{0}, open: []open{{}}}
	for in := range b.Instructions() {
		a.add(in)
	}
	return a.tolls
}

// account is where the weights of a function's instructions go.
type account struct {
	tolls []int
	open  []open
	begun *switching // a loop's beginning that may yet be one; nil: none
	gone  bool       // the instruction before goes elsewhere, whatever comes
}

// open is a block that is: the toll for what it does, and the switching that may lead to
// its end, or of whose loop it is the body.
type open struct {
	toll int
	by   *switching
	loop bool
}

// switching is the beginning of a loop that is nothing but blocks, what needs no branch,
// and a table of branches to the ends of those blocks: every round comes by one of them.
type switching struct {
	blocks int
	closed bool // no more blocks belong to it
	found  bool // it came to the table
	weight int  // of all of it
	run    int  // what is done from a place on that the place before does not lead to
	most   int  // of all such
	total  int  // all that is done behind it
	joined bool // there are other branches to the places
}

func (a *account) add(in module.Instruction) {
	top := a.open[len(a.open)-1]
	a.tolls[top.toll] += weight(in.Op)
	gone := a.gone
	a.gone = false
	switch in.Op {
	case module.OpLoop:
		a.begun = &switching{}
		a.tolls = append(a.tolls, 0)
		a.open = append(a.open, open{len(a.tolls) - 1, a.begun, true})
	case module.OpBlock:
		if a.begun != nil && a.begun.closed {
			a.begun = nil
		} else if a.begun != nil {
			a.begun.blocks++
		}
		a.open = append(a.open, open{top.toll, a.begun, false})
	case module.OpIf:
		a.begun = nil
		a.open = append(a.open, open{top.toll, nil, false})
	case module.OpBrTable:
		if s := a.begun; s != nil && int(in.Index) < s.blocks {
			s.found = true
			s.weight, a.tolls[top.toll] = a.tolls[top.toll], 0
		} else {
			a.branch(0, in.Index)
		}
		a.begun, a.gone = nil, true
	case module.OpEnd:
		a.begun = nil
		a.end(top, gone)
	case module.OpBr, module.OpBrIf:
		a.branch(in.Index, in.Index)
		a.begun, a.gone = nil, in.Op == module.OpBr
	case opElse, module.OpReturn, module.OpUnreachable:
		a.begun, a.gone = nil, in.Op != opElse
	default:
		if a.begun != nil {
			a.begun.closed = true
		}
	}
}

// branch notes that there may be one to each of some labels.
func (a *account) branch(from, to uint32) {
	last := uint32(len(a.open) - 1)
	for label := from; label <= min(to, last); label++ {
		if o := a.open[last-label]; o.by != nil && !o.loop {
			o.by.joined = true
		}
	}
}

// end closes a block. What lies before a place that a switching leads to is one part of
// a run, or the last one.
func (a *account) end(of open, gone bool) {
	a.open = a.open[:len(a.open)-1]
	s := of.by
	if s == nil || !s.found {
		return
	}
	s.run += a.tolls[of.toll]
	s.most, s.total = max(s.most, s.run), s.total+a.tolls[of.toll]
	a.tolls[of.toll] = 0
	if gone {
		s.run = 0
	}
	switch {
	case of.loop && s.joined:
		a.tolls[of.toll] = s.weight + s.total
	case of.loop:
		a.tolls[of.toll] = s.weight + s.most
	}
}
