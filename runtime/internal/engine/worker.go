package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Worker governs one partition. It is used from one goroutine; only Engine.Live and
// Engine.Weigh look into its cache from others, in their turn between two batches.
type Worker struct {
	opts      *Options
	gen       *atomic.Pointer[Generation]
	cur       *force // of what is at hand
	forces    forces
	partition Partition
	cache     *cache
	scanner   *record.Scanner
	view      record.View
	now       int64 // Unix ms of the batch

	lane    Lane       // one of lane and records is set
	records RecordLane //
	letters RecordLane

	hits     []*series // of the record at hand, by point
	samples  []Sample  // not yet written to the lane
	released []Ref     // to be released once the samples are written
	pack     packer
	decoded  decoded
	buckets  map[bucketKey]*bucket
	held     map[*series]*slot // series whose step holds a sample
	cells    cells
	transit  transit
	gates    map[accountKey]*gate
	budgets  *Budgets
	seated   *seats // of the last series that a budget let in

	next    int64 // offset after the last message
	acked   int64
	pending int // samples since the last flush
	unacked [ledger.Count]int64
	lags    []lagRun
	entry   ledger.Entry
	series  population
	posted  population // what the book knows
	swept   int64      // Unix ms of the last sweep

	overload overload
	tapping  *tapping // nil: nobody taps
	at       *Message // at hand

	turn     turn   // of whoever looks at the cache
	running  uint32 // Generation.applied of what it runs, 0 before the first batch; open guards it
	switched func(to uint32)
	closed   func()
	room     func() int64 // most that the cache may hold now
	roomy    int64        // when that was looked at last
}

// population is how many series a worker's cache holds.
type population struct {
	in, out int64 // all; those that go on
	bytes   int64
}

// lagRun is a run of samples with one report_timestamp.
type lagRun struct {
	reported int64
	n        uint64
}

// tally counts what a rule did since the last post.
type tally struct {
	n           uint64
	disposition ledger.Disposition
}

// decoded is the label set of the source that missed last, alone and with the
// numbers of the point that missed last.
type decoded struct {
	source           *source
	labels           metric.Labels
	all              metric.Labels
	subtask, attempt int32
}

// writeEvery is how many samples are handed to the lane at once.
const writeEvery = 2048

// Process governs a batch: afterwards every message is with the lanes, but not
// acknowledged. An error is final; the worker must then be closed, and the
// partition read again from Acked.
func (w *Worker) Process(ctx context.Context, batch []Message) error {
	defer w.turn.take().give()
	w.takeGeneration()
	w.begin()
	w.beginTaps()
	w.cells.begin(batch, w.now)
	if err := w.messages(ctx, batch); err != nil {
		w.disown()
		return err
	}
	if err := w.writeSamples(ctx); err != nil {
		return err
	}
	w.enter(w.forces.base)
	if err := w.closeWindows(ctx); err != nil {
		return err
	}
	if err := w.expire(ctx); err != nil {
		w.disown()
		return err
	}
	w.done(len(batch))
	w.compared()
	w.endTaps()
	w.post()
	return nil
}

// messages governs the messages of a batch; what they sent through transforms has
// come out after it.
func (w *Worker) messages(ctx context.Context, batch []Message) error {
	x := &w.transit
	for i := range batch {
		m := &batch[i]
		err := w.message(ctx, m)
		if err == nil && x.full {
			err = w.transform(ctx)
		}
		if err != nil {
			return w.about(m.Offset, err)
		}
		w.next = m.Offset + 1
	}
	w.at = nil
	if err := w.transform(ctx); err != nil {
		return w.about(w.next-1, err)
	}
	return nil
}

// about says which message an error is about: the last one that was looked at.
func (w *Worker) about(offset int64, err error) error {
	return fmt.Errorf("%s[%d] offset %d: %w", w.partition.Topic, w.partition.ID, offset, err)
}

// disown takes the samples that have no disposition yet out of the ledger: their
// message failed and will be read again.
func (w *Worker) disown() {
	w.entry.In = 0
	for _, n := range w.entry.By {
		w.entry.In += n
	}
}

// takeGeneration goes over to the generation in force, between two batches.
func (w *Worker) takeGeneration() {
	gen := w.gen.Load()
	if gen == w.forces.plan {
		return
	}
	w.postRules()
	since, forgot := w.forces.adopt(gen, w.partition, w.cells.clock)
	if w.cur != nil {
		w.cells.renew(w.forces.all(), since, forgot)
	}
	w.cur = w.forces.base
	w.transit.closeQueues(w.forces.has)
	w.switched(gen.applied)
}

// message governs one message.
func (w *Worker) message(ctx context.Context, m *Message) error {
	v := &w.view
	w.entry.Records++
	w.entry.BytesIn += uint64(len(m.Value))
	w.at = m
	if err := w.scanner.Scan(m.Value, v); err != nil {
		w.enter(w.forces.base)
		return w.deadLetter(ctx, m, err)
	}
	if err := v.CheckTime(w.now); err != nil {
		w.enter(w.forces.base)
		return w.deadLetter(ctx, m, err)
	}
	if v.Kind == 0 {
		w.entry.Reports++
		return nil
	}
	w.cells.see(v.Timestamp, w.now, m.Offset)
	sl := w.resolve()
	sl.bytes = uint32(len(m.Value))
	src := w.cache.source(sl)
	if w.forces.candidate != nil {
		w.govern(src)
	}
	w.observe(src)
	if v.End {
		return w.end(ctx, m, sl)
	}
	return w.points(ctx, m, sl)
}

// resolve finds or makes the slot of the scanned record and the series of its points.
func (w *Worker) resolve() *slot {
	v := &w.view
	sl := w.cache.find(v)
	if sl == nil {
		sl = w.cache.add(v, w.describe)
	}
	w.hits = w.hits[:0]
	for i := range v.Points {
		e := w.cache.series(sl, i, &v.Points[i])
		if e == nil {
			e = w.cache.addSeries(sl, &v.Points[i])
			w.series.in++
		}
		w.hits = append(w.hits, e)
	}
	return sl
}

// observe notes that a source has reported.
func (w *Worker) observe(s *source) {
	s.seen = w.now
	if ts := w.view.Timestamp; ts != s.reported {
		w.overload.note(w.now - ts)
		w.cur.did.Reports++
		w.cur.did.LagMs += w.now - ts
		if s.reported == 0 {
			s.counted = ts
		}
		if d := ts - s.reported; s.reported > 0 && d > 0 {
			s.interval = d
		}
		s.reported = max(ts, s.reported)
	}
}

// points governs the points of a record.
func (w *Worker) points(ctx context.Context, m *Message, sl *slot) error {
	v, out := &w.view, 0
	w.entry.In += int64(len(v.Points))
	for i := range v.Points {
		goesOut, err := false, error(nil)
		if w.tapping == nil {
			goesOut, err = w.point(ctx, sl, w.hits[i], &v.Points[i])
		} else {
			goesOut, err = w.tappedPoint(ctx, m, sl, w.hits[i], &v.Points[i])
		}
		if err != nil {
			return err
		}
		if goesOut {
			out++
		} else {
			w.hits[i] = nil
		}
	}
	if out == 0 {
		return nil
	}
	w.sent(v.Timestamp, out)
	if w.records != nil {
		return w.packRecord(ctx, m, sl, packPoints)
	}
	if len(w.samples) >= writeEvery {
		return w.writeSamples(ctx)
	}
	return nil
}

// point decides about one sample: true says that it goes out now.
func (w *Worker) point(ctx context.Context, sl *slot, e *series, p *record.Point) (bool, error) {
	v := &w.view
	if p.Attempt != e.attempt {
		if w.supersedes(e, p.Attempt) {
			w.entry.By[ledger.Superseded]++
			return false, nil
		}
	}
	r := w.cache.rare(e)
	if e.gen != w.cur.number || p.Attempt != e.attempt || r.failed != nil && r.failed.due(w.now) {
		e.attempt = p.Attempt
		if err := w.decide(ctx, sl, e, p); err != nil {
			return false, err
		}
		r = w.cache.rare(e)
	}
	e.seen = v.Timestamp
	e.samples++
	switch {
	case e.disposition == ledger.Quarantined:
		return false, w.quarantine(ctx, sl, e, p, v.Timestamp, w.at, r.failed.TransformFailure)
	case e.disposition != ledger.Out && r.flow == nil:
		w.count(e.rule, e.disposition)
		return false, nil
	case p.Form == record.None:
		w.entry.By[ledger.NoValue]++
		return false, nil
	case e.shed-1 < w.cur.shed: // 0 is the largest number then
		w.count(w.cur.Program.ShedBy(e.shed), ledger.Shed)
		return false, nil
	case r.step != nil:
		return w.step(ctx, sl, e, p)
	}
	return w.goOn(sl, e, p, v.Timestamp)
}

// attemptGrace is how long the attempts of one subtask may report side by side
// after a failover: more than a report interval. A lower attempt number that
// comes later than that is a new incarnation of the job, not a straggler.
const attemptGrace = 30_000 // ms

// supersedes reports whether the attempt that e last saw has replaced attempt.
func (w *Worker) supersedes(e *series, attempt int32) bool {
	return attempt >= 0 && attempt < e.attempt && w.view.Timestamp < e.seen+attemptGrace
}

// sent notes that n samples of one time are on their way.
func (w *Worker) sent(reported int64, n int) {
	w.pending += n
	w.unacked[ledger.Out] += int64(n)
	w.entry.By[ledger.InFlight] += int64(n)
	if k := len(w.lags); k > 0 && w.lags[k-1].reported == reported {
		w.lags[k-1].n += uint64(n)
		return
	}
	w.lags = append(w.lags, lagRun{reported, uint64(n)})
}

// count notes that a rule ended a sample.
func (w *Worker) count(rule int32, d ledger.Disposition) {
	w.entry.By[d]++
	if w.tapping != nil {
		w.tapping.rule, w.tapping.end = rule, d
	}
	if rule < 0 || int(rule) >= len(w.cur.tallies) {
		return
	}
	t := &w.cur.tallies[rule]
	if t.n > 0 && t.disposition != d {
		w.countBeside(rule, d)
		return
	}
	if t.n == 0 {
		w.cur.touched = append(w.cur.touched, rule)
	}
	t.n++
	t.disposition = d
}

func (w *Worker) writeSamples(ctx context.Context) error {
	if len(w.samples) == 0 && len(w.released) == 0 {
		return nil
	}
	err := w.lane.Write(ctx, w.samples)
	w.samples = w.samples[:0]
	for _, r := range w.released {
		w.lane.Release(r)
	}
	w.released = w.released[:0]
	return err
}

// Flush returns when everything processed is acknowledged: Acked is then the
// offset after the last message. An error is final.
func (w *Worker) Flush(ctx context.Context) error {
	began := w.opts.Now()
	if err := w.flushLanes(ctx); err != nil {
		return err
	}
	ended := w.opts.Now()
	if w.opts.Flushed != nil && w.pending > 0 {
		w.opts.Flushed(ended.Sub(began))
	}
	now := ended.UnixMilli()
	w.refused()
	for _, r := range w.lags {
		w.entry.Lag.Observe(msDuration(now-r.reported), r.n)
	}
	for d, n := range w.unacked {
		w.entry.By[d] += n
		w.entry.By[ledger.InFlight] -= n
	}
	w.lags, w.pending = w.lags[:0], 0
	w.acked = w.safe()
	w.overload.since.Store(0)
	clear(w.unacked[:])
	w.pack.reset()
	w.post()
	return nil
}

func (w *Worker) flushLanes(ctx context.Context) error {
	if err := w.letters.Flush(ctx); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	if w.records != nil {
		return w.records.Flush(ctx)
	}
	if err := w.writeSamples(ctx); err != nil {
		return err
	}
	return w.lane.Flush(ctx)
}

// Drain ends the worker's part in the partition: samples that steps hold go out,
// and everything is acknowledged.
func (w *Worker) Drain(ctx context.Context) error {
	if w.cur == nil {
		return nil
	}
	w.turn.take()
	err := w.release(ctx, func(*step) bool { return true })
	if err != nil {
		w.disown()
	}
	w.turn.give()
	return errors.Join(err, w.Flush(ctx))
}

// Acked is the offset that may be committed: the first one that is not
// acknowledged. It is -1 before the first Flush.
func (w *Worker) Acked() int64 { return w.acked }

// Pending is how many samples and dead letters wait for a Flush.
func (w *Worker) Pending() int { return w.pending }

// Close lets go of everything. What was not acknowledged is taken out of the
// ledger: the next owner of the partition reads it again.
func (w *Worker) Close() {
	w.closed()
	defer w.turn.take().give()
	for _, n := range w.unacked {
		w.entry.In -= n
		w.entry.By[ledger.InFlight] -= n
	}
	w.entry.In -= int64(len(w.held))
	w.entry.By[ledger.Held] -= int64(len(w.held))
	w.giveUpSeats()
	w.transit.closeQueues(func(uint32) bool { return false })
	w.series, w.cache.size = population{}, 0
	w.post()
	w.letters.Close()
	if w.records != nil {
		w.records.Close()
	} else {
		w.lane.Close()
	}
}
