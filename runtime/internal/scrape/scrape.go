// Package scrape exposes the last value of every business series to a scraper,
// in the Prometheus text format. It keeps no history and knows nothing of
// records, policies or who scrapes; a value that is overwritten before a scrape
// is never seen, as with any exporter.
package scrape

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Options describe one endpoint.
type Options struct {
	// Stale is how long a series is exposed after the last sample that arrived,
	// by the clock of this process, 0: 5 minutes.
	Stale time.Duration

	// Timestamps exposes each value with the time of its sample. Without it the
	// scraper's own time holds.
	Timestamps bool
}

const defaultStale = 5 * time.Minute

// Endpoint is a sink that is read by scraping. Its lanes share one registry: a
// series that several lanes bind is one line. All methods may be called from any
// goroutine.
type Endpoint struct {
	stale      int64 // milliseconds
	timestamps bool
	start      time.Time // origin of the clock that a change of the system time does not move
	registry   registry
	exposed    atomic.Int64
	writers    sync.Pool // *gzip.Writer
}

// New returns an endpoint without series.
func New(o Options) *Endpoint {
	if o.Stale == 0 {
		o.Stale = defaultStale
	}
	return &Endpoint{
		stale:      o.Stale.Milliseconds(),
		timestamps: o.Timestamps,
		start:      time.Now(),
		registry:   registry{slots: map[identity]*slot{}, families: map[string]*family{}},
	}
}

// Series returns how many series are exposed. Those that fell silent count until
// a scrape notices.
func (e *Endpoint) Series() int { return int(e.exposed.Load()) }

// Lane implements engine.SampleSink.
func (e *Endpoint) Lane(engine.Partition) (engine.Lane, error) { return &lane{endpoint: e}, nil }

func (e *Endpoint) now() int64 { return time.Since(e.start).Milliseconds() }

// lane is one worker's way in. Slots are guarded one by one, and two lanes hardly
// ever hold the same one, so that writing waits for nobody.
type lane struct {
	endpoint *Endpoint
	slots    []*slot // by Ref
	free     []engine.Ref
}

// Bind implements engine.Lane.
func (l *lane) Bind(s engine.Series) engine.Ref {
	x := l.endpoint.registry.acquire(s)
	if n := len(l.free); n > 0 {
		ref := l.free[n-1]
		l.free = l.free[:n-1]
		l.slots[ref] = x
		return ref
	}
	l.slots = append(l.slots, x)
	return engine.Ref(len(l.slots) - 1)
}

// Release implements engine.Lane. The last release of a series ends its exposure.
func (l *lane) Release(ref engine.Ref) {
	l.let(l.slots[ref])
	l.slots[ref] = nil
	l.free = append(l.free, ref)
}

func (l *lane) let(s *slot) {
	if l.endpoint.registry.release(s) && s.end() {
		l.endpoint.exposed.Add(-1)
	}
}

// Write implements engine.Lane. It never blocks on a scrape for longer than it
// takes to copy one value.
func (l *lane) Write(_ context.Context, samples []engine.Sample) error {
	now := l.endpoint.now()
	for i := range samples {
		s := &samples[i]
		if d := l.slots[s.Ref].set(s, now); d != 0 {
			l.endpoint.exposed.Add(d)
		}
	}
	return nil
}

// Flush implements engine.Lane: what is written is exposed.
func (l *lane) Flush(context.Context) error { return nil }

// Close implements engine.Lane: what only this lane had bound is gone from the
// next scrape.
func (l *lane) Close() {
	for _, s := range l.slots {
		if s != nil {
			l.let(s)
		}
	}
	l.slots, l.free = nil, nil
}
