package sluice

import (
	"unsafe"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// none is the number of a string that a batch does not have.
const none = ^uint32(0)

// Batch is the records of one call. Strings that it and its records give are views
// of the block: valid until the transform returns; keep strings.Clone of them.
type Batch struct {
	p       *Plugin
	header  *abi.Header
	records []abi.Record
	pairs   []abi.Pair
	refs    []abi.Ref

	texts   []string          // new strings, numbered from len(refs) on
	numbers map[string]uint32 // of the new strings
	keys    map[string]uint32 // those of them that keys have added
	added   []abi.Record      // new records; not moved while the batch lasts
	room    []abi.Pair        // new pairs, at positions from len(pairs) on
	refused abi.Code
	opened  uint32 // tells this batch from those before
	serial  uint32 // changes with the batch, and when a key is added to it
	named   int32  // the last record that was given a label; -1: none
	one     Record // what Each hands out
	more    Record // what Emit hands out
}

// open takes a block.
func (b *Batch) open(block []uint64) bool {
	if len(block)*8 < abi.HeaderSize {
		return false
	}
	base := unsafe.Pointer(unsafe.SliceData(block))
	h := (*abi.Header)(base)
	if h.Magic != abi.BatchMagic || h.Major != abi.Major || int(h.RecordSize) != abi.RecordSize || int(h.Length) > len(block)*8 {
		return false
	}
	b.header = h
	b.records = unsafe.Slice((*abi.Record)(unsafe.Add(base, h.RecordsAt)), h.Records)
	b.pairs = unsafe.Slice((*abi.Pair)(unsafe.Add(base, h.PairsAt)), h.Pairs)
	b.refs = unsafe.Slice((*abi.Ref)(unsafe.Add(base, h.RefsAt)), h.Strings)
	if b.numbers == nil {
		b.numbers, b.keys = map[string]uint32{}, map[string]uint32{}
	}
	clear(b.numbers)
	clear(b.keys)
	b.texts, b.added, b.room = b.texts[:0], b.added[:0], b.room[:0]
	b.refused, b.named = 0, -1
	b.opened++
	b.serial++
	return true
}

// Len returns the number of records that came in.
func (b *Batch) Len() int { return len(b.records) }

// Record returns record i of those that came in.
func (b *Batch) Record(i int) Record {
	return Record{b: b, raw: &b.records[i], number: int32(i)}
}

// Now is the time of the batch, Unix ms. It is the same when the batch is processed
// again; a guest has no other clock.
func (b *Batch) Now() int64 { return b.header.Now }

// Sequence is the number of the batch, the same when it is processed again.
func (b *Batch) Sequence() uint64 { return b.header.Sequence }

// Replay reports whether the batch was processed before.
func (b *Batch) Replay() bool { return b.header.Flags&abi.Replay != 0 }

// DryRun reports whether nothing of the result is sent: a test, or a shadow.
func (b *Batch) DryRun() bool { return b.header.Flags&abi.DryRun != 0 }

// Log writes a line to Sluice's log, which takes some lines per second.
func (b *Batch) Log(level Level, text string) { b.p.host.log(level, text) }

// Refuse gives the whole batch up: nothing of it is changed. Sluice may try again with
// less of it, so a single record that is bad is better given up by Record.Fail.
func (b *Batch) Refuse(reason string) {
	if b.refused == abi.BatchFailed {
		return
	}
	b.refused = abi.BatchFailed
	b.p.host.fail(abi.BatchFailed, -1, reason)
}

// text returns the string of a number.
func (b *Batch) text(n uint32) string {
	if n >= uint32(len(b.refs)) {
		return b.texts[n-uint32(len(b.refs))]
	}
	r := b.refs[n]
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(b.header), r.At)), r.Length)
}

// find returns the number of a key, none when no string that came with the batch is
// like it, and no key that was added. guess is a number to look at first.
func (b *Batch) find(s string, guess uint32) uint32 {
	if guess < uint32(len(b.refs)) && b.text(guess) == s {
		return guess
	}
	for i := range b.refs {
		if int(b.refs[i].Length) == len(s) && b.text(uint32(i)) == s {
			return uint32(i)
		}
	}
	if n, ok := b.keys[s]; ok {
		return n
	}
	return none
}

// enter adds the text of a key, and has keys look again: another one of it may have looked.
func (b *Batch) enter(s string) uint32 {
	n := b.add(s)
	b.keys[s] = n
	b.serial++
	return n
}

// add returns the number of a string that need not be looked for among those that
// came in: an equal one there does no harm, it only is there twice.
func (b *Batch) add(s string) uint32 {
	if n, ok := b.numbers[s]; ok {
		return n
	}
	n := uint32(len(b.refs) + len(b.texts))
	b.texts = append(b.texts, s)
	b.numbers[s] = n
	return n
}

// labels returns the pairs of a record. It is valid until pairs are added.
func (b *Batch) labels(r *abi.Record) []abi.Pair {
	if had := uint32(len(b.pairs)); r.First >= had {
		return b.room[r.First-had:][:r.Labels]
	}
	return b.pairs[r.First:][:r.Labels]
}

// append gives a record one more pair, at a place where there is room for it.
func (b *Batch) append(r *abi.Record, p abi.Pair) {
	if end := uint32(len(b.pairs) + len(b.room)); r.First+uint32(r.Labels) != end || r.First < uint32(len(b.pairs)) {
		b.room = append(b.room, b.labels(r)...)
		r.First = end
	}
	b.room = append(b.room, p)
	r.Labels++
}

// kept takes the new records out that were dropped.
func (b *Batch) kept() {
	n := 0
	for i := range b.added {
		if b.added[i].Flags == 0 {
			b.added[n] = b.added[i]
			n++
		}
	}
	b.added = b.added[:n]
}

// emit makes a record of another one. Their number is limited, so that they need
// not be moved.
func (b *Batch) emit(of *abi.Record) *abi.Record {
	most := 2*len(b.records) + 16
	if len(b.added) == most {
		b.Refuse("more records than a batch may become")
		b.added = b.added[:most-1]
	}
	if cap(b.added) < most {
		b.added = make([]abi.Record, 0, most)
	}
	b.added = append(b.added, *of)
	r := &b.added[len(b.added)-1]
	r.Flags = 0
	r.First = uint32(len(b.pairs) + len(b.room))
	b.room = append(b.room, b.labels(of)...)
	return r
}
