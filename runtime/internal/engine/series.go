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
	shed             uint16      // of the verdict
	ref              Ref         // the first; the others are in more
	seen             int64       // report_timestamp of the last sample
	identity         uint64      // hash of name and labels that go out
	extra            uint32      // number in cache.rares, 0: nothing; read and written through cache.rare and own
	samples          uint32      // since source.counted
}

// rare is what a flat record that goes to a sample sink as it is does without.
type rare struct {
	scale  float64
	labels []byte   // of the point, as on the wire
	prefix []byte   // how its points begin, with a record sink
	out    *output  // record it goes into, with a record sink
	step   *step    // what is left to decide per sample
	more   *binding // refs of a metric that becomes several series
	flow   *flow    // where samples go that do not simply go out
	seats  *seats   // in budgets that have let the series in
	failed *failed  // the transform that failed for it; nil: none did

	charged int64 // bytes that the cache accounts for this part and what it points to
}

// common is the rare part of series that have nothing of it. Nobody writes to it.
var common = rare{scale: 1}

// rare returns the rare part of a series for reading.
func (c *cache) rare(e *series) *rare {
	if e.extra == 0 {
		return &common
	}
	return c.rares.get(e.extra)
}

// own returns the rare part of a series for writing.
func (c *cache) own(e *series) *rare {
	if e.extra == 0 {
		e.extra = c.rares.add(&rare{scale: common.scale})
	}
	return c.rares.get(e.extra)
}

// disown takes the rare part from a series that is going.
func (c *cache) disown(e *series) {
	if e.extra != 0 {
		c.rares.remove(e.extra)
		e.extra = 0
	}
}

// binding is what the series of a meter, a histogram or a text gauge need beside
// their first ref.
type binding struct {
	refs      []Ref
	text      []byte   // of a text gauge, as on the wire
	quantiles [][]byte // of a histogram, as on the wire
}

func (c *cache) same(e *series, p *record.Point) bool {
	return e.subtask == p.Subtask && string(c.rare(e).labels) == string(p.Labels)
}

// charge accounts for what a series has beside its fixed size. A text, a label or
// a set of quantiles may be as long as a record.
func (w *Worker) charge(sl *slot, e *series) {
	if e.extra == 0 {
		return
	}
	r := w.cache.own(e)
	n := rareSize + int64(cap(r.labels)+cap(r.prefix))
	if r.out != nil {
		n += outputSize
	}
	if r.step != nil {
		n += stepSize
	}
	if r.flow != nil {
		n += flowSize + r.flow.through.size()
	}
	if r.failed != nil {
		n += failedSize
	}
	if b := r.more; b != nil {
		n += int64(cap(b.text) + 4*cap(b.refs))
		for _, q := range b.quantiles {
			n += int64(len(q)) + 24
		}
	}
	w.cache.grow(w.cache.source(sl), n-r.charged)
	r.charged = n
}

func (c *cache) hashPoint(p *record.Point) uint64 {
	return maphash.Bytes(c.seed, p.Labels) ^ (uint64(uint32(p.Subtask))+1)*0x9e3779b97f4a7c15
}

func (c *cache) hashSeries(e *series) uint64 {
	return maphash.Bytes(c.seed, c.rare(e).labels) ^ (uint64(uint32(e.subtask))+1)*0x9e3779b97f4a7c15
}
