package engine

import (
	"cmp"
	"context"
)

// A series leaves the cache when it has not been seen for three of its report
// intervals, and never before minTTL.
const (
	minTTL      = 5 * 60_000 // ms
	ttlReports  = 3
	sweepPeriod = 60_000 // ms in which every source is looked at once
)

// Reasons why series leave the cache.
const (
	evictedSilent = "silent"
	evictedSpace  = "space"
)

func (s *source) ttl() int64 { return max(minTTL, ttlReports*s.interval) }

// expire makes the cache forget what has fallen silent, and what it has no room
// for. It does a little with every batch, so that no batch waits long.
func (w *Worker) expire(ctx context.Context) error {
	c := w.cache
	for _, r := range [...]*recency{&c.refused, &c.recent} {
		for s := r.oldest; s != nil && s.seen+s.ttl() < w.now; s = r.oldest {
			w.evict(s, evictedSilent)
		}
	}
	if room := w.room(); room != w.roomy {
		w.roomy, c.limit = room, room
	}
	for c.size > c.limit {
		s := cmp.Or(c.bulky, c.refused.oldest, c.recent.oldest)
		if s == nil {
			break
		}
		w.evict(s, evictedSpace)
	}
	for range w.sweepShare() {
		w.sweepOne()
	}
	w.expireProducts()
	if err := w.releaseEnded(ctx); err != nil {
		return err
	}
	return w.writeSamples(ctx)
}

// sweepShare is how many sources this batch looks at for single series that
// have fallen silent.
func (w *Worker) sweepShare() int {
	elapsed := min(w.now-w.swept, sweepPeriod)
	n := int(int64(len(w.cache.sources)) * elapsed / sweepPeriod)
	if n > 0 {
		w.swept = w.now
	}
	return n
}

func (w *Worker) sweepOne() {
	c := w.cache
	s := c.sweep
	if s == nil {
		s = c.recent.oldest
	}
	if s == nil {
		return
	}
	c.sweep = s.newer
	before := s.reported - s.ttl()
	fade := s.fade()
	s.slots.each(func(i int32, sl *slot) {
		c.removeSeries(sl, func(e *series) bool {
			e.samples >>= fade
			if e.seen >= before {
				return false
			}
			w.forget(e, evictedSilent)
			return true
		})
		if sl.n == 0 {
			c.removeSlot(s, i)
		}
	})
}

func (w *Worker) evict(s *source, reason string) {
	if w.decoded.source == s {
		w.decoded = decoded{}
	}
	w.cache.removeSource(s, func(e *series) { w.forget(e, reason) })
}

func (w *Worker) forget(e *series, reason string) {
	if w.entry.Evicted == nil {
		w.entry.Evicted = map[string]uint64{}
	}
	w.entry.Evicted[reason]++
	w.gone(e, reason == evictedSilent)
}
