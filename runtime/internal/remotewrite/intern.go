package remotewrite

import (
	"strings"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

const nameLabel = "__name__"

// interner shares what the series of a lane have in common: the texts, and the
// label sets, of which each serves a hundred metrics of one subtask.
type interner struct {
	numbered bool // protocol 2.0: blocks need their symbols
	symbols  map[string]*symbol
	blocks   map[string]*block
	key      []byte
	name     *symbol // __name__
}

// symbol is a text: a metric name, or the name or value of a label.
type symbol struct {
	text  string
	refs  int
	epoch uint32 // of the request in which it has the number id (protocol 2.0)
	id    uint32
}

// block is a label set.
type block struct {
	fields string // protocol 1.0: encoded Label messages; also the key of the block
	split  int    // bytes of fields before __name__ in the order of labels
	size   int    // in a request, at most

	symbols []*symbol // protocol 2.0: names and values in turn
	before  int       // symbols before __name__

	refs  int
	epoch uint32 // of the request for which from, mid and to hold
	from  int32  // of its label references in the request's table;
	mid   int32  // where __name__ belongs,
	to    int32  // and the end
}

func newInterner(numbered bool) interner {
	in := interner{numbered: numbered, symbols: map[string]*symbol{}, blocks: map[string]*block{}}
	in.name = in.symbol(nameLabel)
	return in
}

// symbol returns the symbol of a text with one more reference.
func (in *interner) symbol(text string) *symbol {
	s := in.symbols[text]
	if s == nil {
		s = &symbol{text: text}
		in.symbols[text] = s
	}
	s.refs++
	return s
}

func (in *interner) drop(s *symbol) {
	if s.refs--; s.refs == 0 {
		delete(in.symbols, s.text)
	}
}

// block returns the block of a label set with one more reference. Labels without
// a value and a label that would be the name are left out.
func (in *interner) block(labels metric.Labels) *block {
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
	b := in.blocks[string(in.key)]
	if b == nil {
		b = &block{fields: string(in.key), split: split, size: len(in.key) + used*labelOverhead}
		if in.numbered {
			in.number(b, labels, used)
		}
		in.blocks[b.fields] = b
	}
	b.refs++
	return b
}

func (in *interner) number(b *block, labels metric.Labels, used int) {
	b.symbols = make([]*symbol, 0, 2*used)
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
	if id.block.refs--; id.block.refs > 0 {
		return
	}
	delete(in.blocks, id.block.fields)
	for _, s := range id.block.symbols {
		in.drop(s)
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
