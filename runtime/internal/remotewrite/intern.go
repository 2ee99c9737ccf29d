package remotewrite

import (
	"strings"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

const nameLabel = "__name__"

// interner shares what the series of a lane have in common: the texts, and the
// label sets, of which each serves a hundred metrics of one subtask. Both go by
// numbers, so that what there is for each series has no pointers in it: the
// garbage collector would follow every one of them.
type interner struct {
	numbered bool // protocol 2.0: blocks need their symbols
	symbols  table[symbol]
	blocks   table[block]
	key      []byte
	name     uint32 // symbol __name__

	last      metric.Labels // that block was asked for last,
	lastBlock uint32        // which it is as long as it has references
}

// symbol is a text: a metric name, or the name or value of a label.
type symbol struct {
	text  string
	epoch uint32 // of the request in which it has the number id (protocol 2.0)
	id    uint32
}

// block is a label set.
type block struct {
	fields string // protocol 1.0: encoded Label messages; also the key of the block
	split  int    // bytes of fields before __name__ in the order of labels
	size   int    // in a request, at most

	symbols []uint32 // protocol 2.0: names and values in turn
	before  int      // symbols before __name__

	epoch uint32 // of the request for which from, mid and to hold
	from  int32  // of its label references in the request's table;
	mid   int32  // where __name__ belongs,
	to    int32  // and the end
}

// table holds values by key and by number, and counts who refers to them.
type table[T any] struct {
	numbers map[string]uint32
	values  []T
	refs    []int32
	free    []uint32
}

// get returns the number of a key with one more reference, and whether it is
// new: its value is zero then.
func (t *table[T]) get(key string) (uint32, bool) {
	if n, ok := t.numbers[key]; ok {
		t.refs[n]++
		return n, false
	}
	return t.add(key), true
}

func (t *table[T]) add(key string) uint32 {
	var n uint32
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
	} else {
		n = uint32(len(t.values))
		t.values, t.refs = append(t.values, *new(T)), append(t.refs, 0)
	}
	t.refs[n] = 1
	t.numbers[key] = n
	return n
}

// drop gives back a reference and reports whether it was the last: the number
// is then free.
func (t *table[T]) drop(n uint32, key string) bool {
	if t.refs[n]--; t.refs[n] > 0 {
		return false
	}
	delete(t.numbers, key)
	t.values[n] = *new(T)
	t.free = append(t.free, n)
	return true
}

func newInterner(numbered bool) interner {
	in := interner{
		numbered: numbered, symbols: table[symbol]{numbers: map[string]uint32{}}, blocks: table[block]{numbers: map[string]uint32{}},
	}
	in.name = in.symbol(nameLabel)
	return in
}

// symbol returns the symbol of a text with one more reference.
func (in *interner) symbol(text string) uint32 {
	n, isNew := in.symbols.get(text)
	if isNew {
		in.symbols.values[n].text = text
	}
	return n
}

func (in *interner) drop(n uint32) { in.symbols.drop(n, in.symbols.values[n].text) }

// block returns the block of a label set with one more reference. Labels without
// a value and a label that would be the name are left out.
func (in *interner) block(labels metric.Labels) uint32 {
	if len(labels) > 0 && len(in.last) == len(labels) && &in.last[0] == &labels[0] {
		in.blocks.refs[in.lastBlock]++
		return in.lastBlock
	}
	n := in.find(labels)
	in.last, in.lastBlock = labels, n
	return n
}

func (in *interner) find(labels metric.Labels) uint32 {
	in.key = in.key[:0]
	split, used := 0, 0
	for _, l := range labels {
		if !sent(l) {
			continue
		}
		in.key = appendLabel(in.key, valid(l.Name), valid(l.Value))
		used++
		if l.Name < nameLabel {
			split = len(in.key)
		}
	}
	if n, ok := in.blocks.numbers[string(in.key)]; ok { // without a string of its own
		in.blocks.refs[n]++
		return n
	}
	b := block{fields: string(in.key), split: split, size: len(in.key) + used*labelOverhead}
	if in.numbered {
		in.number(&b, labels, used)
	}
	n := in.blocks.add(b.fields)
	in.blocks.values[n] = b
	return n
}

func (in *interner) number(b *block, labels metric.Labels, used int) {
	b.symbols = make([]uint32, 0, 2*used)
	for _, l := range labels {
		if !sent(l) {
			continue
		}
		b.symbols = append(b.symbols, in.symbol(valid(l.Name)), in.symbol(valid(l.Value)))
		if l.Name < nameLabel {
			b.before = len(b.symbols)
		}
	}
}

func sent(l metric.Label) bool { return l.Value != "" && l.Name != "" && l.Name != nameLabel }

// release gives back one reference to the texts of a series.
func (in *interner) release(id identity) {
	in.drop(id.name)
	b := &in.blocks.values[id.block]
	symbols := b.symbols
	if in.blocks.drop(id.block, b.fields) {
		if id.block == in.lastBlock {
			in.last = nil
		}
		for _, s := range symbols {
			in.drop(s)
		}
	}
}

// valid replaces what is not UTF-8, for which a receiver would refuse the whole
// request.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
