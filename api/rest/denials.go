package rest

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// Bounds on what is recorded of requests that somebody who is known may not make, or
// makes in a wrong way. The audit of the fleet keeps 10,000 entries: who asks for ever
// must not push out what was done.
const (
	denialTime   = time.Hour
	denialsOfOne = 20  // actor, within an hour
	denialsOfAll = 100 // actors
)

// denials record in the audit what was asked for by who is known, and refused. What is
// beyond the bounds is counted: the next that is recorded tells how much it was. Who is not known, and what a page of another site had a browser ask,
// is never recorded. Safe for concurrent use.
type denials struct {
	runtime *runtime.Runtime
	log     *slog.Logger

	mu       sync.Mutex
	since    time.Time
	of       map[string]int // recorded, by actor
	recorded int
	missed   int // counted only, since the last that was recorded
}

func newDenials(r *runtime.Runtime, log *slog.Logger) *denials {
	return &denials{runtime: r, log: log, of: map[string]int{}}
}

// admit says whether one more is recorded and, if so, how many before it were not.
// first reports that it is the first of a time that is not.
func (d *denials) admit(actor string, now time.Time) (missed int, record, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.since) >= denialTime {
		clear(d.of)
		d.since, d.recorded = now, 0
	}
	if d.recorded >= denialsOfAll || d.of[actor] >= denialsOfOne {
		d.missed++
		return 0, false, d.missed == 1
	}
	d.of[actor]++
	d.recorded++
	missed, d.missed = d.missed, 0
	return missed, true, false
}

// record notes that an operation was refused to an actor.
func (d *denials) record(ctx context.Context, e runtime.AuditEntry) {
	missed, record, first := d.admit(e.Actor.Name, time.Now())
	if first {
		d.log.Warn("more requests are refused than the audit records; they are only counted", "by", e.Actor.Name, "from", e.Actor.Address)
	}
	if !record {
		return
	}
	if missed > 0 {
		e.Detail = map[string]string{"not_recorded": strconv.Itoa(missed)} // refusals before it
	}
	e.Result = runtime.AuditRefused
	if err := d.runtime.Audit(context.WithoutCancel(ctx), e); err != nil {
		d.log.Error("audit", "error", err)
	}
}
