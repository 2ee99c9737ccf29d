package plugins

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// littleEndian tells whether records can be copied between a batch and a guest's
// memory as they lie.
func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// bytesOf views plain structs of the wire form as the bytes they are.
func bytesOf[T abi.Record | abi.Pair | abi.Ref | abi.Header | abi.Result](s []T) []byte {
	var t T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(t)))
}

// viewOf views n structs of the wire form in bytes that begin 8-aligned: the other way
// round. They may not outlive the bytes.
func viewOf[T abi.Record | abi.Pair](b []byte, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// words views pairs as one number each, which is what they are compared and copied by.
func words(p []abi.Pair) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(p))), len(p))
}

// raw is a record as numbers that are compared at once.
type raw struct {
	time, value uint64
	names       uint64 // the name, and above it the first pair
	shape       uint64 // the number of pairs, above it kind, flags and source
}

func (r *raw) name() uint32   { return uint32(r.names) }
func (r *raw) first() uint64  { return r.names >> 32 }
func (r *raw) labels() uint64 { return r.shape & math.MaxUint16 }
func (r *raw) kind() abi.Kind { return abi.Kind(r.shape >> 16) }

// rawOf views records as such numbers.
func rawOf(r []abi.Record) []raw {
	return unsafe.Slice((*raw)(unsafe.Pointer(unsafe.SliceData(r))), len(r))
}

// textOf returns the number of the string that is the value of a Text record.
func textOf(r *abi.Record) uint64 { return math.Float64bits(r.Value) & math.MaxUint32 }

// text is a value that is the string id.
func text(id uint32) float64 { return math.Float64frombits(uint64(id)) }

// sent is what a guest is given of a batch, in the numbers that it sees.
type sent struct {
	records []abi.Record
	pairs   []abi.Pair
	strings []string
}

// size returns the length of the block in bytes; it may exceed 32 bits.
func (s *sent) size() int {
	n := abi.HeaderSize + len(s.records)*abi.RecordSize + len(s.pairs)*abi.PairSize + len(s.strings)*abi.RefSize
	for _, t := range s.strings {
		n += len(t)
	}
	return n
}

// encode writes the block into to, which has its size.
func (s *sent) encode(to []byte, b *Batch) {
	h := [1]abi.Header{{
		Magic: abi.BatchMagic, Major: abi.Major, Minor: abi.Minor,
		Records: uint32(len(s.records)), Pairs: uint32(len(s.pairs)), Strings: uint32(len(s.strings)),
		RecordsAt: uint32(abi.HeaderSize), Length: uint32(len(to)),
		Now: b.Now, Sequence: b.Sequence, Flags: b.Flags, RecordSize: uint32(abi.RecordSize),
	}}
	h[0].PairsAt = h[0].RecordsAt + uint32(len(s.records)*abi.RecordSize)
	h[0].RefsAt = h[0].PairsAt + uint32(len(s.pairs)*abi.PairSize)
	h[0].BytesAt = h[0].RefsAt + uint32(len(s.strings)*abi.RefSize)
	copy(to, bytesOf(h[:]))
	copy(to[h[0].RecordsAt:], bytesOf(s.records))
	copy(to[h[0].PairsAt:], bytesOf(s.pairs))
	refs, at := to[h[0].RefsAt:h[0].BytesAt], h[0].BytesAt
	for i, t := range s.strings {
		binary.LittleEndian.PutUint32(refs[8*i:], at)
		binary.LittleEndian.PutUint32(refs[8*i+4:], uint32(len(t)))
		at += uint32(copy(to[at:], t))
	}
}

// span returns n bytes of memory at an address a guest named, whatever it named.
func span(memory []byte, at uint32, n uint64) ([]byte, bool) {
	if n > uint64(len(memory)) || uint64(at) > uint64(len(memory))-n {
		return nil, false
	}
	return memory[at : uint64(at)+n], true
}
