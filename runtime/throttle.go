package runtime

import (
	"sync"
	"time"
)

// throttle lets one event pass per period.
type throttle struct {
	mu     sync.Mutex
	period time.Duration
	next   time.Time
}

func newThrottle(period time.Duration) *throttle { return &throttle{period: period} }

func (t *throttle) pass(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(t.period)
	return true
}
