//go:build !wasip1

package sluice

import (
	"maps"
	"math"
	"slices"
	"unsafe"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Natively a plugin is only what Register returns.
func register(*Plugin) {}

var imports host

// Sample is a record as a test writes it.
type Sample struct {
	Name   string
	Labels map[string]string
	Kind   abi.Kind
	Time   int64 // Unix ms
	Value  float64
	Text   string // the value of a abi.Text
	Source int    // of what came out: which sample it is, or was made of
}

// Outcome is what a plugin did.
type Outcome struct {
	Samples []Sample       // that go on: those that came in in their order, then those emitted
	Failed  map[int]string // reasons, by sample
	Logged  []string       // lines of the log
	Counted map[int]int64  // by the place of the counter
	Code    abi.Code       // of the whole batch; 0: it was transformed. No Samples unless 0 or RecordFailed
	Reason  string         // why Code is not 0
}

func (o *Outcome) log(_ Level, text string) { o.Logged = append(o.Logged, text) }

func (o *Outcome) fail(_ abi.Code, record int32, reason string) {
	if record < 0 {
		o.Reason = reason
		return
	}
	o.Failed[int(record)] = reason
}

func (o *Outcome) count(metric int32, n int64) { o.Counted[int(metric)] += n }

// Try runs the plugin natively, for its tests: it gives it a config, JSON, and then one
// batch. It does what the module does, but for what only Sluice does: it does not check
// the config against the schema, nor what the plugin changed against the manifest.
func (p *Plugin) Try(config string, in ...Sample) Outcome {
	o := Outcome{Failed: map[int]string{}, Counted: map[int]int64{}}
	fresh := &Plugin{setup: p.setup, host: &o}
	if o.Code = fresh.begin(config); o.Code != 0 {
		return o
	}
	o.Code = fresh.run(encode(in))
	if o.Code == 0 || o.Code == abi.RecordFailed {
		o.Samples = fresh.batch.samples()
	}
	return o
}

// encode makes the block of a batch.
func encode(in []Sample) []uint64 {
	numbers := map[string]uint32{}
	var texts []string
	number := func(s string) uint32 {
		n, ok := numbers[s]
		if !ok {
			n = uint32(len(texts))
			numbers[s], texts = n, append(texts, s)
		}
		return n
	}
	var records []abi.Record
	var pairs []abi.Pair
	for i, s := range in {
		r := abi.Record{Time: s.Time, Value: s.Value, Name: number(s.Name), First: uint32(len(pairs)), Labels: uint16(len(s.Labels)), Kind: s.Kind, Source: uint32(i)}
		if s.Kind == abi.Text {
			r.Value = math.Float64frombits(uint64(number(s.Text)))
		}
		for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
			pairs = append(pairs, abi.Pair{Key: number(k), Value: number(s.Labels[k])})
		}
		records = append(records, r)
	}
	h := abi.Header{
		Magic: abi.BatchMagic, Major: abi.Major, Minor: abi.Minor, RecordSize: uint32(abi.RecordSize), Now: 1_700_000_000_000, Sequence: 1,
		Records: uint32(len(records)), Pairs: uint32(len(pairs)), Strings: uint32(len(texts)), RecordsAt: uint32(abi.HeaderSize),
	}
	h.PairsAt = h.RecordsAt + h.Records*uint32(abi.RecordSize)
	h.RefsAt = h.PairsAt + h.Pairs*uint32(abi.PairSize)
	h.BytesAt = h.RefsAt + h.Strings*uint32(abi.RefSize)
	at := h.BytesAt
	var refs []abi.Ref
	for _, s := range texts {
		refs = append(refs, abi.Ref{At: at, Length: uint32(len(s))})
		at += uint32(len(s))
	}
	h.Length = at
	block := make([]uint64, (at+7)/8)
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(block))), len(block)*8)[:0]
	b = append(append(append(append(b, raw([]abi.Header{h})...), raw(records)...), raw(pairs)...), raw(refs)...)
	for _, s := range texts {
		b = append(b, s...)
	}
	return block
}

// raw returns the bytes of values.
func raw[T any](v []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(one)))
}

// samples returns what goes on.
func (b *Batch) samples() (out []Sample) {
	for _, rows := range [][]abi.Record{b.records, b.added} {
		for i := range rows {
			if rows[i].Flags != 0 {
				continue
			}
			r := Record{b: b, raw: &rows[i]}
			s := Sample{Name: r.Name(), Kind: r.Kind(), Time: r.Time(), Value: r.Value(), Text: r.Text(), Source: int(rows[i].Source)}
			for j := range r.Labels() {
				if s.Labels == nil {
					s.Labels = map[string]string{}
				}
				k, v := r.LabelAt(j)
				s.Labels[k] = v
			}
			out = append(out, s)
		}
	}
	return out
}
