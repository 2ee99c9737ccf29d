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

	index map[string]uint32
	round uint64
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
	b.round++
}

// Round returns a number that Reset changes. Who keeps the numbers of its strings
// beside it knows by it whether they still hold, and needs not look them up again.
func (b *Batch) Round() uint64 { return b.round }

// Intern returns the number of s, entering it when it is new.
func (b *Batch) Intern(s string) uint32 {
	if id, ok := b.index[s]; ok {
		return id
	}
	if b.index == nil {
		b.index = map[string]uint32{}
	}
	id := uint32(len(b.Strings))
	b.Strings = append(b.Strings, s)
	b.index[s] = id
	return id
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
	b.Reset()
	b.Now, b.Sequence, b.Flags = from.Now, from.Sequence, from.Flags
	for _, s := range from.Strings {
		b.Intern(s)
	}
	b.Records = append(b.Records, from.Records...)
	b.Pairs = append(b.Pairs, from.Pairs...)
	b.Failed = append(b.Failed, from.Failed...)
}

// forget takes back the strings from number n on.
func (b *Batch) forget(n int) {
	for _, s := range b.Strings[n:] {
		delete(b.index, s)
	}
	b.Strings = slices.Delete(b.Strings, n, len(b.Strings))
}

// check says whether a caller put together what it may.
func (b *Batch) check(l Limits) *Error {
	if len(b.Records) > l.Records {
		return fault(abi.BadBatch, StepTransform, "%d records; a batch has at most %d", len(b.Records), l.Records)
	}
	total := uint64(len(b.Strings))
	for i := range b.Records {
		r := &b.Records[i]
		switch {
		case uint64(r.First)+uint64(r.Labels) > uint64(len(b.Pairs)):
			return faultAt(abi.BadBatch, i, "its labels lie outside of the batch")
		case uint64(r.Name) >= total:
			return faultAt(abi.BadBatch, i, "its name is string %d of %d", r.Name, total)
		case int(r.Labels) > l.Labels:
			return faultAt(abi.BadBatch, i, "%d labels; a record has at most %d", r.Labels, l.Labels)
		case r.Kind > abi.Text, r.Kind == abi.Text && math.Float64bits(r.Value) >= total:
			return faultAt(abi.BadBatch, i, "its kind is %d and its value has the bits %#x", r.Kind, math.Float64bits(r.Value))
		}
	}
	for _, p := range b.Pairs {
		if uint64(max(p.Key, p.Value)) >= total {
			return fault(abi.BadBatch, StepTransform, "a label is the strings %d and %d of %d", p.Key, p.Value, total)
		}
	}
	return nil
}
