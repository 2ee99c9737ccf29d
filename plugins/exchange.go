package plugins

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// exchange is one passage of a batch through a guest: what is sent, what came
// back, and whether it may be so. It is reused, so that nothing is allocated.
type exchange struct {
	grant
	limits Limits
	batch  *Batch
	sent   sent

	// A plugin that needs little is sent a smaller batch: some rows, some of their
	// labels, the strings of those.
	narrowed bool
	rows     []uint32   // of the batch, by row sent
	seen     []abi.Pair // labels sent, in the batch's numbers
	seenAt   []uint32   // where those of a row sent begin; one more than rows
	local    []uint32   // number sent of a string of the batch, plus one; 0: not sent
	wire     sent       // memory for sent

	ids  []uint32 // number in the batch of a string sent, then of the guest's own
	host int      // strings of the batch before the guest's own

	renumbered bool // some of ids are other numbers

	back result
}

// begin prepares what is sent of b.
func (x *exchange) begin(b *Batch) {
	x.batch, x.host = b, len(b.Strings)
	x.reset(len(b.Strings))
	if x.narrowed = x.narrow(); x.narrowed {
		x.project()
		return
	}
	x.sent = sent{records: b.Records, pairs: b.Pairs, strings: b.Strings}
	x.ids = slices.Grow(x.ids[:0], len(b.Strings))[:len(b.Strings)]
	for i := range x.ids {
		x.ids[i] = uint32(i)
	}
}

// project picks rows and labels that the plugin needs, and their strings.
func (x *exchange) project() {
	b, w := x.batch, &x.wire
	clear(w.strings)
	w.records, w.pairs, w.strings = w.records[:0], w.pairs[:0], w.strings[:0]
	x.rows, x.ids, x.seen, x.seenAt = x.rows[:0], x.ids[:0], x.seen[:0], x.seenAt[:0]
	x.local = slices.Grow(x.local[:0], len(b.Strings))[:len(b.Strings)]
	clear(x.local)
	for i := range b.Records {
		r := b.Records[i]
		if !x.name(r.Name, b.Strings[r.Name]) {
			continue
		}
		x.rows, x.seenAt = append(x.rows, uint32(i)), append(x.seenAt, uint32(len(x.seen)))
		first := len(w.pairs)
		for _, p := range b.Labels(&r) {
			if x.key(p.Key, b.Strings[p.Key]) {
				x.seen = append(x.seen, p)
				w.pairs = append(w.pairs, abi.Pair{Key: x.send(p.Key), Value: x.send(p.Value)})
			}
		}
		r.Name, r.First, r.Labels = x.send(r.Name), uint32(first), uint16(len(w.pairs)-first)
		if r.Kind == abi.Text {
			r.Value = text(x.send(uint32(textOf(&r))))
		}
		w.records = append(w.records, r)
	}
	x.seenAt = append(x.seenAt, uint32(len(x.seen)))
	x.sent = *w
}

// send returns the number under which a string of the batch is sent.
func (x *exchange) send(id uint32) uint32 {
	if x.local[id] == 0 {
		x.ids = append(x.ids, id)
		x.wire.strings = append(x.wire.strings, x.batch.Strings[id])
		x.local[id] = uint32(len(x.ids))
	}
	return x.local[id] - 1
}

// row returns the row of the batch that was sent as row k.
func (x *exchange) row(k int) int {
	if x.narrowed {
		return int(x.rows[k])
	}
	return k
}

// labels returns the labels that were sent of row k, in the batch's numbers.
func (x *exchange) labels(k int) []abi.Pair {
	if x.narrowed {
		return x.seen[x.seenAt[k]:x.seenAt[k+1]]
	}
	return x.batch.Labels(&x.batch.Records[k])
}

// write puts the batch into the guest's memory; the room has the size of sent.
func (x *exchange) write(room []byte) {
	x.sent.encode(room, x.batch)
	for i := range x.sent.records {
		r := room[abi.HeaderSize+i*abi.RecordSize:]
		r[flagsAt] = 0
		binary.LittleEndian.PutUint32(r[sourceAt:], uint32(i))
	}
}

const (
	flagsAt  = unsafe.Offsetof(abi.Record{}.Flags)
	sourceAt = unsafe.Offsetof(abi.Record{}.Source)
)

// pass commits a batch that the plugin need not see.
func (x *exchange) pass() {
	b := x.batch
	b.Failed = b.Failed[:0]
	for i := range b.Records {
		b.Records[i].Source = uint32(i)
	}
}
