package engine

import (
	"bytes"
	"hash/maphash"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// cache remembers what a worker has seen, on two levels: a source is a task with
// one set of labels, a name is a metric; a slot is where the two meet and holds
// the series of its points. A hit compares bytes, never only a hash, so two
// series cannot be taken for one.
//
// Reports repeat in order, so each slot and source remembers its follower: in
// steady state a record is found by comparing it with a guess, without hashing.
type cache struct {
	seed    maphash.Seed
	sources map[uint64]*source // chained
	names   map[uint64]*name   // chained
	bySlot  struct {           // what slots refer to by number
		sources numbers[source]
		names   numbers[name]
		several numbers[several]
	}
	rares   numbers[rare] // of series, by number
	recent  recency       // sources in use
	refused recency       // those of which a budget lets nothing out: they make room first
	bulky   *source       // one that takes much of the room, nil: none
	sweep   *source       // of recent, where the next sweep goes on

	last *slot   // that the last record went to
	from *source // of last, when that is not nil

	size  int64 // estimated bytes
	limit int64
}

// recency orders sources by when they were last seen; newest.newer is nil.
type recency struct{ oldest, newest *source }

// source is a task and one set of common labels.
type source struct {
	raw   []byte // labels, then task: as on the wire
	cut   int    // where the labels end
	slots slots
	first int32   // guess for the first record of a report
	after *source // guess for the source after this one
	gone  bool    // evicted

	number uint32

	filter       program.Filter // of generation gen
	gen          uint32
	plan         uint32 // Generation.applied for which candidate says who governs it
	candidate    bool
	from         uint32   // generation that governed it before,
	moved        int64    // until this time of the partition; 0: none did
	head         []byte   // start of its processed records
	encoded      [][]byte // label objects of its outputs, shared by its slots
	hash         uint64
	chain        *source
	in           *recency
	older, newer *source
	seen         int64 // Unix ms of the last batch with a record of it
	reported     int64 // report_timestamp of the last record
	interval     int64 // ms between its last two reports
	counted      int64 // report_timestamp since when samples of its series are counted
	size         int64
}

// name is a metric with all that identifies it beside labels.
type name struct {
	number                         uint32
	metric, scope, typ, origin, to []byte // as on the wire
	series                         string // Prometheus name
	kind                           metric.Kind
	from                           metric.Origin
	sinks                          []string // that it is routed to
	heads                          [][]byte // starts of its processed records, shared by its slots

	filter [2]nameFilter // by force.place
	slots  int           // that use it
	size   int64
	hash   uint64
	chain  *name
}

// nameFilter is the filter of generation gen.
type nameFilter struct {
	program.Filter
	gen uint32
}

// Rough sizes for the byte cap: measured with runtime.MemStats over 200,000
// series (BenchmarkMemoryPerSeries), rounded up.
const (
	sourceSize = 480
	slotSize   = 45
	seriesSize = 60
	rareSize   = 160
	outputSize = 150
	stepSize   = 280
	flowSize   = 110
	failedSize = 180
	nameSize   = 240
)

// bulkyShare is the part of the cache above which a single source makes room
// before others do: it has labels that explode in its points.
const bulkyShare = 4

func newCache(limit int64) *cache {
	return &cache{
		seed: maphash.MakeSeed(), limit: limit,
		sources: map[uint64]*source{}, names: map[uint64]*name{},
	}
}

// numbers gives things numbers from 1. Slots and series name them by these, not
// by pointers, so that the garbage collector need not look into them.
type numbers[T any] struct {
	things []*T
	free   []uint32
}

func (t *numbers[T]) add(x *T) uint32 {
	if n := len(t.free); n > 0 {
		number := t.free[n-1]
		t.free = t.free[:n-1]
		t.things[number-1] = x
		return number
	}
	t.things = append(t.things, x)
	return uint32(len(t.things))
}

func (t *numbers[T]) get(number uint32) *T { return t.things[number-1] }

func (t *numbers[T]) remove(number uint32) {
	t.things[number-1] = nil
	t.free = append(t.free, number)
}

// source returns the source of a slot in use.
func (c *cache) source(sl *slot) *source { return c.bySlot.sources.get(sl.source) }

// name returns the name of a slot in use.
func (c *cache) name(sl *slot) *name { return c.bySlot.names.get(sl.name) }

func (s *source) is(v *record.View) bool {
	return len(s.raw) == len(v.Labels)+len(v.Task) &&
		string(s.raw[s.cut:]) == string(v.Task) && string(s.raw[:s.cut]) == string(v.Labels)
}

// task returns the torrent_task_id as on the wire.
func (s *source) task() []byte { return s.raw[s.cut:] }

// written returns the labels as on the wire, nil for none: no bytes are no object.
func (s *source) written() []byte {
	if s.cut == 0 {
		return nil
	}
	return s.raw[:s.cut]
}

func (n *name) is(v *record.View) bool {
	return string(n.metric) == string(v.Metric) && string(n.scope) == string(v.Scope) &&
		string(n.typ) == string(v.Type) && string(n.origin) == string(v.Origin) && string(n.to) == string(v.To)
}

// find returns the slot of a record, or nil.
func (c *cache) find(v *record.View) *slot {
	src, guess := c.findSource(v)
	if src == nil {
		return nil
	}
	if sl := src.slots.at(guess); sl != nil && sl.name != 0 && c.name(sl).is(v) {
		c.last, c.from = sl, src
		return sl
	}
	n := c.findName(v)
	if n == nil {
		return nil
	}
	i := src.slots.find(n)
	if i == noSlot {
		return nil
	}
	return c.learn(src, i)
}

// findSource returns the source of a record and a guess for its slot.
func (c *cache) findSource(v *record.View) (*source, int32) {
	if c.last != nil {
		cur := c.from
		if cur.is(v) {
			return cur, c.last.next
		}
		if a := cur.after; a != nil && !a.gone && a.is(v) {
			c.touch(a)
			return a, a.first
		}
	}
	for s := c.sources[c.hashSource(v)]; s != nil; s = s.chain {
		if s.is(v) {
			if c.last != nil {
				c.from.after = s
			}
			c.touch(s)
			return s, s.first
		}
	}
	return nil, noSlot
}

func (c *cache) findName(v *record.View) *name {
	for n := c.names[c.hashName(v)]; n != nil; n = n.chain {
		if n.is(v) {
			return n
		}
	}
	return nil
}

// learn remembers that slot i of src came after the last slot, and returns it.
func (c *cache) learn(src *source, i int32) *slot {
	if c.last != nil && c.from == src {
		c.last.next = i
	} else {
		src.first = i
	}
	c.last, c.from = src.slots.at(i), src
	return c.last
}

func (c *cache) hashSource(v *record.View) uint64 {
	return maphash.Bytes(c.seed, v.Labels) ^ maphash.Bytes(c.seed, v.Task)*0x9e3779b97f4a7c15
}

func (c *cache) hashName(v *record.View) uint64 {
	return maphash.Bytes(c.seed, v.Metric) ^ maphash.Bytes(c.seed, v.Scope)*0x9e3779b97f4a7c15
}

// add returns a new slot for a record that find did not know.
func (c *cache) add(v *record.View, describe func(*name)) *slot {
	src, _ := c.findSource(v)
	if src == nil {
		src = c.addSource(v)
	}
	n := c.findName(v)
	if n == nil {
		n = c.addName(v)
		describe(n)
	}
	n.slots++
	if src.slots.free == noSlot {
		c.grow(src, blockSlots*(slotSize+seriesSize))
	}
	return c.learn(src, src.slots.add(src, n))
}

func (c *cache) addSource(v *record.View) *source {
	s := &source{
		raw: bytes.Join([][]byte{v.Labels, v.Task}, nil), cut: len(v.Labels),
		slots: slots{free: noSlot}, first: noSlot, hash: c.hashSource(v),
	}
	s.number = c.bySlot.sources.add(s)
	s.chain = c.sources[s.hash]
	c.sources[s.hash] = s
	c.grow(s, sourceSize+int64(len(s.raw)))
	s.in = &c.recent
	c.pushNewest(s)
	return s
}

func (c *cache) addName(v *record.View) *name {
	n := &name{
		metric: bytes.Clone(v.Metric), scope: bytes.Clone(v.Scope), typ: bytes.Clone(v.Type),
		origin: bytes.Clone(v.Origin), to: bytes.Clone(v.To), kind: v.Kind, hash: c.hashName(v),
	}
	n.number = c.bySlot.names.add(n)
	n.chain = c.names[n.hash]
	c.names[n.hash] = n
	n.size = nameSize + int64(2*len(n.metric)+2*len(n.scope)+len(n.to))
	c.size += n.size
	return n
}

func (c *cache) grow(s *source, n int64) {
	s.size += n
	c.size += n
	if s.size > c.limit/bulkyShare {
		c.bulky = s
	}
}

// touch makes s the most recently seen source.
func (c *cache) touch(s *source) {
	if s.newer == nil {
		return
	}
	c.unlink(s)
	c.pushNewest(s)
}

func (c *cache) pushNewest(s *source) {
	s.older, s.newer = s.in.newest, nil
	if s.in.newest != nil {
		s.in.newest.newer = s
	} else {
		s.in.oldest = s
	}
	s.in.newest = s
}

// move puts s into another order, if it is not there.
func (c *cache) move(s *source, to *recency) {
	if s.in == to {
		return
	}
	c.unlink(s)
	s.in = to
	c.pushNewest(s)
}

func (c *cache) unlink(s *source) {
	if c.sweep == s {
		c.sweep = s.newer
	}
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		s.in.oldest = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		s.in.newest = s.older
	}
	s.older, s.newer = nil, nil
}

// removeSource forgets s and hands each of its series to gone.
func (c *cache) removeSource(s *source, gone func(*series)) {
	s.slots.each(func(i int32, sl *slot) {
		for e := range c.all(sl) {
			gone(e)
			c.disown(e)
		}
		c.removeSlot(s, i)
	})
	c.unlink(s)
	if c.bulky == s {
		c.bulky = nil
	}
	c.size -= s.size
	unchain(c.sources, s.hash, s, func(x *source) **source { return &x.chain })
	c.bySlot.sources.remove(s.number)
	s.slots, s.after, s.gone = slots{}, nil, true
}

// removeSlot forgets slot i of s, which has no series any more.
func (c *cache) removeSlot(s *source, i int32) {
	sl := s.slots.at(i)
	n := c.name(sl)
	if n.slots--; n.slots == 0 {
		c.bySlot.names.remove(n.number)
		unchain(c.names, n.hash, n, func(x *name) **name { return &x.chain })
		c.size -= n.size
	}
	if c.last == sl {
		c.last = nil
	}
	if sl.more != 0 {
		c.bySlot.several.remove(sl.more)
	}
	s.slots.remove(i)
}

// unchain removes x from the chain of its hash.
func unchain[T any](m map[uint64]*T, hash uint64, x *T, next func(*T) **T) {
	if m[hash] == x {
		if *next(x) == nil {
			delete(m, hash)
		} else {
			m[hash] = *next(x)
		}
		return
	}
	for p := m[hash]; p != nil; p = *next(p) {
		if *next(p) == x {
			*next(p) = *next(x)
			return
		}
	}
}
