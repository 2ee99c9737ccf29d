// Package abi is the wire form between Sluice and a transform plugin, version 1:
// the names of what a module exports and imports, the layout of a batch in its
// memory, the flags, the codes. Host and Go guests share it, guests in other
// languages restate it. It knows nothing of WebAssembly runtimes or of policies,
// and imports the standard library alone.
//
// A batch is one block of bytes, little-endian, 8-aligned. Header, records, label
// pairs, references to strings, bytes of the strings, in this order; offsets count
// from the start of the block:
//
//	header   64 B   see Header
//	record   32 B   see Record; Header.Records of them
//	pair      8 B   see Pair; Header.Pairs of them
//	ref       8 B   see Ref; Header.Strings of them
//	bytes           UTF-8, not terminated
//
// Equal strings of a batch have one number, so a guest works out a value once and
// looks it up for every record. A guest edits records and pairs in place. What is
// new it describes in a Result; numbers of new strings go on after those of the
// batch, positions of new pairs after its pairs. Nothing else that a guest changes
// is looked at.
package abi

import "unsafe"

// Version of the interface. Another major is another set of exports, ending in its
// number; a higher minor adds fields and flags that older guests ignore.
const (
	Major = 1
	Minor = 0
)

// What a module exports. Memory and those in Exports must be there.
const (
	Memory    = "memory"
	Start     = "_initialize"      // () -> (): optional, called once
	Version   = "sluice_abi_1"     // () -> i32: the minor; its name tells the major without running anything
	Alloc     = "sluice_alloc"     // (size u32) -> ptr u32: where to put a block, 8-aligned, valid until the next call; 0: no room
	Init      = "sluice_init"      // (ptr, length u32) -> code i32: takes the config, JSON; 0: ready
	Transform = "sluice_transform" // (ptr, length u32) -> i64: see Answer
	Close     = "sluice_close"     // () -> (): optional, called once
)

// What a module may import beside the part of WASI that a Go guest needs, and
// AssemblyScript's env.abort.
const (
	Module = "sluice"
	Log    = "log"   // (level i32, ptr, length u32): 0 debug, 1 info, 2 warn, 3 error
	Fail   = "fail"  // (code i32, record i32, ptr, length u32): why, ahead of the answer; record -1: the whole batch
	Count  = "count" // (metric i32, n i64): adds to a counter that the manifest lists, by its place
)

// ManifestSection is the custom section that holds the manifest, JSON.
const ManifestSection = "sluice.manifest"

// Magic numbers: "SLB1" and "SLR1" in memory.
const (
	BatchMagic  = uint32('S') | uint32('L')<<8 | uint32('B')<<16 | uint32('1')<<24
	ResultMagic = uint32('S') | uint32('L')<<8 | uint32('R')<<16 | uint32('1')<<24
)

// Sizes in bytes.
const (
	HeaderSize = int(unsafe.Sizeof(Header{}))
	RecordSize = int(unsafe.Sizeof(Record{}))
	PairSize   = int(unsafe.Sizeof(Pair{}))
	RefSize    = int(unsafe.Sizeof(Ref{}))
	ResultSize = int(unsafe.Sizeof(Result{}))
)

// Header begins a batch.
type Header struct {
	Magic      uint32 // BatchMagic
	Major      uint16
	Minor      uint16
	Records    uint32
	Pairs      uint32
	Strings    uint32
	RecordsAt  uint32 // HeaderSize
	PairsAt    uint32
	RefsAt     uint32
	BytesAt    uint32
	Length     uint32 // of the whole block
	Now        int64  // Unix ms; the same when the batch is processed again
	Sequence   uint64 // of the batch; the same when it is processed again
	Flags      BatchFlags
	RecordSize uint32 // RecordSize
}

// BatchFlags say how a batch came about.
type BatchFlags uint32

// The flags of a batch.
const (
	Replay BatchFlags = 1 << iota // was processed before
	DryRun                        // nothing is sent: a test, or a shadow
)

// Record is one sample of one series.
type Record struct {
	Time   int64   // Unix ms
	Value  float64 // any, NaN and infinities too; 0 for Text and in a batch of series
	Name   uint32  // string: the name of the series
	First  uint32  // position of its first pair
	Labels uint16  // number of its pairs, which follow each other
	Kind   Kind
	Flags  Flags
	Source uint32 // number of the record of the batch that it is, or was made of
}

// Kind is the Flink type of a metric.
type Kind uint8

// The kinds. A histogram and a meter arrive as their parts, each a record. The value
// of a Text is the string whose number its Value holds in its lower 32 bits, as bits: it
// is no number to calculate with, so what scales values leaves it alone, as every SDK does.
const (
	Gauge Kind = iota
	Counter
	Meter
	Histogram
	Text
)

// Flags are what a guest says about a record.
type Flags uint8

// The flags of a record.
const (
	Drop   Flags = 1 << iota // it goes no further
	Failed                   // it could not be transformed
)

// Pair is a label: numbers of two strings.
type Pair struct{ Key, Value uint32 }

// Ref says where a string is: in a batch from its start, in a result in the memory.
type Ref struct{ At, Length uint32 }

// Result describes what a guest adds to a batch. At fields are addresses in its memory.
type Result struct {
	Magic     uint32 // ResultMagic
	Strings   uint32
	RefsAt    uint32
	Records   uint32 // new ones; those of the batch stay, unless dropped
	RecordsAt uint32
	Pairs     uint32
	PairsAt   uint32
	_         uint32
}

// Answer is what sluice_transform returns. 0: edited in place only. Above its lower
// 32 bits the address of a Result, with ResultSize in them. Else a Code.
type Answer int64

// Answered makes the answer that points to a result.
func Answered(at uint32) Answer { return Answer(uint64(at)<<32 | uint64(ResultSize)) }

// Refused makes the answer that is a code.
func Refused(c Code) Answer { return Answer(uint32(c)) }

// Result returns the address of a result; length is what the guest says its size is.
func (a Answer) Result() (at, length uint32, ok bool) {
	at, length = uint32(uint64(a)>>32), uint32(a)
	return at, length, at != 0
}

// Code returns the code of an answer without a result, 0 when there is none.
func (a Answer) Code() Code {
	if _, _, ok := a.Result(); ok {
		return 0
	}
	return Code(uint32(a))
}
