package plugins

import (
	"slices"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// result is what a guest made of a batch, while it is looked at: nothing of it is
// in the batch until all of it was found good.
type result struct {
	records []abi.Record // sent, as edited: the guest's memory, while it does not run
	pairs   []abi.Pair   // likewise
	added   []abi.Record // new ones
	spare   []abi.Pair   // new ones; their positions go on after pairs
	refs    []abi.Ref

	changed []int // labels of the record that is looked at, by place

	stamps []stamp // by number of string
	turn   uint32
	failed []bool // by row sent

	out      []abi.Record
	outPairs []abi.Pair
	moved    moved
}

// stamp is what a record says about a label name; it holds for one turn.
type stamp struct {
	had   uint32 // the turn, if the record had it when it was sent
	value uint32 // which value it had then
	has   uint32 // the turn, if it has it now
}

// moved counts records of one exchange.
type moved struct{ dropped, made, failed int }

// read takes what the guest left in its memory: block is where the batch was
// written, answer what it returned. Whatever it returns, memory is only read.
func (x *exchange) read(memory []byte, block uint32, answer abi.Answer, known *interned) *Error {
	v := &x.back
	region, ok := span(memory, block, uint64(x.sent.size()))
	if !ok {
		return fault(abi.BadOutput, StepTransform, "its memory shrank below the batch")
	}
	var add [1]abi.Result
	if at, length, ok := answer.Result(); ok {
		if err := readResult(memory, at, length, &add[0]); err != nil {
			return err
		}
	}
	n := len(x.sent.records)
	most, _ := made(n)
	if total := uint64(n) + uint64(add[0].Records); total > uint64(most) {
		return fault(abi.Expansion, StepTransform, "%d records of %d; at most %d may come of them", total, n, most)
	}
	if uint64(add[0].Pairs) > uint64(most)*uint64(x.limits.Labels) {
		return fault(abi.Expansion, StepTransform, "%d new labels for at most %d records", add[0].Pairs, most)
	}
	if err := x.readStrings(memory, &add[0], known); err != nil {
		return err
	}
	v.records = viewOf[abi.Record](region[abi.HeaderSize:], n)
	v.pairs = viewOf[abi.Pair](region[abi.HeaderSize+n*abi.RecordSize:], len(x.sent.pairs))
	v.added = slices.Grow(v.added[:0], int(add[0].Records))[:add[0].Records]
	v.spare = slices.Grow(v.spare[:0], int(add[0].Pairs))[:add[0].Pairs]
	records, ok := span(memory, add[0].RecordsAt, uint64(len(v.added)*abi.RecordSize))
	if !ok {
		return fault(abi.BadOutput, StepTransform, "its new records lie outside of its memory")
	}
	copy(bytesOf(v.added), records)
	pairs, ok := span(memory, add[0].PairsAt, uint64(len(v.spare)*abi.PairSize))
	if !ok {
		return fault(abi.BadOutput, StepTransform, "its new labels lie outside of its memory")
	}
	copy(bytesOf(v.spare), pairs)
	return nil
}

func readResult(memory []byte, at, length uint32, to *abi.Result) *Error {
	if length != uint32(abi.ResultSize) {
		return fault(abi.BadOutput, StepTransform, "it answered with a result of %d bytes, which has %d", length, abi.ResultSize)
	}
	from, ok := span(memory, at, uint64(abi.ResultSize))
	if !ok {
		return fault(abi.BadOutput, StepTransform, "its result at %#x lies outside of its memory", at)
	}
	var r [1]abi.Result
	copy(bytesOf(r[:]), from)
	if *to = r[0]; to.Magic != abi.ResultMagic {
		return fault(abi.BadOutput, StepTransform, "its result at %#x begins with %#x, not with its magic number", at, to.Magic)
	}
	return nil
}

// readStrings enters the guest's own strings into the batch; whoever refuses the
// batch takes them out again.
func (x *exchange) readStrings(memory []byte, add *abi.Result, known *interned) *Error {
	_, most := made(len(x.sent.records))
	if uint64(add.Strings) > uint64(most) {
		return fault(abi.Expansion, StepTransform, "%d new strings; at most %d may come of %d records", add.Strings, most, len(x.sent.records))
	}
	v := &x.back
	v.refs = slices.Grow(v.refs[:0], int(add.Strings))[:add.Strings]
	from, ok := span(memory, add.RefsAt, uint64(add.Strings)*uint64(abi.RefSize))
	if !ok {
		return fault(abi.BadOutput, StepTransform, "its new strings are listed outside of its memory")
	}
	copy(bytesOf(v.refs), from)
	bytes := 0
	for i, r := range v.refs {
		if r.Length > uint32(x.limits.String) {
			return fault(abi.Expansion, StepTransform, "new string %d has %d bytes; it may have %d", i, r.Length, x.limits.String)
		}
		s, ok := span(memory, r.At, uint64(r.Length))
		if !ok {
			return fault(abi.BadOutput, StepTransform, "new string %d lies outside of its memory", i)
		}
		if !utf8.Valid(s) {
			return fault(abi.BadOutput, StepTransform, "new string %d is not UTF-8", i)
		}
		if bytes += len(s); bytes > x.limits.Strings {
			return fault(abi.Expansion, StepTransform, "its new strings have more than %d bytes", x.limits.Strings)
		}
		own, ok := known.get(s, x.limits.Distinct)
		if !ok {
			return fault(abi.Expansion, StepTransform, "it made more than %d distinct strings within an hour", x.limits.Distinct)
		}
		x.ids = append(x.ids, x.batch.internOne(own, len(v.refs)))
	}
	x.marks = append(x.marks, make([]mark, len(x.batch.Strings)-len(x.marks))...)
	return nil
}

// judge looks at everything that was read, and puts what is good aside.
func (x *exchange) judge() *Error {
	x.prepare()
	n, next := len(x.sent.records), 0 // next: row of the batch
	for k := 0; k < n; k++ {
		if !x.narrowed {
			if k = x.usual(k); k == n {
				break
			}
			next = k
		}
		for ; next < x.row(k); next++ {
			x.keep(next)
		}
		next++
		if err := x.edited(k); err != nil {
			return err
		}
	}
	for ; x.narrowed && next < len(x.batch.Records); next++ {
		x.keep(next)
	}
	for _, r := range x.back.added {
		if err := x.emitted(r); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes room to put things aside.
func (x *exchange) prepare() {
	v, n := &x.back, len(x.sent.records)
	v.stamps = append(v.stamps, make([]stamp, max(0, len(x.batch.Strings)-len(v.stamps)))...)
	v.out = slices.Grow(v.out[:0], len(x.batch.Records)+len(v.added))
	v.outPairs = slices.Grow(v.outPairs[:0], len(x.batch.Pairs))
	v.failed = slices.Grow(v.failed[:0], n)[:n]
	clear(v.failed)
	v.moved = moved{}
	x.renumbered = false
	for i := x.host; i < len(x.ids) && !x.narrowed; i++ {
		x.renumbered = x.renumbered || x.ids[i] != uint32(i)
	}
}

// keep lets a row pass that the plugin did not see.
func (x *exchange) keep(row int) {
	r := x.batch.Records[row]
	labels := x.batch.Labels(&r)
	r.First, r.Source, r.Flags = uint32(len(x.back.outPairs)), uint32(row), 0
	x.back.outPairs = append(x.back.outPairs, labels...)
	x.back.out = append(x.back.out, r)
}

// edited judges row k as the guest left it.
func (x *exchange) edited(k int) *Error {
	v := &x.back
	v.out = append(v.out, v.records[k])
	r, row := &v.out[len(v.out)-1], x.row(k)
	switch {
	case r.Flags&^(abi.Drop|abi.Failed) != 0:
		return faultAt(abi.BadOutput, row, "its flags are %#x", r.Flags)
	case r.Flags&abi.Failed != 0:
		v.failed[k] = true
		v.moved.failed++
		v.out = v.out[:len(v.out)-1]
		return nil
	case r.Flags&abi.Drop != 0:
		if !x.writes.Drop {
			return faultAt(abi.Capability, row, "it was dropped; the manifest does not say writes.drop")
		}
		v.moved.dropped++
		v.out = v.out[:len(v.out)-1]
		return nil
	}
	return x.accept(r, k)
}

// emitted judges a new record. One that is made of a row that failed goes with it.
func (x *exchange) emitted(r abi.Record) *Error {
	v := &x.back
	switch {
	case uint64(r.Source) >= uint64(len(x.sent.records)):
		return fault(abi.BadOutput, StepTransform, "a new record is made of record %d of %d", r.Source, len(x.sent.records))
	case r.Flags != 0:
		return faultAt(abi.BadOutput, x.row(int(r.Source)), "a new record made of it has the flags %#x", r.Flags)
	case !x.writes.Emit:
		return faultAt(abi.Capability, x.row(int(r.Source)), "a new record is made of it; the manifest does not say writes.emit")
	case v.failed[r.Source]:
		return nil
	}
	v.moved.made++
	v.out = append(v.out, r)
	return x.accept(&v.out[len(v.out)-1], int(r.Source))
}

// commit puts the result into the batch.
func (x *exchange) commit() {
	b, v := x.batch, &x.back
	b.Failed = b.Failed[:0]
	b.Records, v.out = v.out, b.Records
	b.Pairs, v.outPairs = v.outPairs, b.Pairs
}
