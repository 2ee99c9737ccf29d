package engine

import (
	"context"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Live is a series that workers have cached, as it was reported, and how much of
// it came of late.
type Live struct {
	program.Load
	Scope, Metric string // what the name was made of
	Seen          int64  // report_timestamp of its last sample, Unix milliseconds
}

// Live visits the series that came within a time until now, as far as the workers
// remember them, partition by partition, tasks together: the source has reported
// in that time, and the series is in a report that is not older than the source's
// last one by more. So records that come late, or again, count as they come.
//
// Nothing is kept for it: the caches of the workers are what it reads, a slice at
// a time and between batches, so that no batch waits longer than a slice takes,
// some 0.1 ms. What is visited is a moment each: a series that leaves a cache and
// comes back meanwhile may be visited twice, or not at all.
//
// An error of visit, or of ctx, ends it.
func (e *Engine) Live(ctx context.Context, within time.Duration, visit func(*Live) error) error {
	since := e.opts.Now().Add(-within).UnixMilli()
	for _, w := range e.open.list() {
		l := liveReader{worker: w, since: since, within: within.Milliseconds(), visit: visit}
		for more := true; more; {
			if err := w.turn.await(ctx); err != nil {
				return err
			}
			more = l.slice()
			w.turn.give()
			if err := l.pass(); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn is a lock that one can stop waiting for. It is taken once per batch.
type turn chan struct{}

func (t turn) take() turn {
	t <- struct{}{}
	return t
}

func (t turn) give() { <-t }

func (t turn) await(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// liveSlice is how many series are looked at while the worker waits.
const liveSlice = 1024

// liveReader reads the cache of one worker, slice by slice.
type liveReader struct {
	worker *Worker
	since  int64 // Unix ms
	within int64 // ms
	visit  func(*Live) error

	source int   // where to go on: index of the source,
	slot   int32 // its slot,
	series int   // and the series of that
	found  []liveSeries

	of      *liveSource // of common
	common  metric.Labels
	all     metric.Labels // of the last series without labels of its own,
	subtask int32         // and its numbers
	attempt int32
	heads   map[*source]*liveSource
}

// liveSource is what does not change of a source: bytes that nobody writes to.
type liveSource struct {
	source   source // raw and cut
	team     string
	counted  int64
	reported int64
	interval int64
}

// liveSeries is a series as it was while the worker waited. What it points to
// does not change after that.
type liveSeries struct {
	source           *liveSource
	name             *name
	subtask, attempt int32
	labels           []byte
	samples          uint32
	bytes            uint64 // of all samples
	seen             int64
	rule             program.RuleID // that decided
	out              bool
}

// slice takes notes of some series; false says that they were the last ones. It
// is called in the reader's turn.
func (l *liveReader) slice() bool {
	c := l.worker.cache
	l.found, l.heads = l.found[:0], map[*source]*liveSource{}
	for range liveSlice {
		if l.source == len(c.bySlot.sources.things) {
			return false
		}
		var sl *slot
		s := c.bySlot.sources.things[l.source]
		if s != nil && s.seen >= l.since {
			sl = s.slots.at(l.slot)
		}
		if sl == nil {
			l.source, l.slot, l.series = l.source+1, 0, 0
			continue
		}
		e := c.nth(sl, l.series)
		if e == nil {
			l.slot, l.series = l.slot+1, 0
			continue
		}
		l.series++
		l.note(s, sl, e)
	}
	return true
}

// nth returns series i of a slot, or nil; a free slot has none.
func (c *cache) nth(sl *slot, i int) *series {
	if sl.more != 0 {
		if all := c.bySlot.several.get(sl.more).series; i < len(all) {
			return all[i]
		}
	} else if i == 0 && sl.n == 1 {
		return &sl.first
	}
	return nil
}

func (l *liveReader) note(s *source, sl *slot, e *series) {
	if e.gen == 0 || e.seen < s.reported-l.within {
		return
	}
	head := l.heads[s]
	if head == nil {
		head = &liveSource{source{raw: s.raw, cut: s.cut}, s.filter.Team(), s.counted, s.reported, s.interval}
		l.heads[s] = head
	}
	c := l.worker.cache
	rule, out := l.worker.decided(e)
	l.found = append(l.found, liveSeries{
		rule: rule, out: out,
		source: head, name: c.name(sl), subtask: e.subtask, attempt: e.attempt, labels: c.rare(e).labels,
		samples: e.samples, bytes: uint64(e.samples) * uint64(sl.bytes) / uint64(max(sl.n, 1)), seen: e.seen,
	})
}

// pass hands on what slice has noted, while the worker goes on.
func (l *liveReader) pass() error {
	for i := range l.found {
		e := &l.found[i]
		labels, err := l.labels(e)
		if err != nil {
			return err
		}
		n, s := e.name, e.source
		err = l.visit(&Live{
			Load: program.Load{
				Input: program.Input{
					Task: record.Unquote(s.source.raw[s.source.cut:]), Name: n.series, Kind: n.kind, Origin: n.from, Labels: labels,
				},
				Samples: uint64(e.samples), Seconds: s.seconds(), Bytes: e.bytes,
			},
			Scope: record.Unquote(n.scope), Metric: record.Unquote(n.metric), Seen: e.seen,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// seconds is the time that the samples counted stand for: from the first of them
// to the end of the interval that the last one begins. It is 0 while a source has
// reported once, and nobody knows how often it does.
func (s *liveSource) seconds() float64 {
	if s.interval == 0 {
		return 0
	}
	return float64(s.reported-s.counted+s.interval) / 1000
}

// labels returns all labels of a series. Series of one subtask share them.
func (l *liveReader) labels(e *liveSeries) (metric.Labels, error) {
	if l.of == nil || string(l.of.source.raw) != string(e.source.source.raw) || l.of.source.cut != e.source.source.cut {
		common, err := record.SourceLabels(e.source.source.written(), e.source.source.raw[e.source.source.cut:])
		if err != nil {
			return nil, err
		}
		l.common, l.all = common, nil
	}
	l.of = e.source
	if l.all != nil && len(e.labels) == 0 && e.subtask == l.subtask && e.attempt == l.attempt {
		return l.all, nil
	}
	all, err := record.PointLabels(l.common, e.subtask, e.attempt, e.labels)
	if err != nil {
		return nil, err
	}
	l.all, l.subtask, l.attempt = all, e.subtask, e.attempt
	if len(e.labels) > 0 {
		l.all = nil
	}
	return all, nil
}

// countFor bounds the time that the count of a series stands for, so that it
// tells of the present: beyond it, counts are halved, and the time with them.
const countFor = 20 * 60_000 // ms

// fade returns by how many binary digits the counts of a source are to shrink,
// and moves the beginning of the count accordingly.
func (s *source) fade() (digits uint) {
	for s.reported-s.counted > countFor {
		s.counted += (s.reported - s.counted + 1) / 2
		digits++
	}
	return digits
}
