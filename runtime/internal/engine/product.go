package engine

import (
	"context"
	"encoding/binary"
	"hash/maphash"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// product is a series that comes out of a transform. Those of a worker are found by
// what they go out as, so series that come out alike share one.
type product struct {
	key        string
	kind       metric.Kind
	verdict    program.Verdict // what it goes out as
	series     series
	task, head []byte // of its records
	users      int    // series that come out as it
	plan       uint32 // Generation.applied when its verdict was taken up: it may have been another's since
	index      int    // in products.all
	out        bool   // it has gone out, and has not ended since
	used       bool   // since room was looked for
	gone       bool
	until      int64 // Unix ms: silent for as long, it has ended
	charged    int64
}

// products are those of a worker.
type products struct {
	byKey map[string]*product
	all   []*product
	sweep int    // of all, where the next look goes on
	swept int64  // Unix ms of the last one
	key   []byte // scratch
	size  int64
}

const productSize = 560 // with its rare part and a place in an index

// leave takes a user away and reports whether it was the last one.
func (p *product) leave() bool {
	p.users--
	return p.users == 0
}

// product finds or makes the series of a verdict of Program.After. The first form
// that comes out as it in a generation decides what becomes of it.
func (w *Worker) product(ctx context.Context, o *origin, v *program.Verdict, kind metric.Kind) (*product, error) {
	k, src := &w.transit.products, w.cache.source(o.slot)
	key := append(k.key[:0], byte(kind))
	part := func(s string) { key = append(binary.AppendUvarint(key, uint64(len(s))), s...) }
	part(v.Topic)
	part(v.Name)
	for _, l := range v.Labels {
		part(l.Name)
		part(l.Value)
	}
	key = append(key, 0)
	for _, to := range v.To {
		part(to)
	}
	k.key = append(key, src.task()...)
	p := k.byKey[string(k.key)]
	if p == nil {
		p = &product{key: string(k.key), kind: kind, series: series{rule: -1}, index: len(k.all), used: true}
		if k.byKey == nil {
			k.byKey = map[string]*product{}
		}
		k.byKey[p.key] = p
		k.all = append(k.all, p)
		p.charged = productSize + int64(2*len(p.key))
		k.size += p.charged
		w.cache.size += p.charged
	}
	p.until = w.now + src.ttl()
	if p.series.gen == w.cur.number && p.plan == w.forces.plan.applied {
		return p, nil
	}
	p.plan = w.forces.plan.applied
	return p, w.decideProduct(ctx, o, p, v)
}

// decideProduct gives a product the verdict of another generation.
func (w *Worker) decideProduct(ctx context.Context, o *origin, p *product, v *program.Verdict) error {
	e, src := &p.series, w.cache.source(o.slot)
	by := from{o.slot, e, p.kind, maphash.String(w.cache.seed, p.key) | 1}
	w.direct(by, v)
	e.gen, e.rule, e.disposition, e.identity = w.cur.number, v.Rule, v.Disposition, w.identity(v)
	p.verdict = *v
	if v.Disposition != ledger.Out {
		return w.endProduct(ctx, p, o.at)
	}
	if w.records != nil {
		own := w.ownPoint(o)
		w.output(by, &own, v)
		p.task, p.head = src.task(), src.head
	}
	return nil
}

// quit takes a user from a product, which ends with the last one, unless another
// series goes on with its identity.
func (w *Worker) quit(ctx context.Context, p *product, at int64, heir uint64) error {
	if p.gone || !p.leave() {
		return nil
	}
	if heir == 0 || heir != p.series.identity {
		if err := w.endProduct(ctx, p, at); err != nil {
			return err
		}
	}
	w.removeProduct(p, false)
	return nil
}

// endProduct tells the outputs that a product has ended.
func (w *Worker) endProduct(ctx context.Context, p *product, at int64) error {
	if !p.out {
		return nil
	}
	p.out = false
	w.series.out--
	e := &p.series
	if w.lane != nil {
		w.unbind(e, afterLast(e, at))
		return nil
	}
	headers, r := w.pack.header(w.partition, w.cells.offset, w.cur.revision), w.cache.rare(e)
	buf := w.pack.buf.begin(len(p.head) + len(r.out.head) + len(r.out.labels) + len(r.prefix) + 512)
	buf = r.out.append(record.AppendStamp(append(buf, p.head...), at, nil, -1, -1), packEnds)
	w.pending++
	return w.writeRecord(ctx, p.task, r.out, record.AppendPoint(buf, r.prefix, p.kind, nil), headers)
}

// removeProduct forgets a product. Of one that has ended a sink is told.
func (w *Worker) removeProduct(p *product, ended bool) {
	k, e := &w.transit.products, &p.series
	p.gone = true
	delete(k.byKey, p.key)
	last := len(k.all) - 1
	k.all[p.index], k.all[last].index = k.all[last], p.index
	k.all[last] = nil
	k.all = k.all[:last]
	k.size -= p.charged
	w.cache.size -= p.charged
	if p.out {
		w.series.out--
	}
	w.endFlow(e, ended)
	switch {
	case w.lane == nil:
	case ended && p.out:
		w.unbind(e, afterLast(e, 0))
	default:
		w.releaseRefs(e)
	}
	p.out = false
	w.cache.disown(e)
}

// expireProducts forgets products that have fallen silent, and those that there is
// no room for: half of the cap is theirs and the cells'.
func (w *Worker) expireProducts() {
	k := &w.transit.products
	if len(k.all) == 0 {
		k.swept = w.now
		return
	}
	n := int(int64(len(k.all)) * min(w.now-k.swept, sweepPeriod) / sweepPeriod)
	if n > 0 {
		k.swept = w.now
	}
	for ; n > 0 && len(k.all) > 0; n-- {
		p := k.look()
		if p.until < w.now {
			w.evictProduct(p, evictedSilent)
		}
	}
	for rounds := 2 * len(k.all); rounds > 0 && w.full() && len(k.all) > 0; rounds-- {
		p := k.look()
		if p.used {
			p.used = false
			continue
		}
		w.evictProduct(p, evictedSpace)
	}
}

// look returns the next product, going round.
func (k *products) look() *product {
	k.sweep = (k.sweep + 1) % len(k.all)
	return k.all[k.sweep]
}

func (w *Worker) evictProduct(p *product, reason string) {
	if w.entry.Evicted == nil {
		w.entry.Evicted = map[string]uint64{}
	}
	w.entry.Evicted[reason]++
	w.removeProduct(p, reason == evictedSilent)
}

// sameRecord reports whether points of two outputs can stand in one record.
func (o *output) sameRecord(p *output) bool {
	return o == p || o.topic == p.topic && string(o.head) == string(p.head) && string(o.labels) == string(p.labels)
}
