package engine

import (
	"bytes"
	"context"
	"slices"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// transit is where samples are that a worker takes through transforms: gathered
// while records are read, handed over in batches, and sent on when all that they
// go through has answered. Nothing stays here after Process.
type transit struct {
	words    words
	queues   []*queue
	origins  []origin
	results  []result
	points   slab
	batch    Batch
	values   []float64 // of the rows, as handed over
	met      []bool    // rows that came back, or failed
	text     []uint32  // words held for the batch at hand
	retired  []*way    // that rows may still stand in front of
	full     bool      // a queue has a batch
	gathered uint64    // samples, ever
	products products
	group    group
}

// queue is one transform of a generation that is in force.
type queue struct {
	transform   *program.Transform
	number      uint32 // of the generation
	transformer Transformer
	rows        []row
	wide        bool // some have too many labels
}

// row is a sample in front of a transform.
type row struct {
	origin int32
	made   bool // beside the sample that the origin is
	way    *way
	point  *record.Point
	kind   abi.Kind
	at     int64
}

// origin is a sample as it was reported, from which rows come.
type origin struct {
	slot          *slot
	series        *series
	number        uint32        // of the generation that governs it
	point         *record.Point // as reported
	at            int64
	offset, clock int64
	held          bool // by a step, so its record is not at hand
	rid, replays  []byte
	seq, cv       int64

	fate        fate
	rule        int32
	disposition ledger.Disposition
	failed      *program.TransformFailure // with setAside
}

// fate is what became of an origin.
type fate uint8

const (
	goesOn   fate = iota
	ends          // with its disposition
	setAside      // all that came of it is taken back
)

// result is a sample that came out of the last transform.
type result struct {
	origin  int32
	made    bool
	product *product
	point   *record.Point
	at      int64
}

// slab are points that stay where they are until they are taken back.
type slab struct {
	blocks []*[slabPoints]record.Point
	n      int
}

const slabPoints = 64

// reset takes all points back, and lets go of the records that they were read from.
func (s *slab) reset() {
	for i := range s.n {
		p := &s.blocks[i/slabPoints][i%slabPoints]
		p.Values, p.Text = nil, nil
		clear(p.Hist.Quantiles)
	}
	s.n = 0
}

func (s *slab) copy(p *record.Point) *record.Point {
	if s.n == slabPoints*len(s.blocks) {
		s.blocks = append(s.blocks, new([slabPoints]record.Point))
	}
	q := &s.blocks[s.n/slabPoints][s.n%slabPoints]
	s.n++
	quantiles := append(q.Hist.Quantiles[:0], p.Hist.Quantiles...)
	*q = *p
	q.Hist.Quantiles = quantiles
	return q
}

// kinds are those of metrics in the plugin interface.
var kinds = [...]abi.Kind{metric.Counter: abi.Counter, metric.Gauge: abi.Gauge, metric.Meter: abi.Meter, metric.Histogram: abi.Histogram}

// kindOf is what goes out for a kind of the plugin interface that a record of kind
// was has become: a histogram is made of a histogram only, and of anything else a gauge.
func kindOf(k, was abi.Kind) metric.Kind {
	switch {
	case k == abi.Counter:
		return metric.Counter
	case k == abi.Meter:
		return metric.Meter
	case k == abi.Histogram && was == k:
		return metric.Histogram
	}
	return metric.Gauge
}

// send gathers a sample for the transform that its series goes through.
func (w *Worker) send(sl *slot, e *series, th *through, p *record.Point, at int64) {
	x, v := &w.transit, &w.view
	o := origin{slot: sl, series: e, number: w.cur.number, at: at, offset: w.cells.offset, clock: w.cells.clock, seq: -1, cv: -1}
	o.point = x.points.copy(p)
	o.point.Labels = nil
	if m := w.at; m != nil {
		o.replays = m.Replays
	}
	if s := w.cache.rare(e).step; s != nil && p == &s.point {
		o.held = true // its bytes are used again
		o.point.Values, o.point.Text = bytes.Clone(p.Values), bytes.Clone(p.Text)
	} else {
		o.rid, o.seq, o.cv = v.RID, v.Seq, v.CV
	}
	point := o.point
	if scale := w.cache.rare(e).scale; scale != 1 {
		point = x.points.copy(point)
		multiply(point, scale)
	}
	kind := kinds[w.cache.name(sl).kind]
	if p.Form == record.Text {
		kind = abi.Text
	}
	th.waiting++
	x.gathered++
	w.enqueue(&th.way, row{origin: int32(len(x.origins)), point: point, kind: kind, at: at})
	x.origins = append(x.origins, o)
}

// enqueue puts a row in front of a transform.
func (w *Worker) enqueue(y *way, r row) {
	x := &w.transit
	if y.queue == nil {
		y.queue = x.queue(y.transform, w.cur.number)
	}
	r.way = y
	y.queue.rows = append(y.queue.rows, r)
	y.queue.wide = y.queue.wide || len(y.said.labels) > MaxLabels
	x.full = x.full || len(y.queue.rows) >= MaxRows
}

func (x *transit) queue(t *program.Transform, number uint32) *queue {
	for _, s := range x.queues {
		if s.transform == t {
			return s
		}
	}
	s := &queue{transform: t, number: number}
	x.queues = append(x.queues, s)
	slices.SortStableFunc(x.queues, func(a, b *queue) int { return int(a.transform.Rule) - int(b.transform.Rule) })
	return s
}

// closeQueues lets go of the transforms that keep does not want.
func (x *transit) closeQueues(keep func(number uint32) bool) {
	x.queues = slices.DeleteFunc(x.queues, func(s *queue) bool {
		if keep(s.number) {
			return false
		}
		if s.transformer != nil {
			s.transformer.Close()
		}
		return true
	})
}

// transform takes the samples that are gathered through their transforms, and sends
// on what comes out. It leaves alone what the record at hand is about.
func (w *Worker) transform(ctx context.Context) error {
	x := &w.transit
	if len(x.origins) == 0 {
		return nil
	}
	cur, offset, clock, tapped := w.cur, w.cells.offset, w.cells.clock, w.tapping.ending()
	err := w.passQueues(ctx)
	if err == nil {
		err = w.deliver(ctx)
	}
	for i := range x.origins {
		if th := w.through(x.origins[i].series); th != nil {
			th.waiting = 0
		}
	}
	for _, s := range x.queues { // has rows only after an error
		s.rows = s.rows[:0]
	}
	for _, y := range x.retired {
		w.unsay(y)
	}
	clear(x.retired)
	x.retired = x.retired[:0]
	clear(x.origins)
	x.points.reset()
	x.origins, x.results, x.full = x.origins[:0], x.results[:0], false
	w.enter(cur)
	w.cells.offset, w.cells.clock = offset, clock
	w.tapping.restore(tapped)
	return err
}

// passQueues hands rows over until none waits: a transform is followed by those of
// later rules only.
func (w *Worker) passQueues(ctx context.Context) error {
	x := &w.transit
	for i := 0; i < len(x.queues); i++ {
		s, from := x.queues[i], 0
		if len(s.rows) == 0 {
			continue
		}
		w.recall(s.number)
		if s.wide {
			if err := w.failWide(ctx, s); err != nil {
				return err
			}
		}
		for from < len(s.rows) {
			n, err := w.exchange(ctx, s, s.rows[from:])
			if err != nil {
				return err
			}
			from += n
		}
		s.rows = s.rows[:0]
		i = -1 // queues behind it may be new, and stand before others
	}
	return nil
}
