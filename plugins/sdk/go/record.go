package sluice

import (
	"math"
	"unsafe"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Record is one sample of one series. Which of its changes Sluice takes, the manifest
// says; any other fails the batch.
type Record struct {
	b      *Batch
	raw    *abi.Record
	number int32 // in the batch; -1: emitted
}

// Batch returns the batch that the record is of.
func (r *Record) Batch() *Batch { return r.b }

// Name returns the name of the series.
func (r *Record) Name() string { return r.b.text(r.raw.Name) }

// SetName gives the series another name. For the same change to many records
// MapName is faster.
func (r *Record) SetName(name string) { r.raw.Name = r.b.add(name) }

// Kind returns the Flink type of the metric.
func (r *Record) Kind() abi.Kind { return r.raw.Kind }

// Time returns when the value was measured, Unix ms.
func (r *Record) Time() int64 { return r.raw.Time }

// Value returns the value: 0 for a text, and where the plugin is called for series.
func (r *Record) Value() float64 {
	if r.raw.Kind == abi.Text {
		return 0
	}
	return r.raw.Value
}

// SetValue changes the value. It does nothing to a text.
func (r *Record) SetValue(v float64) {
	if r.raw.Kind != abi.Text {
		r.raw.Value = v
	}
}

// Text returns the value of a text, "" for other kinds.
func (r *Record) Text() string {
	if r.raw.Kind != abi.Text {
		return ""
	}
	return r.b.text(uint32(math.Float64bits(r.raw.Value)))
}

// SetText changes the value of a text. It does nothing to other kinds.
func (r *Record) SetText(v string) {
	if r.raw.Kind == abi.Text {
		r.raw.Value = math.Float64frombits(uint64(r.b.add(v)))
	}
}

// Labels returns the number of labels.
func (r *Record) Labels() int { return int(r.raw.Labels) }

// LabelAt returns label i, 0 ≤ i < Labels.
func (r *Record) LabelAt(i int) (name, value string) {
	p := r.b.labels(r.raw)[i]
	return r.b.text(p.Key), r.b.text(p.Value)
}

// find returns the position and the pair of a label, -1 when there is none.
func (r *Record) find(k *Key) (int, *abi.Pair) {
	n := k.of(r.b)
	if r.lacks(n) {
		return -1, nil
	}
	pairs := r.b.labels(r.raw)
	i := k.in(pairs, n)
	if i < 0 {
		return -1, nil
	}
	return i, &pairs[i]
}

// lacks tells whether the record cannot have a label whose name has the number n. A
// name that did not come with the batch no record has that comes after the last one
// that was given a label.
func (r *Record) lacks(n uint32) bool {
	return n >= uint32(len(r.b.refs)) && (n == none || r.number > r.b.named)
}

// Has reports whether the record has a label.
func (r *Record) Has(k *Key) bool {
	_, p := r.find(k)
	return p != nil
}

// Label returns the value of a label, "" when there is none.
func (r *Record) Label(k *Key) string {
	if _, p := r.find(k); p != nil {
		return r.b.text(p.Value)
	}
	return ""
}

// SetLabel gives a label a value, "" takes it away. For values that depend on another
// label alone, Derive is faster.
func (r *Record) SetLabel(k *Key, value string) {
	if value == "" {
		r.RemoveLabel(k)
		return
	}
	r.set(k, r.b.add(value))
}

func (r *Record) set(k *Key, value uint32) {
	if _, p := r.find(k); p != nil {
		p.Value = value
		return
	}
	r.b.append(r.raw, abi.Pair{Key: k.make(r.b), Value: value})
	r.b.named = max(r.b.named, r.number)
}

// RemoveLabel takes a label away.
func (r *Record) RemoveLabel(k *Key) {
	if i, p := r.find(k); p != nil {
		r.removeAt(i)
	}
}

func (r *Record) removeAt(i int) {
	pairs := r.b.labels(r.raw)
	copy(pairs[i:], pairs[i+1:])
	r.raw.Labels--
}

// Rename gives a label another name. A label that has that name already is replaced;
// a record without the label stays as it is.
func (r *Record) Rename(from, to *Key) {
	b, raw := r.b, r.raw
	z := to.number
	// Mostly both keys have been looked for in this batch, the label is where the record
	// before had it, and the new name is one that no record from this one on has. A branch
	// is dear in a guest in Go, so this is one: a sum of signs, negative where each is.
	at := int(raw.First) + from.place
	fresh := (from.differs(b) | to.differs(b)) - 1
	within := (at - len(b.pairs)) & (from.place - int(raw.Labels))
	lacking := (int(z) - int(none)) & (len(b.refs) - 1 - int(z)) & (int(b.named) - int(r.number))
	if fresh&within&lacking < 0 {
		if p := (*abi.Pair)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b.pairs)), at*abi.PairSize)); p.Key == from.number {
			p.Key, b.named = z, r.number
			return
		}
	}
	r.rename(from, to)
}

// rename is Rename wherever the labels are.
func (r *Record) rename(from, to *Key) {
	b := r.b
	a, z := from.of(b), to.of(b)
	if a == none || a == z {
		return
	}
	pairs := b.labels(r.raw)
	at, there := from.in(pairs, a), -1
	if at < 0 {
		return
	}
	if !r.lacks(z) {
		there = to.in(pairs, z)
	}
	if z == none {
		z = to.enter(b)
	}
	pairs[at].Key = z
	b.named = max(b.named, r.number)
	if there >= 0 {
		r.removeAt(there)
	}
}

// MapLabel replaces the value of a label by what m makes of it; where that is "" it
// takes the label away. A record without the label stays as it is.
func (r *Record) MapLabel(k *Key, m *Mapping) {
	i, p := r.find(k)
	if p == nil {
		return
	}
	if n := m.of(r.b, p.Value); n != none {
		p.Value = n
	} else {
		r.removeAt(i)
	}
}

// Derive sets the label to from what m makes of the value of another one, "" when
// there is none of that name. Where m makes "" nothing is changed.
func (r *Record) Derive(to, from *Key, m *Mapping) {
	n := none
	if _, p := r.find(from); p != nil {
		n = m.of(r.b, p.Value)
	} else if s := m.f(""); s != "" {
		n = r.b.add(s)
	}
	if n != none {
		r.set(to, n)
	}
}

// MapName replaces the name of the series by what m makes of it; where that is "" it
// stays.
func (r *Record) MapName(m *Mapping) {
	if n := m.of(r.b, r.raw.Name); n != none {
		r.raw.Name = n
	}
}

// Drop takes the record out: it goes no further.
func (r *Record) Drop() { r.raw.Flags |= abi.Drop }

// Dropped reports whether the record was dropped.
func (r *Record) Dropped() bool { return r.raw.Flags&abi.Drop != 0 }

// Fail gives the record up: the policy says what becomes of it, as it came in. Of a
// record that was emitted nothing is left.
func (r *Record) Fail(reason string) {
	if r.number < 0 {
		r.Drop()
		return
	}
	r.raw.Flags |= abi.Failed
	if r.b.refused == 0 {
		r.b.refused = abi.RecordFailed
	}
	r.b.p.host.fail(abi.RecordFailed, r.number, reason)
}

// Emit adds a record that is like this one, and returns it to be changed. It is
// valid until the next one is emitted. Dropping this one does not drop that one.
func (r *Record) Emit() *Record {
	r.b.more = Record{b: r.b, raw: r.b.emit(r.raw), number: -1}
	return &r.b.more
}
