package module

import "unicode/utf8"

// reader reads the binary format. The first error stays: after it every read gives
// zero, so callers look at err once, and in loops.
type reader struct {
	b   []byte // from the start of the module, to the end of what may be read
	at  int
	err *Error
}

func (r *reader) fail(e *Error) {
	if r.err == nil {
		r.err = e
		r.at = len(r.b)
	}
}

// more says whether something is left and nothing went wrong.
func (r *reader) more() bool { return r.err == nil && r.at < len(r.b) }

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail(malformed(r.at, "it ends in the middle"))
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail(malformed(r.at, "%d bytes are announced, %d are left", n, len(r.b)-r.at))
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at : r.at]
}

// u32 reads an unsigned LEB128 number of 32 bits: at most 5 bytes, without stray bits.
func (r *reader) u32() uint32 {
	start := r.at
	var v uint32
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			r.fail(malformed(start, "a number of 32 bits is too long"))
		}
		if r.err != nil {
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 number of 32, 33 or 64 bits.
func (r *reader) signed(bits int) int64 {
	start := r.at
	var v int64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if left := bits - shift; left < 7 {
			// The bits above the number's own repeat its sign, and no byte follows.
			if sign := int8(c<<1) >> left; c >= 0x80 || sign != 0 && sign != -1 {
				r.fail(malformed(start, "a number of %d bits is too long", bits))
			}
		}
		if r.err != nil {
			return 0
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift < 57 && c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

func (r *reader) name() string {
	start := r.at
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail(malformed(start, "a name is not UTF-8"))
	}
	return string(b)
}

// index reads an index that must be below n.
func (r *reader) index(what string, n int) uint32 {
	start := r.at
	i := r.u32()
	if r.err == nil && uint64(i) >= uint64(n) {
		r.fail(malformed(start, "%s %d: there are %d", what, i, n))
		return 0
	}
	return i
}

// vector reads a count and calls each as often, unless it is more than most.
func (r *reader) vector(what string, most int, each func()) {
	n := r.u32()
	if r.err == nil && uint64(n) > uint64(most) {
		r.fail(refused("it has %d %s, the most is %d", n, what, most))
	}
	for i := uint32(0); i < n && r.err == nil; i++ {
		each()
	}
}

func (r *reader) valueType() ValueType {
	start := r.at
	v := ValueType(r.byte())
	if r.err == nil && v.String() == "unknown" {
		r.fail(malformed(start, "type %#x is none of core 2.0", byte(v)))
	}
	return v
}

func (r *reader) refType() ValueType {
	start := r.at
	v := r.valueType()
	if r.err == nil && v != FuncRef && v != Extern {
		r.fail(malformed(start, "%s is not a reference type", v))
	}
	return v
}
