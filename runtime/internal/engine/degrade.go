package engine

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
)

// overload is what a worker knows of it: how far behind it is.
type overload struct {
	lags [64]int64 // ms, of reports of this batch
	n    int       // reports of this batch; more than lags holds take the place of the first ones

	// Read by Engine.Lag.
	lag   atomic.Int64 // ms, of the last batch that had a report
	since atomic.Int64 // Unix ms since when something waits to be acknowledged, 0: nothing does
}

// note takes down how old a report is. It is called once per report of a source.
func (o *overload) note(ms int64) {
	o.lags[o.n%len(o.lags)] = ms
	o.n++
}

// begin starts a batch: at the step in force, which holds for all of it.
func (w *Worker) begin() {
	w.now = w.opts.Now().UnixMilli()
	w.overload.since.CompareAndSwap(0, w.now)
	step := ladder.P0
	if w.opts.Step != nil {
		step = w.opts.Step()
	}
	w.cur.shed = w.cur.shedding[step]
	if c := w.forces.candidate; c != nil {
		c.shed = c.shedding[step]
	}
}

// done ends a batch of n messages. The lag is the median of its reports: no task
// whose clock is wrong, or whose reports were held up, decides it alone.
func (w *Worker) done(n int) {
	o := &w.overload
	if k := min(o.n, len(o.lags)); k > 0 {
		slices.Sort(o.lags[:k])
		o.lag.Store(max(o.lags[k/2], 0))
		o.n = 0
	} else if n == 0 {
		o.lag.Store(0)
	}
	if w.pending == 0 {
		o.since.Store(0)
	}
}

// Lag is how far behind the worst worker is: from the report of what it read last
// to its reading, and for as long as it has been waiting for its outputs since. It
// costs the workers nothing and may be asked at any time.
func (e *Engine) Lag() time.Duration {
	now, worst := e.opts.Now().UnixMilli(), int64(0)
	for _, w := range e.open.list() {
		lag := w.overload.lag.Load()
		if since := w.overload.since.Load(); since > 0 {
			lag += max(now-since, 0)
		}
		worst = max(worst, lag)
	}
	return msDuration(worst)
}
