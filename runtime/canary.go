package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// canaryLook is how often the two sides of a canary are compared.
const canaryLook = time.Second

// Bounds of the time between two steps of a canary.
const (
	MinCanaryStep = 10 * time.Second
	MaxCanaryStep = 24 * time.Hour
)

// CanaryRequest asks for a policy set to govern a part of what comes in, beside the
// one in force, which governs the rest.
type CanaryRequest struct {
	// Files and Reason; no files: the canary that runs is given another part.
	Candidate

	Share      float64       // of the tasks, above 0 and at most 1; the same tasks whenever it is asked
	Partitions []int32       // instead: these, of every input topic
	Steps      []float64     // shares that follow, each larger; after the last the set is put in force
	Every      time.Duration // between steps, while the canary is healthy

	// Base is the tag that the canary must have, as Rollout gives it; "" for any.
	Base string
}

// CanaryStatus tells of a canary and how it does against the rest.
type CanaryStatus struct {
	Revision   string     `json:"revision"`             // of the candidate
	Base       string     `json:"base"`                 // of the set that governs the rest
	By         string     `json:"by,omitempty"`         // who asked for it
	Reason     string     `json:"reason"`               // in the words of who asked
	Since      time.Time  `json:"since"`                // when it began
	Share      float64    `json:"share,omitempty"`      // of the tasks
	Partitions []int32    `json:"partitions,omitempty"` // that it governs
	Steps      []float64  `json:"steps,omitempty"`      // that follow; then it is put in force
	NextStep   time.Time  `json:"next_step,omitzero"`   // when the next one is due
	Canary     CanarySide `json:"canary"`               // since the last change of what it governs
	Rest       CanarySide `json:"rest"`
	Unhealthy  string     `json:"unhealthy,omitempty"` // the bound that it has left
	Ended      string     `json:"ended,omitempty"`     // promoted or aborted, and why; "": it runs
	EndedAt    time.Time  `json:"ended_at,omitzero"`   // when it did
}

// CanarySide is what one of the two sets has governed.
type CanarySide struct {
	Samples      int64            `json:"samples"`      // that came to it
	On           float64          `json:"on"`           // share of the samples that went on, be it in an aggregate
	Dispositions map[string]int64 `json:"dispositions"` // what became of the samples; in-flight ones were sent on
	DeadLetters  int64            `json:"dead_letters"` // records that it made too large
	LagSeconds   float64          `json:"lag_seconds"`  // mean, from report to reading
}

// canary is a candidate that governs a part. What may change is behind mu.
type canary struct {
	rev     *revision
	set     loadedSet
	base    *revision
	by      Actor
	reason  string
	since   time.Time
	every   time.Duration
	compare *engine.Comparison

	share      float64 // of the tasks; a change makes another canary
	partitions []int32
	steps      []float64
	changed    time.Time // when it was given its part
	shared     bool      // with the fleet

	mu        sync.Mutex
	unhealthy string
}

// governs says how it is for a task, and whether the candidate governs it. When
// partitions decide, nobody can say.
func (c *canary) governs(task string) bool {
	return c != nil && len(c.partitions) == 0 && program.ShareOfTasks(c.share).Takes(task)
}

// part is what the engine is to let the candidate govern.
func (c *canary) part() *engine.Canary {
	return &engine.Canary{
		Program: c.rev.program, Revision: c.rev.digest, Share: program.ShareOfTasks(c.share), Partitions: c.partitions, Compare: c.compare,
	}
}

// again is a canary to take the place of itself, with what changes of it.
func (c *canary) again() *canary {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &canary{
		rev: c.rev, set: c.set, base: c.base, by: c.by, reason: c.reason, since: c.since, every: c.every, compare: c.compare,
		share: c.share, partitions: c.partitions, steps: c.steps, changed: c.changed, unhealthy: c.unhealthy, shared: c.shared,
	}
}

// text says what the candidate governs.
func (c *canary) text() string {
	if len(c.partitions) > 0 {
		return fmt.Sprintf("partitions %v", c.partitions)
	}
	return fmt.Sprintf("%v %% of the tasks", 100*c.share)
}

// Canary lets a policy set govern a part of what comes in, or gives the canary that
// runs another part. The report tells what was found in the set; one that refuses
// it, or an error, changes nothing. Errors wrap ErrRejected, ErrRollout when a canary
// runs already, or none does that could be given another part, ErrConflict when
// somebody else changed the canary first, or ErrForeignTeam.
func (r *Runtime) Canary(ctx context.Context, actor Actor, q CanaryRequest) (CanaryStatus, Report, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	err := q.check()
	if err == nil {
		err = r.rollouts.unchanged(q.Base)
	}
	if err != nil {
		return CanaryStatus{}, Report{}, err
	}
	now, was := time.Now(), r.rollouts.canary.Load()
	next := &canary{
		share: q.Share, partitions: q.Partitions, steps: q.Steps, every: q.Every, since: now, changed: now,
		by: actor, reason: q.Reason, compare: &engine.Comparison{},
	}
	switch {
	case was == nil && len(q.Files) == 0:
		return CanaryStatus{}, Report{}, fmt.Errorf("%w: no canary runs whose part could be changed; give the files of a set to begin one", ErrRollout)
	case was != nil && len(q.Files) > 0:
		return CanaryStatus{}, Report{}, fmt.Errorf("%w: a canary of %.12s runs on %s; promote or abort it first", ErrRollout, was.rev.digest, was.text())
	case was != nil:
		if err := within(actor, was.base, &was.set); err != nil {
			return CanaryStatus{}, Report{}, err
		}
		next.rev, next.set, next.base, next.since, next.reason = was.rev, was.set, was.base, was.since, was.reason
		if err := r.share(ctx, next); err != nil {
			return CanaryStatus{}, Report{}, err
		}
		r.govern(ctx, next)
		r.log.Info("canary is given another part", "revision", next.rev.digest, "part", next.text(), "before", was.text(), "by", actor.Name)
		return *next.status(""), next.set.report, nil
	}
	if n := len(q.Steps); n > 0 && q.Steps[n-1] >= 1 {
		if err := r.mayPush(ctx); err != nil {
			return CanaryStatus{}, Report{}, fmt.Errorf("the last step could not put the set in force: %w", err)
		}
	}
	set, err := r.loadCandidate(ctx, actor, &q.Candidate)
	if err != nil || set.report.Refused() {
		return CanaryStatus{}, set.report, err
	}
	next.set, next.rev, next.base = set, newRevision(&set), r.rev.Load()
	if err := r.share(ctx, next); err != nil {
		return CanaryStatus{}, set.report, err
	}
	r.govern(ctx, next)
	r.log.Info("canary begins", "revision", next.rev.digest, "part", next.text(), "rest", next.base.digest, "by", actor.Name, "reason", q.Reason)
	return *next.status(""), set.report, nil
}

// check refuses what cannot be a part.
func (q *CanaryRequest) check() error {
	switch {
	case len(q.Partitions) > 0 && (q.Share != 0 || len(q.Steps) > 0):
		return fmt.Errorf("%w: give a share of the tasks or partitions, not both; steps are shares", ErrRejected)
	case len(q.Partitions) == 0 && !(q.Share > 0 && q.Share <= 1):
		return fmt.Errorf("%w: share: %v is not above 0 and at most 1", ErrRejected, q.Share)
	case slices.ContainsFunc(q.Partitions, func(p int32) bool { return p < 0 }):
		return fmt.Errorf("%w: partitions: they are numbered from 0", ErrRejected)
	case len(q.Steps) > 0 && (q.Every < MinCanaryStep || q.Every > MaxCanaryStep):
		return fmt.Errorf("%w: every: %v is not from %v to %v", ErrRejected, q.Every, MinCanaryStep, MaxCanaryStep)
	case len(q.Steps) == 0 && q.Every != 0:
		return fmt.Errorf("%w: every: there are no steps", ErrRejected)
	}
	last := q.Share
	for _, s := range q.Steps {
		if !(s > last && s <= 1) {
			return fmt.Errorf("%w: steps: %v does not follow %v; each is a larger share, at most 1", ErrRejected, s, last)
		}
		last = s
	}
	return nil
}

// govern puts a canary in force beside the set in force, or ends it for nil, and
// returns when every worker has taken that up or applyPatience is over.
func (r *Runtime) govern(ctx context.Context, next *canary) {
	r.overriding.mu.Lock()
	if next != nil {
		next.rev = r.under(next.rev.again())
	}
	r.mu.Lock()
	r.rollouts.canary.Store(next)
	rev := r.rev.Load()
	for _, h := range r.streams {
		h.apply(rev, next)
	}
	r.mu.Unlock()
	r.overriding.mu.Unlock()
	o := r.rollouts
	o.mu.Lock()
	close(o.changed)
	o.changed = make(chan struct{})
	o.mu.Unlock()
	if late := r.awaitWorkers(ctx); len(late) > 0 {
		r.log.Warn("some workers do not know of the canary yet: they wait for their outputs", "partitions", late)
	}
}

// PromoteCanary puts the set of the canary in force, as Apply does: in every instance
// that follows the control topic. The tasks that it governs notice nothing. Base is
// the tag that the canary must have, "" for any. Errors wrap ErrRollout when no
// canary runs, ErrConflict for another tag, or are those of Apply; it then goes on.
func (r *Runtime) PromoteCanary(ctx context.Context, actor Actor, base string) (CanaryStatus, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	c, err := r.rollouts.running(base)
	if err != nil {
		return CanaryStatus{}, err
	}
	return r.promote(ctx, actor, c, "promoted"+byText(actor))
}

// promote is called with r.reloading held.
func (r *Runtime) promote(ctx context.Context, by Actor, c *canary, how string) (CanaryStatus, error) {
	err := r.mayPush(ctx)
	if err == nil {
		_, err = r.push(ctx, by, &c.set, true)
	}
	if err != nil {
		return CanaryStatus{}, err
	}
	if err := r.unshare(ctx, c, how, true); err != nil {
		r.log.Warn("the canary is in force, and stays on the control topic for a moment", "revision", c.rev.digest, "error", err)
	}
	return r.endCanary(c, how, func() {}), nil
}

// AbortCanary gives everything back to the set in force. Base is the tag that the
// canary must have, "" for any. The error wraps ErrRollout: no canary runs,
// ErrConflict when somebody else changed it first, or ErrForeignTeam.
func (r *Runtime) AbortCanary(ctx context.Context, actor Actor, base, reason string) (CanaryStatus, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	c, err := r.rollouts.running(base)
	if err != nil {
		return CanaryStatus{}, err
	}
	if err := within(actor, c.base, &c.set); err != nil {
		return CanaryStatus{}, err
	}
	how := "aborted" + byText(actor)
	if reason != "" {
		how += ": " + reason
	}
	if err := r.unshare(ctx, c, how, false); err != nil {
		return CanaryStatus{}, err
	}
	return r.endCanary(c, how, func() { r.govern(ctx, nil) }), nil
}

// running returns the canary that runs, if it is as it was at a tag.
func (o *rollouts) running(base string) (*canary, error) {
	c := o.canary.Load()
	if c == nil {
		return nil, fmt.Errorf("%w: no canary runs", ErrRollout)
	}
	return c, o.unchanged(base)
}

func byText(a Actor) string {
	if a.Name == "" {
		return ""
	}
	return " by " + a.Name
}

// endCanary notes how a canary ended, and ends it.
func (r *Runtime) endCanary(c *canary, how string, end func()) CanaryStatus {
	status := c.status(how)
	note := func() {
		r.rollouts.mu.Lock()
		defer r.rollouts.mu.Unlock()
		r.rollouts.last = status
	}
	note() // who asks while it ends finds how
	end()
	note() // a set that is put in force in its place has another word for that
	r.log.Info("canary has ended", "revision", c.rev.digest, "how", how)
	return *status
}

// superseded ends a canary whose base is in force no more. It is called with r.mu
// held, when rev takes the place of the set in force; the canary that it returns
// stays.
func (o *rollouts) superseded(rev *revision) *canary {
	c := o.canary.Load()
	if c == nil || c.base.digest == rev.digest {
		return c
	}
	o.canary.Store(nil)
	o.mu.Lock()
	defer o.mu.Unlock()
	how := fmt.Sprintf("aborted: another set was put in force, %.12s", rev.digest)
	if rev.digest == c.rev.digest {
		how = "promoted: it is in force"
	}
	o.last = c.status(how)
	close(o.changed)
	o.changed = make(chan struct{})
	return nil
}

// lookAtCanary compares the two sides: a canary that has left a bound is aborted,
// one that is healthy for long enough takes its next step.
func (r *Runtime) lookAtCanary(ctx context.Context) {
	c := r.rollouts.canary.Load()
	if c == nil {
		return
	}
	bounds := r.canaryBounds()
	why := c.left(&bounds)
	c.mu.Lock()
	news := why != "" && c.unhealthy == ""
	c.unhealthy = why
	c.mu.Unlock()
	if news {
		r.log.Error("the canary has left a bound", "revision", c.rev.digest, "why", why, "aborted", bounds.abort)
	}
	due := len(c.steps) > 0 && !time.Now().Before(c.changed.Add(c.every))
	if why == "" && !due || why != "" && !bounds.abort {
		return
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if r.rollouts.canary.Load() != c {
		return
	}
	switch {
	case why != "":
		if err := r.unshare(ctx, c, "aborted: "+why, false); errors.Is(err, ErrConflict) {
			return // somebody else changed it, which is about to be taken up; the next look is at that
		} else if err != nil {
			r.leaveAlone(c, "aborted: "+why, err)
		}
		r.endCanary(c, "aborted: "+why, func() { r.govern(ctx, nil) })
		r.auditOwn(ctx, AuditEntry{Operation: "abortCanary", Target: "canary", Reason: why, Before: c.base.digest, After: c.base.digest})
	case c.steps[0] >= 1:
		if _, err := r.promote(ctx, c.by, c, "promoted after its last step"); errors.Is(err, ErrConflict) {
			return // another instance was first, or another set was
		} else if err != nil {
			r.log.Error("the canary cannot be promoted, and goes on", "revision", c.rev.digest, "error", err)
			return
		}
		r.auditOwn(ctx, AuditEntry{
			Operation: "promoteCanary", Target: "canary", Reason: "its last step, as " + cmp.Or(c.by.Name, "the instance") + " asked for",
			Before: c.base.digest, After: c.rev.digest,
		})
	default:
		next := c.again()
		next.share, next.steps, next.changed, next.compare = c.steps[0], c.steps[1:], time.Now(), &engine.Comparison{}
		if err := r.share(ctx, next); errors.Is(err, ErrConflict) {
			return // another instance was first
		} else if err != nil {
			r.log.Error("the canary cannot take its step", "revision", c.rev.digest, "error", err)
			return
		}
		r.govern(ctx, next)
		r.log.Info("canary takes a step", "revision", next.rev.digest, "part", next.text())
	}
}

// canaryBounds are shares: of samples that go on in the rest and do not in the canary,
// and of records that become dead letters.
type canaryBounds struct {
	lost, letters float64
	abort         bool // when it does not
}

// canaryBounds are those that the operator has set for a set on probation.
func (r *Runtime) canaryBounds() canaryBounds {
	b := &r.policies.bounds
	return canaryBounds{lost: b.lost, letters: b.deadLetters, abort: b.rollback}
}

// left says which bound a canary has left, "" for none.
func (c *canary) left(b *canaryBounds) string {
	rest, canary := c.compare.Sides()
	was, is := side(&rest), side(&canary)
	if is.Samples < enough {
		return ""
	}
	if share := float64(is.DeadLetters) / float64(is.Samples); share > b.letters {
		return fmt.Sprintf("%.1f %% of its samples became dead letters, more than %.0f %%", 100*share, 100*b.letters)
	}
	if was.Samples >= enough && was.On > 0 && 1-is.On/was.On > b.lost {
		return fmt.Sprintf("%.1f %% of its samples go on, and %.1f %% of the rest: more than %.0f %% of those are lost", 100*is.On, 100*was.On, 100*b.lost)
	}
	return ""
}

// side puts what a side did into words.
func side(s *engine.Side) CanarySide {
	out := CanarySide{Samples: s.Samples, Dispositions: map[string]int64{}, DeadLetters: s.DeadLetters}
	for d, n := range s.By {
		if n != 0 {
			out.Dispositions[ledger.Disposition(d).String()] = n
		}
	}
	on := s.By[ledger.InFlight] - s.DeadLetters + s.By[ledger.Held] + s.By[ledger.Out] + s.By[ledger.Aggregated] + s.By[ledger.Merged]
	if s.Samples > 0 {
		out.On = float64(on) / float64(s.Samples)
	}
	if s.Reports > 0 {
		out.LagSeconds = math.Round(float64(s.LagMs)/float64(s.Reports)) / 1000
	}
	return out
}

// status tells of a canary; how says how it ended, "" while it runs.
func (c *canary) status(how string) *CanaryStatus {
	rest, canary := c.compare.Sides()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &CanaryStatus{
		Revision: c.rev.digest, Base: c.base.digest, By: c.by.Name, Reason: c.reason, Since: c.since,
		Share: c.share, Partitions: c.partitions, Steps: c.steps, Canary: side(&canary), Rest: side(&rest),
		Unhealthy: c.unhealthy, Ended: how,
	}
	if how != "" {
		s.EndedAt = time.Now()
	} else if len(c.steps) > 0 {
		s.NextStep = c.changed.Add(c.every)
	}
	return s
}
