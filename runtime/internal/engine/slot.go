package engine

import (
	"bytes"
	"iter"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// slot holds the series of one metric of one source. Most slots have one series,
// so a slot has room for one, and there are as many as cached series: each
// pointer in them costs the garbage collector a look, each byte counts.
type slot struct {
	source uint32 // number in cache.bySlot.sources
	name   uint32 // number in cache.bySlot.names; 0: the slot is free
	more   uint32 // number in cache.bySlot.several; 0: it has not had more series than one
	next   int32  // guess for the slot of the record after this one, in the same source; of a free slot: the next free one
	n      int32  // series
	bytes  uint32 // of the last record
	first  series
}

// several are the series of a slot that has had more than one at a time.
type several struct {
	series []*series          // in the order of the first report
	index  map[uint64]*series // by point identity, when there are many
}

// indexFrom is the number of series above which a slot is indexed.
const indexFrom = 8

// all returns the series of a slot, in the order of the first report.
func (c *cache) all(sl *slot) iter.Seq[*series] {
	if sl.more != 0 {
		return slices.Values(c.bySlot.several.get(sl.more).series)
	}
	return func(yield func(*series) bool) {
		_ = sl.n == 0 || yield(&sl.first)
	}
}

// series returns the series of point i of a record, or nil.
func (c *cache) series(sl *slot, i int, p *record.Point) *series {
	if sl.more != 0 {
		return c.bySlot.several.get(sl.more).find(c, i, p)
	}
	if sl.n == 1 && c.same(&sl.first, p) {
		return &sl.first
	}
	return nil
}

func (m *several) find(c *cache, i int, p *record.Point) *series {
	if i < len(m.series) && c.same(m.series[i], p) {
		return m.series[i]
	}
	if m.index != nil {
		if e := m.index[c.hashPoint(p)]; e == nil || c.same(e, p) {
			return e
		}
	}
	for _, e := range m.series { // few, or two hashes have met
		if c.same(e, p) {
			return e
		}
	}
	return nil
}

// addSeries gives a slot the series of a point that it does not have.
func (c *cache) addSeries(sl *slot, p *record.Point) *series {
	e := &sl.first
	if sl.n == 1 && sl.more == 0 {
		sl.more = c.bySlot.several.add(&several{series: []*series{e}})
	}
	if sl.more != 0 {
		e = new(series)
	}
	*e = series{subtask: p.Subtask, attempt: p.Attempt, rule: -1}
	if len(p.Labels) > 0 {
		c.own(e).labels = bytes.Clone(p.Labels)
	}
	if sl.more != 0 {
		c.bySlot.several.get(sl.more).add(c, e)
	}
	sl.n++
	if e != &sl.first {
		c.grow(c.source(sl), seriesSize)
	}
	return e
}

func (m *several) add(c *cache, e *series) {
	m.series = append(m.series, e)
	switch {
	case m.index != nil:
		m.index[c.hashSeries(e)] = e
	case len(m.series) > indexFrom:
		m.index = make(map[uint64]*series, 2*len(m.series))
		for _, e := range m.series {
			m.index[c.hashSeries(e)] = e
		}
	}
}

// removeSeries forgets the series of a slot for which drop says so.
func (c *cache) removeSeries(sl *slot, drop func(*series) bool) {
	leaves := func(e *series) bool {
		if !drop(e) {
			return false
		}
		if sl.more != 0 {
			delete(c.bySlot.several.get(sl.more).index, c.hashSeries(e))
		}
		freed := c.rare(e).charged
		if e != &sl.first {
			freed += seriesSize
		}
		c.grow(c.source(sl), -freed)
		c.disown(e)
		sl.n--
		return true
	}
	if sl.more != 0 {
		m := c.bySlot.several.get(sl.more)
		m.series = slices.DeleteFunc(m.series, leaves)
	} else if sl.n == 1 {
		leaves(&sl.first)
	}
}

// slots are those of one source. They are numbered from 0 and never move; they
// are allocated together, which is what a report of the source looks at together.
type slots struct {
	blocks []*[blockSlots]slot
	index  map[uint32]int32 // by the number of the name, when there is more than one block
	free   int32            // the first free slot, or noSlot
}

// blockSlots is how many slots are allocated at once.
const blockSlots = 8

// noSlot is the number of no slot.
const noSlot = int32(-1)

// at returns slot i, or nil when there is no such slot.
func (s *slots) at(i int32) *slot {
	if uint32(i)/blockSlots >= uint32(len(s.blocks)) {
		return nil
	}
	return &s.blocks[uint32(i)/blockSlots][uint32(i)%blockSlots]
}

// find returns the number of the slot for n, or noSlot.
func (s *slots) find(n *name) int32 {
	if s.index != nil {
		if i, ok := s.index[n.number]; ok {
			return i
		}
		return noSlot
	}
	for _, b := range s.blocks { // one at most
		for i := range b {
			if b[i].name == n.number {
				return int32(i)
			}
		}
	}
	return noSlot
}

// add makes a slot for n.
func (s *slots) add(src *source, n *name) int32 {
	if s.free == noSlot {
		s.grow()
	}
	i := s.free
	sl := s.at(i)
	s.free = sl.next
	*sl = slot{source: src.number, name: n.number, next: noSlot}
	if s.index != nil {
		s.index[n.number] = i
	}
	return i
}

func (s *slots) grow() {
	if len(s.blocks) == 1 {
		s.index = make(map[uint32]int32, 2*blockSlots)
		s.each(func(i int32, sl *slot) { s.index[sl.name] = i })
	}
	from := int32(len(s.blocks)) * blockSlots
	b := new([blockSlots]slot)
	for i := range b {
		b[i].next = from + int32(i) + 1
	}
	b[blockSlots-1].next = noSlot
	s.blocks, s.free = append(s.blocks, b), from
}

// single reports whether one slot is in use.
func (s *slots) single() bool {
	if len(s.blocks) > 1 {
		return false
	}
	n := 0
	s.each(func(int32, *slot) { n++ })
	return n == 1
}

// remove frees slot i.
func (s *slots) remove(i int32) {
	sl := s.at(i)
	if s.index != nil {
		delete(s.index, sl.name)
	}
	*sl = slot{next: s.free}
	s.free = i
}

// each visits the slots in use; the visitor may remove the one it is shown.
func (s *slots) each(visit func(int32, *slot)) {
	for k, b := range s.blocks {
		for i := range b {
			if b[i].name != 0 {
				visit(int32(k*blockSlots+i), &b[i])
			}
		}
	}
}
