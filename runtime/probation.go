package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// bounds are what a set on probation has to keep, as the operator has set them.
type bounds struct {
	length                    time.Duration
	rollback                  bool
	deadLetters, lost, failed float64 // shares; 1: no bound
	lag                       float64 // seconds
}

func newBounds(p policy.Probation) (bounds, error) {
	b := bounds{rollback: p.Rollback}
	var errs [5]error
	var lag time.Duration
	b.length, errs[0] = policy.ParseDuration(p.For)
	lag, errs[1] = policy.ParseDuration(p.Lag)
	b.deadLetters, errs[2] = policy.ParseShare(p.DeadLetters)
	b.lost, errs[3] = policy.ParseShare(p.Lost)
	b.failed, errs[4] = policy.ParseShare(p.Failed)
	b.lag = lag.Seconds()
	if err := errors.Join(errs[:]...); err != nil {
		return b, fmt.Errorf("%w: probation: %w", ErrConfig, err)
	}
	return b, nil
}

// measures are what bounds are about, as sums since the instance started and as
// they are now. They are those of the first hop.
type measures struct {
	records, letters   uint64
	in, on             int64 // samples decided about, and those of them that went on
	partitions, failed int
	lag                float64 // seconds; NaN: nothing was read of late
}

// enough is how many samples or records a share is judged by at least.
const enough = 1000

// share is the share of samples that went on from m to now, -1 when they were too few.
func (m measures) share(now measures) float64 {
	if now.in-m.in < enough {
		return -1
	}
	return float64(now.on-m.on) / float64(now.in-m.in)
}

// measures takes them. Streams that began after a time have their backlog to read: how
// late they are says nothing of the policies.
func (r *Runtime) measures(before time.Time) measures {
	m := measures{lag: r.worstLag(before)}
	r.eachStream(func(sum *ledger.Entry) {
		m.records += sum.Records
		m.in += sum.In - sum.By[ledger.InFlight] - sum.By[ledger.Held]
		m.on += sum.By[ledger.Out] + sum.By[ledger.Aggregated] + sum.By[ledger.Merged]
		for _, n := range sum.DeadLetters {
			m.letters += n
		}
	})
	for _, h := range r.hops(&r.streams) {
		for _, p := range h.source.Status().Partitions {
			m.partitions++
			if p.State == kafka.StateFailed {
				m.failed++
			}
		}
	}
	return m
}

// trial is the probation of a set.
type trial struct {
	from    measures      // when it was put in force
	before  float64       // share of samples that went on under the good set; below 0: not known
	healthy time.Duration // that it has run while the instance was ready
	last    time.Time     // it was looked at
	told    bool          // that a bound was left, while rollback is off
}

// left says which bound the set has left, "" for none.
func (t *trial) left(b *bounds, now measures) string {
	records, letters := now.records-t.from.records, now.letters-t.from.letters
	if share := float64(letters) / float64(max(records, 1)); records >= enough && b.deadLetters < 1 && share > b.deadLetters {
		return fmt.Sprintf("%.1f %% of the records became dead letters, more than %.0f %%", 100*share, 100*b.deadLetters)
	}
	if share := t.from.share(now); share >= 0 && t.before > 0 && b.lost < 1 && 1-share/t.before > b.lost {
		return fmt.Sprintf("%.1f %% of the samples go on, %.1f %% did before: more than %.0f %% of those are lost", 100*share, 100*t.before, 100*b.lost)
	}
	if share := float64(now.failed) / float64(max(now.partitions, 1)); now.failed > t.from.failed && b.failed < 1 && share > b.failed {
		return fmt.Sprintf("the workers of %d of %d partitions failed, more than %.0f %%", now.failed, now.partitions, 100*b.failed)
	}
	if now.lag > b.lag && !(t.from.lag > b.lag) && !math.IsNaN(t.from.lag) {
		return fmt.Sprintf("reports are %.0f s old when they are read, more than %.0f s", now.lag, b.lag)
	}
	return ""
}

// probeEvery is how often a set on probation is looked at.
const probeEvery = time.Second

// probation is the part that watches over sets on probation.
func (r *Runtime) probation(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(min(probeEvery, max(r.policies.bounds.length/4, 10*time.Millisecond)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.probe(ctx)
		}
	}
}

// probe looks at the set in force: it stays on probation, is good, or goes back.
func (r *Runtime) probe(ctx context.Context) {
	s := r.policies
	s.mu.Lock()
	onTrial, waiting, since := s.trial != nil, s.applying, s.rev.since
	s.mu.Unlock()
	if waiting {
		rev := r.rev.Load()
		now, cancel := context.WithCancel(ctx)
		cancel()
		s.switched(rev, r.awaitWorkers(now))
	}
	if !onTrial {
		return
	}
	rev, why, passed := s.observe(r.measures(since), r.Ready() == nil, time.Now())
	switch {
	case why != "" && s.bounds.rollback:
		r.rollBack(ctx, rev, why)
	case why != "":
		r.log.Error("the policies in force have left a bound of their probation; rollback is off", "revision", rev.digest, "why", why)
	case passed:
		set := s.pass(rev)
		if set == nil {
			return
		}
		if err := s.keep.save(set); err != nil {
			r.log.Error("the policies in force are good, but cannot be kept for a restart", "error", err)
		}
		r.log.Info("policies have passed their probation", "revision", rev.digest)
	}
}

// observe lets time pass for the set on probation. It returns the set, the bound
// that it has left, or that it has passed.
func (s *standing) observe(now measures, ready bool, at time.Time) (rev *revision, why string, passed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.trial
	if t == nil {
		return nil, "", false
	}
	if ready && !s.applying && !t.last.IsZero() {
		t.healthy += at.Sub(t.last)
	}
	t.last = at
	if why = t.left(&s.bounds, now); why != "" {
		if t.told {
			return nil, "", false
		}
		t.told, t.healthy = true, 0
		return s.rev, why, false
	}
	return s.rev, "", ready && !s.applying && !t.told && t.healthy >= s.bounds.length
}

// rollBack puts the last good set in force in place of bad, if there is one and
// bad is still in force.
func (r *Runtime) rollBack(ctx context.Context, bad *revision, why string) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	s := r.policies
	s.mu.Lock()
	good, current := s.good, s.rev == bad
	s.mu.Unlock()
	if !current {
		return
	}
	if good == nil {
		r.log.Error("the policies in force have left a bound of their probation, and there are no good ones to go back to",
			"revision", bad.digest, "why", why)
		return
	}
	change, err := r.openTopology(ctx, good)
	if err != nil {
		r.log.Error("the policies in force have left a bound of their probation, and the streams and sinks of the good ones cannot be opened: tried again",
			"revision", bad.digest, "why", why, "error", err)
		s.askAgain(bad)
		return
	}
	r.log.Error("policies are rolled back", "revision", bad.digest, "to", good.bundle.Digest, "why", why)
	back := *good
	back.origin = Origin{Kind: OriginRollback, Place: good.origin.Place, Commit: good.origin.Commit, Ref: good.origin.Ref, Reason: why, At: time.Now()}
	if change != nil {
		change.set = &back
	}
	r.putInForce(ctx, &back, change)
	if r.cfg.Policies == sourceTopic {
		if err := r.pushBack(ctx, bad, &back); err != nil {
			r.log.Error("the fleet is not told of the rollback", "error", err)
		}
	}
	r.metrics.PolicyRollbacks.Add(1)
	s.mu.Lock()
	s.rollbacks++
	s.mu.Unlock()
	r.auditOwn(ctx, AuditEntry{Operation: "rollBackPolicies", Target: good.bundle.Digest, Reason: why, Before: bad.digest, After: good.bundle.Digest})
	s.fellBack(RefusedPolicy{At: time.Now(), Origin: bad.origin, Revision: bad.digest, Error: "rolled back: " + why})
}
