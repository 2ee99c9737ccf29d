package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Bounds of the time that a shadow runs for.
const (
	MinShadowTime = time.Second
	MaxShadowTime = 24 * time.Hour
)

// How much of one core a shadow takes at most, and how often it begins anew.
const (
	shadowShare  = 0.2
	shadowBurst  = 2 * time.Millisecond // of work before it rests
	shadowPause  = 15 * time.Second     // between two passes over all series
	shadowWithin = 10 * time.Minute     // series that came in that time are live
	shadowReport = 10                   // seconds between reports of a task that has reported once
)

// ShadowRequest asks for a policy set to decide beside the one in force, about
// every live series, with nothing sent.
type ShadowRequest struct {
	Candidate

	// For is how long it goes on comparing, over and over, so that series that come
	// meanwhile are compared; 0: all live series once.
	For time.Duration
}

// ShadowStatus tells what a candidate would do otherwise.
type ShadowStatus struct {
	Revision string    `json:"revision"`          // of the candidate
	Base     string    `json:"base"`              // of the set in force that it is compared with
	By       string    `json:"by,omitempty"`      // who asked for it
	Reason   string    `json:"reason"`            // in the words of who asked
	Since    time.Time `json:"since"`             // when it began
	Until    time.Time `json:"until,omitzero"`    // when it ends by itself; zero: when all series are compared
	Compared int       `json:"compared"`          // series, in the pass that runs
	Total    int       `json:"total"`             // series that are live
	Passes   int       `json:"passes"`            // over all series
	Ended    string    `json:"ended,omitempty"`   // why; "": it runs
	EndedAt  time.Time `json:"ended_at,omitzero"` // when it did

	// Impact is what differs, by the last pass that is complete. Samples and bytes
	// are per second. OtherRule are the series that fare the same by another rule.
	Impact    *Impact         `json:"impact,omitempty"`
	OtherRule []program.Moved `json:"other_rule,omitempty"`

	// Transforms of both sets, by that pass, as a plan has them.
	Transforms []TransformChange `json:"transforms,omitempty"`
}

// shadow is a candidate that is compared with the set in force.
type shadow struct {
	rev     *revision
	base    *revision
	changes []RuleChange
	once    bool

	mu   sync.Mutex
	said ShadowStatus
	stop context.CancelCauseFunc
	ctx  context.Context
}

// Shadow lets a policy set decide beside the one in force about every live series.
// Nothing is sent, and no worker waits for it. The report tells what was found in
// the set; one that refuses it, or an error, changes nothing. A shadow that runs
// already ends. Errors wrap ErrRejected or ErrForeignTeam.
func (r *Runtime) Shadow(ctx context.Context, actor Actor, q ShadowRequest) (ShadowStatus, Report, error) {
	if q.For != 0 && (q.For < MinShadowTime || q.For > MaxShadowTime) {
		return ShadowStatus{}, Report{}, fmt.Errorf("%w: for: %v is not from %v to %v", ErrRejected, q.For, MinShadowTime, MaxShadowTime)
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	set, err := r.loadCandidate(ctx, Actor{}, &q.Candidate) // it changes nothing that anyone owns
	if err != nil || set.report.Refused() {
		return ShadowStatus{}, set.report, err
	}
	base, now := r.rev.Load(), time.Now()
	s := &shadow{rev: newRevision(&set), base: base, once: q.For == 0, said: ShadowStatus{
		Revision: set.bundle.Digest, Base: base.digest, By: actor.Name, Reason: q.Reason, Since: now,
	}}
	if s.changes, err = program.DiffRules(base.written(), s.rev.written()); err != nil {
		return ShadowStatus{}, set.report, err
	}
	if q.For > 0 {
		s.said.Until = now.Add(q.For)
	}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	o := r.rollouts
	o.mu.Lock()
	if o.shadow != nil {
		o.shadow.stop(errors.New("another shadow began"))
	}
	o.shadow = s
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default: // told already
	}
	r.log.Info("shadow begins", "revision", set.bundle.Digest, "beside", base.digest, "by", actor.Name, "reason", q.Reason)
	return *s.status(), set.report, nil
}

// EndShadow ends the shadow that runs. The error wraps ErrRollout: none does.
func (r *Runtime) EndShadow(actor Actor) (ShadowStatus, error) {
	o := r.rollouts
	o.mu.Lock()
	s := o.shadow
	o.mu.Unlock()
	if s == nil || s.status().Ended != "" {
		return ShadowStatus{}, fmt.Errorf("%w: no shadow runs", ErrRollout)
	}
	s.end("ended" + byText(actor))
	return *s.status(), nil
}

// end notes why a shadow ends, unless it has ended.
func (s *shadow) end(why string) {
	s.mu.Lock()
	if s.said.Ended == "" {
		s.said.Ended, s.said.EndedAt = why, time.Now()
	}
	s.mu.Unlock()
	s.stop(errors.New(why))
}

func (s *shadow) status() *ShadowStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.said
	return &out
}

// runShadows runs the shadows that are asked for, one at a time.
func (r *Runtime) runShadows(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.rollouts.wake:
		}
		r.rollouts.mu.Lock()
		s := r.rollouts.shadow
		r.rollouts.mu.Unlock()
		if s.status().Ended != "" { // it was ended before it began, or has been run
			continue
		}
		stop := context.AfterFunc(ctx, func() { s.end("the instance ends") })
		why := r.compareLive(s)
		stop()
		s.end(why)
		r.log.Info("shadow has ended", "revision", s.rev.digest, "why", s.status().Ended)
	}
}

// compareLive compares all live series, over and over, and says why it is done.
func (r *Runtime) compareLive(s *shadow) string {
	ctx, cancel := s.ctx, context.CancelFunc(func() {})
	if !s.once {
		ctx, cancel = context.WithDeadline(ctx, s.said.Until)
	}
	defer cancel()
	for {
		replaced := r.rev.Load().replaced
		err := r.shadowPass(ctx, s)
		switch {
		case errors.Is(err, errReplaced):
			return err.Error()
		case ctx.Err() != nil && context.Cause(s.ctx) != nil:
			return context.Cause(s.ctx).Error()
		case ctx.Err() != nil:
			return "its time is over"
		case err != nil:
			return err.Error()
		case s.once:
			return "every live series is compared"
		}
		select {
		case <-ctx.Done():
		case <-replaced:
		case <-time.After(shadowPause):
		}
	}
}

// errReplaced says that there is nothing to compare with any more.
var errReplaced = errors.New("another set was put in force")

// shadowPass compares all live series once, by the sets as they are written: what is
// overridden would be under either.
func (r *Runtime) shadowPass(ctx context.Context, s *shadow) error {
	if r.rev.Load().digest != s.base.digest {
		return errReplaced
	}
	total := 0
	for _, h := range r.hops(&r.streams) {
		total += int(h.book.Sum().SeriesIn)
	}
	s.mu.Lock()
	s.said.Compared, s.said.Total = 0, total
	s.mu.Unlock()
	d := program.NewDiffer(s.base.plain, s.rev.plain, shadowReport, s.changes)
	n, worked := 0, time.Now()
	for _, h := range r.hops(&r.streams) {
		err := h.engine.Live(ctx, shadowWithin, func(l *engine.Live) error {
			d.Add(&l.Load)
			if n++; n%64 != 0 {
				return nil
			}
			return s.rest(ctx, r, n, &worked)
		})
		if err != nil {
			return err
		}
	}
	impact := d.Impact()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.Compared, s.said.Total = n, max(n, total)
	s.said.Passes++
	s.said.Impact, s.said.OtherRule, s.said.Transforms = impact, d.OtherRule(), d.Transforms()
	return nil
}

// rest keeps a shadow to its share of a core. worked is when it rested last.
func (s *shadow) rest(ctx context.Context, r *Runtime, compared int, worked *time.Time) error {
	took := time.Since(*worked)
	if took < shadowBurst {
		return nil
	}
	s.mu.Lock()
	s.said.Compared = compared
	s.mu.Unlock()
	if r.rev.Load().digest != s.base.digest {
		return errReplaced
	}
	pause := time.NewTimer(time.Duration(float64(took) * (1 - shadowShare) / shadowShare))
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
	}
	*worked = time.Now()
	return nil
}
