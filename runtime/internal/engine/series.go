package engine

import (
	"hash/maphash"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// series is one series as reported and what becomes of it: the verdict of the
// generation gen and, once a sample went on, where it goes. There are as many of
// these as cached series, so its size counts: what only some have is in rare.
type series struct {
	subtask, attempt int32
	gen              uint32
	rule             int32
	disposition      ledger.Disposition
	form             record.Form // that the refs are bound for; None: not bound
	ref              Ref         // the first; the others are in more
	seen             int64       // report_timestamp of the last sample
	identity         uint64      // hash of name and labels that go out
	extra            *rare       // nil: nothing; read through rare, written through own
}

// rare is what a flat record that goes to a sample sink as it is does without.
type rare struct {
	scale  float64
	labels []byte   // of the point, as on the wire
	prefix []byte   // how its points begin, with a record sink
	out    *output  // record it goes into, with a record sink
	step   *step    // what is left to decide per sample
	more   *binding // refs of a metric that becomes several series

	charged int64 // bytes that the cache accounts for this part and what it points to
}

// common is the rare part of series that have nothing of it. Nobody writes to it.
var common = rare{scale: 1}

// rare returns the rare part for reading.
func (e *series) rare() *rare {
	if e.extra == nil {
		return &common
	}
	return e.extra
}

// own returns the rare part for writing.
func (e *series) own() *rare {
	if e.extra == nil {
		e.extra = &rare{scale: common.scale}
	}
	return e.extra
}

// binding is what the series of a meter, a histogram or a text gauge need beside
// their first ref.
type binding struct {
	refs      []Ref
	text      []byte   // of a text gauge, as on the wire
	quantiles [][]byte // of a histogram, as on the wire
}

func (e *series) is(p *record.Point) bool {
	return e.subtask == p.Subtask && string(e.rare().labels) == string(p.Labels)
}

// charge accounts for what a series has beside its fixed size. A text, a label or
// a set of quantiles may be as long as a record.
func (w *Worker) charge(sl *slot, e *series) {
	if e.extra == nil {
		return
	}
	n := rareSize + int64(cap(e.rare().labels)+cap(e.rare().prefix))
	if e.rare().out != nil {
		n += outputSize
	}
	if e.rare().step != nil {
		n += stepSize
	}
	if b := e.rare().more; b != nil {
		n += int64(cap(b.text) + 4*cap(b.refs))
		for _, q := range b.quantiles {
			n += int64(len(q)) + 24
		}
	}
	w.cache.grow(w.cache.source(sl), n-e.rare().charged)
	e.own().charged = n
}

func (c *cache) hashPoint(p *record.Point) uint64 {
	return maphash.Bytes(c.seed, p.Labels) ^ (uint64(uint32(p.Subtask))+1)*0x9e3779b97f4a7c15
}

func (c *cache) hashSeries(e *series) uint64 {
	return maphash.Bytes(c.seed, e.rare().labels) ^ (uint64(uint32(e.subtask))+1)*0x9e3779b97f4a7c15
}
