package plugins

import (
	"math"
	"slices"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Batch is records on their way through plugins: every string once, records and
// labels by the numbers of strings. It is made once and reused: Reset, Intern and
// Add, Instance.Transform, read Records. Nothing is allocated once it has grown to
// the size of the batches. It is for one goroutine.
type Batch struct {
	Now      int64  // Unix ms: what the guest's clock says; of event time, so that a replay sees the same
	Sequence uint64 // what the guest's randomness depends on; the same when the batch is processed again
	Flags    abi.BatchFlags

	// Records have their labels in Pairs, from First on; their Source is the row
	// of the batch that was put in which they are or were made of. Text records
	// hold the number of a string in Value.
	Records []abi.Record
	Pairs   []abi.Pair
	Strings []string // each once: filled by Intern

	// Failed are the rows that the plugin refused in the last Transform; they are
	// no longer among Records.
	Failed []Failure

	index   map[string]uint32
	indexed int // strings that are in index: the first ones
	round   uint64
}

// Failure says why a row of a batch was not transformed.
type Failure struct {
	Record  int // row of the batch that was put in
	Code    abi.Code
	Message string
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Now, b.Sequence, b.Flags = 0, 0, 0
	b.Records, b.Pairs, b.Failed = b.Records[:0], b.Pairs[:0], b.Failed[:0]
	clear(b.Strings)
	b.Strings = b.Strings[:0]
	clear(b.index)
	b.indexed = 0
	b.round++
}

// Fill makes the batch one of these records, whose strings the caller has numbered
// itself, each once. All is copied.
func (b *Batch) Fill(records []abi.Record, pairs []abi.Pair, strings []string) {
	b.Reset()
	b.Records, b.Pairs, b.Strings = append(b.Records, records...), append(b.Pairs, pairs...), append(b.Strings, strings...)
}

// Round returns a number that Reset changes. Who keeps the numbers of its strings
// beside it knows by it whether they still hold, and needs not look them up again.
func (b *Batch) Round() uint64 { return b.round }

// Intern returns the number of s, entering it when it is new.
func (b *Batch) Intern(s string) uint32 {
	if b.index == nil {
		b.index = map[string]uint32{}
	}
	for ; b.indexed < len(b.Strings); b.indexed++ {
		b.index[b.Strings[b.indexed]] = uint32(b.indexed)
	}
	if id, ok := b.index[s]; ok {
		return id
	}
	id := uint32(len(b.Strings))
	b.Strings = append(b.Strings, s)
	b.index[s] = id
	b.indexed++
	return id
}

// few is how many strings are rather looked for one by one than an index made.
const few = 4

// internOne does the same for one of n strings, of which more will not come.
func (b *Batch) internOne(s string, n int) uint32 {
	if b.indexed == len(b.Strings) || n > few {
		return b.Intern(s)
	}
	if at := slices.Index(b.Strings, s); at >= 0 {
		return uint32(at)
	}
	b.Strings = append(b.Strings, s)
	return uint32(len(b.Strings) - 1)
}

// Add appends a record with the labels of pairs, which it copies, and returns its
// row. First, Labels, Flags and Source of r are set here.
func (b *Batch) Add(r abi.Record, pairs ...abi.Pair) int {
	row := len(b.Records)
	r.First, r.Labels, r.Flags, r.Source = uint32(len(b.Pairs)), uint16(len(pairs)), 0, uint32(row)
	b.Records = append(b.Records, r)
	b.Pairs = append(b.Pairs, pairs...)
	return row
}

// Labels returns the labels of a record of the batch: a part of Pairs.
func (b *Batch) Labels(r *abi.Record) []abi.Pair {
	return b.Pairs[r.First : r.First+uint32(r.Labels)]
}

// Copy makes b what from is, sharing nothing with it that can change.
func (b *Batch) Copy(from *Batch) {
	b.Fill(from.Records, from.Pairs, from.Strings)
	b.Now, b.Sequence, b.Flags = from.Now, from.Sequence, from.Flags
	b.Failed = append(b.Failed, from.Failed...)
}

// forget takes back the strings from number n on.
func (b *Batch) forget(n int) {
	for ; b.indexed > n; b.indexed-- {
		delete(b.index, b.Strings[b.indexed-1])
	}
	b.Strings = slices.Delete(b.Strings, n, len(b.Strings))
}

// check says whether a caller put together what it may, records of so many labels at
// most.
func (b *Batch) check(labels int) *Error {
	total := uint64(len(b.Strings))
	for i := range b.Records {
		r := &b.Records[i]
		switch {
		case uint64(r.First)+uint64(r.Labels) > uint64(len(b.Pairs)):
			return faultAt(abi.BadBatch, i, "its labels lie outside of the batch")
		case uint64(r.Name) >= total:
			return faultAt(abi.BadBatch, i, "its name is string %d of %d", r.Name, total)
		case int(r.Labels) > labels:
			return faultAt(abi.BadBatch, i, "%d labels; a record has at most %d", r.Labels, labels)
		case r.Kind > abi.Text, r.Kind == abi.Text && math.Float64bits(r.Value) >= total:
			return faultAt(abi.BadBatch, i, "its kind is %d and its value has the bits %#x", r.Kind, math.Float64bits(r.Value))
		}
	}
	if i := outside(b.Pairs, uint32(total)); i >= 0 {
		return fault(abi.BadBatch, StepTransform, "a label is the strings %d and %d of %d", b.Pairs[i].Key, b.Pairs[i].Value, total)
	}
	return nil
}

// outside returns the first pair with a number that is not below total, -1 when there
// is none. Both numbers of a pair are looked at in one step: with their top bits set,
// subtracting total takes those away exactly where a number is below it.
func outside(pairs []abi.Pair, total uint32) int {
	const top = 1<<63 | 1<<31
	var bad uint64
	limit := uint64(total)<<32 | uint64(total)
	for _, p := range words(pairs) {
		bad |= p | (p | top) - limit
	}
	if bad&top == 0 {
		return -1
	}
	return slices.IndexFunc(pairs, func(p abi.Pair) bool { return max(p.Key, p.Value) >= total })
}
