package auth

import (
	"net/netip"
	"sync"
	"time"
)

// Bounds on failures.
const (
	MaxFailures  = 20          // of one address within a window
	window       = time.Minute // from the first failure of an address on
	maxAddresses = 10_000      // that are remembered; some 2 MB
)

// Failures bounds how often one address may fail to say who it is. Guessing a token
// is hopeless anyway: this is for the processor, the issuer and the log. Where more
// addresses fail than are remembered, those that come then are not bounded. The zero
// Failures is ready; it may be used by any goroutine.
type Failures struct {
	mu   sync.Mutex
	seen map[netip.Prefix]failed
	last time.Time // that it was looked for addresses to forget
}

type failed struct {
	since time.Time
	times int
}

// Wait returns how long an address is not listened to: 0 where it has failed less
// than MaxFailures times.
func (f *Failures) Wait(from netip.Addr, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.seen[network(from)]
	if !ok || s.times < MaxFailures {
		return 0
	}
	return max(window-now.Sub(s.since), 0)
}

// Add counts a failure, and reports whether it is the first of its address within a
// minute.
func (f *Failures) Add(from netip.Addr, now time.Time) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := network(from)
	s, ok := f.seen[key]
	if ok && now.Sub(s.since) < window {
		f.seen[key] = failed{s.since, s.times + 1}
		return false
	}
	if !ok && len(f.seen) >= maxAddresses && !f.forget(now) {
		return false
	}
	if f.seen == nil {
		f.seen = map[netip.Prefix]failed{}
	}
	f.seen[key] = failed{now, 1}
	return true
}

// forget drops the addresses whose minute is over, once a second at most, and
// reports whether there was one.
func (f *Failures) forget(now time.Time) bool {
	if now.Sub(f.last) < time.Second {
		return false
	}
	f.last = now
	before := len(f.seen)
	for key, s := range f.seen {
		if now.Sub(s.since) >= window {
			delete(f.seen, key)
		}
	}
	return len(f.seen) < before
}

// network is what one asker has: an address, of IPv6 all of a /64.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // of no address: none
	return p
}
