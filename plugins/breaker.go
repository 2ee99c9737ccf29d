package plugins

import (
	"sync"
	"time"
)

// BreakerState says whether a plugin is called.
type BreakerState int

// The states of a breaker.
const (
	BreakerClosed   BreakerState = iota // it is called
	BreakerOpen                         // it is not
	BreakerHalfOpen                     // one batch tries it
)

// String returns the state's word.
func (s BreakerState) String() string { return [...]string{"closed", "open", "half-open"}[s] }

// When a breaker opens, and for how long.
const (
	breakerWindow  = time.Minute
	breakerBatches = 5    // that failed within the window
	breakerShare   = 0.01 // of the records within the window
	breakerRecords = 1000 // below which a share says nothing
	breakerFirst   = time.Second
	breakerLongest = time.Minute
)

// breaker keeps a plugin that goes on failing from being called. Records that the
// plugin itself refuses are no failures: it works.
type breaker struct {
	never  bool // it does not open
	mu     sync.Mutex
	state  BreakerState
	until  time.Time // open until
	pause  time.Duration
	failed [breakerBatches]time.Time // the latest, round robin
	next   int
	window struct {
		from         time.Time
		lost, passed int
	}
}

// allow tells whether a batch may call the plugin. Half-open, one batch may.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.never || b.state == BreakerClosed:
		return true
	case b.state == BreakerOpen && !now.Before(b.until):
		b.state = BreakerHalfOpen
		return true
	}
	return false
}

// report takes how a batch ended: how many of its records were lost to failures.
func (b *breaker) report(now time.Time, records, lost int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.never {
		return
	}
	if b.state == BreakerHalfOpen {
		if lost > 0 {
			b.open(now)
			return
		}
		b.state, b.pause = BreakerClosed, 0
		b.failed, b.window.lost, b.window.passed = [breakerBatches]time.Time{}, 0, 0
	}
	if b.state == BreakerOpen {
		return // a batch that began before it opened
	}
	if now.Sub(b.window.from) >= breakerWindow {
		b.window.from, b.window.lost, b.window.passed = now, 0, 0
	}
	b.window.lost += lost
	b.window.passed += records - lost
	if lost == 0 {
		return
	}
	b.failed[b.next] = now
	b.next = (b.next + 1) % breakerBatches
	oldest := b.failed[b.next] // zero: there were fewer
	all := b.window.lost + b.window.passed
	if !oldest.IsZero() && now.Sub(oldest) < breakerWindow ||
		all >= breakerRecords && float64(b.window.lost) > breakerShare*float64(all) {
		b.open(now)
	}
}

// open refuses batches for twice as long as the last time.
func (b *breaker) open(now time.Time) {
	b.pause = min(max(2*b.pause, breakerFirst), breakerLongest)
	b.state, b.until = BreakerOpen, now.Add(b.pause)
}

// cancel takes back an allowance that was not used.
func (b *breaker) cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerHalfOpen {
		b.state = BreakerOpen
	}
}

func (b *breaker) now() BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}
