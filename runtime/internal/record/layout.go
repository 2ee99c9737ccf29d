package record

import (
	"bytes"
	"encoding/binary"
)

// Bounds of what a Scanner learns: more layouts cost each unknown record a look
// at each, and a record with more fields or more text between them is read by its keys.
const (
	maxLayouts = 8
	maxSlots   = 32
	maxFixed   = 2048 // bytes
)

// mark says where walk found the value of a field.
type mark struct {
	id    field
	value span
}

// layout is how one producer writes its records: the bytes between the values,
// which are the same in each of them, and which field each value belongs to.
// Comparing the former takes the place of reading keys and white space.
type layout struct {
	slots []slot
	tail  []byte // behind the last value
	seen  fieldSet
	fixed []byte // what the slots and tail are parts of
}

// slot is a value, and the bytes that stand before it; the quote of a string is
// one of them.
type slot struct {
	before []byte
	id     field
	text   bool // the field is a string

	// The first and the last eight bytes of before, or all of a shorter one: most
	// are not longer than both together, and two loads compare them.
	first, last uint64
	mask        uint64 // of the bytes of first that count
	behind      int    // offset of last in before
}

// newSlot returns the slot for a value behind the bytes before.
func newSlot(before []byte, id field) slot {
	var word [8]byte
	n := copy(word[:], before)
	sl := slot{before: before, id: id, text: id.isText(), first: binary.LittleEndian.Uint64(word[:]), mask: ^uint64(0)}
	sl.mask >>= 8 * (8 - n)
	sl.last = sl.first
	if len(before) > 8 {
		sl.behind = len(before) - 8
		sl.last = binary.LittleEndian.Uint64(before[sl.behind:])
	}
	return sl
}

// matches reports whether the bytes of the slot stand at b[i].
func (sl *slot) matches(b []byte, i int) bool {
	if sl.behind > 8 || i+sl.behind+8 > len(b) {
		return i <= len(b) && bytes.HasPrefix(b[i:], sl.before)
	}
	return ((binary.LittleEndian.Uint64(b[i:])^sl.first)|(binary.LittleEndian.Uint64(b[i+sl.behind:])^sl.last))&sl.mask == 0
}

// learn takes the layout of b, which Strict has just accepted, in place of the
// one that has not been used for longest.
func (s *Scanner) learn(b []byte) {
	if !s.plain || len(s.marks) > maxSlots {
		return
	}
	fixed := len(b)
	for _, m := range s.marks {
		if m.id != fieldVersion {
			fixed -= m.value.hi - m.value.lo
		}
	}
	if fixed > maxFixed {
		return
	}
	if s.learned < maxLayouts {
		s.order[s.learned] = uint8(s.learned)
		s.learned++
	}
	s.layouts[s.order[s.learned-1]].learn(b, s.marks)
	s.promote(s.learned - 1)
}

// promote makes the layout at rank the first one to be tried.
func (s *Scanner) promote(rank int) {
	used := s.order[rank]
	for ; rank > 0; rank-- {
		s.order[rank] = s.order[rank-1]
	}
	s.order[0] = used
}

// learn makes l the layout of b. The version has one spelling only, so that it is
// part of what stands between the values.
func (l *layout) learn(b []byte, marks []mark) {
	l.fixed, l.slots = l.fixed[:0], l.slots[:0]
	if cap(l.fixed) < maxFixed {
		l.fixed = make([]byte, 0, maxFixed) // never grows: before and tail point into it
	}
	l.seen = 0
	from := 0
	for _, m := range marks {
		l.seen |= 1 << m.id
		if m.id == fieldVersion {
			continue
		}
		to := m.value.lo
		if m.id.isText() {
			to++
		}
		l.slots = append(l.slots, newSlot(l.keep(b[from:to]), m.id))
		from = m.value.hi
	}
	l.tail = l.keep(b[from:])
}

// keep copies fixed bytes into l.
func (l *layout) keep(b []byte) []byte {
	n := len(l.fixed)
	l.fixed = append(l.fixed, b...)
	return l.fixed[n:]
}

// follow reads b by the layout l. It returns false when b is laid out otherwise or
// is refused; only Strict says which.
func (s *Scanner) follow(l *layout, b []byte, v *View) bool {
	s.start(v)
	s.seen = l.seen
	i := 0
	for k := range l.slots {
		sl := &l.slots[k]
		if !sl.matches(b, i) {
			return false
		}
		i += len(sl.before)
		if !sl.text {
			next, f := s.field(sl.id, b, i, v)
			if f != noFault {
				return false
			}
			i = next
			continue
		}
		end, f := scanString(b, i)
		if f != noFault {
			return false
		}
		*v.text(sl.id) = b[i:end]
		i = end + 1
	}
	if string(b[i:]) != string(l.tail) {
		return false
	}
	_, _, f := s.finish(b, v)
	return f == noFault
}
