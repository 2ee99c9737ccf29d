package sluice

import (
	"unsafe"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Key is a string that many records are looked at with, mostly the name of a label.
// Its number is found once per batch, and then a record compares numbers, first where
// the label was in the record before. Make keys in the setup, not per record.
type Key struct {
	text   string
	batch  *Batch
	serial uint32
	number uint32
	place  int // of the label in the record that was looked at before
}

// NewKey makes a key.
func NewKey(text string) *Key { return &Key{text: text, number: none} }

// String returns the text of the key.
func (k *Key) String() string { return k.text }

// of returns the number of the key in a batch, none when the batch does not have it.
func (k *Key) of(b *Batch) uint32 {
	if k.differs(b) == 0 {
		return k.number
	}
	return k.look(b)
}

// differs returns 0 where the key has been looked for in a batch as it is now, else a
// number above.
func (k *Key) differs(b *Batch) int {
	return int(uintptr(unsafe.Pointer(k.batch)) ^ uintptr(unsafe.Pointer(b)) | uintptr(k.serial^b.serial))
}

//go:noinline
func (k *Key) look(b *Batch) uint32 { // kept apart, so that of is no call
	k.number = b.find(k.text, k.number)
	k.batch, k.serial = b, b.serial
	return k.number
}

// make returns the number of the key in a batch, which has it from then on.
func (k *Key) make(b *Batch) uint32 {
	if n := k.of(b); n != none {
		return n
	}
	return k.enter(b)
}

func (k *Key) enter(b *Batch) uint32 {
	k.number = b.enter(k.text)
	k.serial = b.serial
	return k.number
}

// in returns the position of the label among pairs, -1 when there is none. n is the
// number of the key.
func (k *Key) in(pairs []abi.Pair, n uint32) int {
	if k.place < len(pairs) && pairs[k.place].Key == n {
		return k.place
	}
	return k.scan(pairs, n)
}

//go:noinline
func (k *Key) scan(pairs []abi.Pair, n uint32) int {
	for i := range pairs {
		if pairs[i].Key == n {
			k.place = i
			return i
		}
	}
	return -1
}

// Mapping makes strings of strings, each distinct one of a batch once.
type Mapping struct {
	f    func(string) string
	memo Memo[uint32]
}

// NewMapping makes a mapping. f must be a pure function of its argument, and may
// keep it only as a clone; what it means to return "" the methods of Record say.
func NewMapping(f func(string) string) *Mapping { return &Mapping{f: f} }

// of returns the number of what the mapping makes of a string, none for "".
func (m *Mapping) of(b *Batch, n uint32) uint32 {
	made, known := m.memo.at(b, n)
	if !known {
		s := b.text(n)
		switch to := m.f(s); to {
		case "":
			*made = none
		case s:
			*made = n
		default:
			*made = b.add(to)
		}
	}
	return *made
}

// Memo works something out for strings, for each distinct one of a batch once.
type Memo[T any] struct {
	f      func(string) T
	values []T
	marks  []uint32 // round in which the value was worked out
	round  uint32
	batch  *Batch
	opened uint32
}

// NewMemo makes a memo. f must be a pure function of its argument, and may keep it
// only as a clone.
func NewMemo[T any](f func(string) T) *Memo[T] { return &Memo[T]{f: f} }

// OfName returns what f makes of the name of a record.
func (m *Memo[T]) OfName(r *Record) T { return m.of(r.b, r.raw.Name) }

// OfLabel returns what f makes of the value of a label, and whether there is one.
func (m *Memo[T]) OfLabel(r *Record, k *Key) (v T, ok bool) {
	_, p := r.find(k)
	if p == nil {
		return v, false
	}
	return m.of(r.b, p.Value), true
}

func (m *Memo[T]) of(b *Batch, n uint32) T {
	v, known := m.at(b, n)
	if !known {
		*v = m.f(b.text(n))
	}
	return *v
}

// at returns where the value for a string of a batch is, and whether it is known;
// from then on it is.
func (m *Memo[T]) at(b *Batch, n uint32) (v *T, known bool) {
	if m.opened != b.opened || m.batch != b {
		m.batch, m.opened = b, b.opened
		m.round++
	}
	if n >= uint32(len(m.marks)) {
		most := max(int(n)+1, len(b.refs))
		m.values = append(m.values, make([]T, most-len(m.values))...)
		m.marks = append(m.marks, make([]uint32, most-len(m.marks))...)
	}
	known = m.marks[n] == m.round
	m.marks[n] = m.round
	return &m.values[n], known
}
