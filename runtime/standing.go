package runtime

import (
	"log/slog"
	"sync"
	"time"
)

// standing is what an instance knows of its policy sets beside the one in force:
// whether that one has shown that it is good, what to fall back on, and what the
// source has that does not run.
type standing struct {
	log    *slog.Logger
	bounds bounds
	keep   keeper

	mu        sync.Mutex
	rev       *revision // in force
	set       *loadedSet
	late      []string
	applying  bool
	trial     *trial     // of rev; nil: it is good
	good      *loadedSet // nil: none has shown it yet
	goodShare float64    // of samples that went on under the good set; below 0: not known
	mark      measures   // when rev was put in force
	refused   *RefusedPolicy
	barred    string // revision that was rolled back: the source must have another first
	checked   time.Time
	rollbacks uint64
	fallback  bool
	pushed    bool
	taken     int // number of the last pushed revision that was looked at
}

// begin notes that a set is about to be put in force.
func (s *standing) begin(set *loadedSet, rev *revision, now measures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rev != nil && s.trial == nil { // the good set ends its time: how much went on under it?
		if share := s.mark.share(now); share >= 0 {
			s.goodShare = share
		}
	}
	s.rev, s.set, s.mark, s.applying, s.late = rev, set, now, true, nil
	s.trial = &trial{from: now, before: s.goodShare}
	if s.good != nil && s.good.bundle.Digest == rev.digest {
		s.trial = nil
		s.keep.endTrial()
		return
	}
	if s.good != nil {
		s.keep.beginTrial(rev.digest)
	}
}

// overridden notes that the set in force goes on with another program. What went
// on before is no measure of it any more.
func (s *standing) overridden(was, is *revision, now measures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rev != was {
		return
	}
	s.rev, s.mark = is, now
	if s.trial != nil {
		s.trial.from, s.trial.before = now, -1
	}
}

// switched notes who runs the set that was put in force last.
func (s *standing) switched(rev *revision, late []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rev == rev {
		s.applying, s.late = len(late) > 0, late
	}
}

// refuse notes that the source has a set that cannot run, or none that can be read.
// It reports whether that is news.
func (s *standing) refuse(p RefusedPolicy) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked = p.At
	was := s.refused
	s.refused = &p
	return was == nil || was.Error != p.Error || was.Origin.Commit != p.Origin.Commit || len(was.Findings) != len(p.Findings)
}

// accept notes that the source has a set that can run.
func (s *standing) accept() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked, s.refused, s.barred, s.fallback, s.pushed = time.Now(), nil, "", false, false
}

// isBarred reports whether a revision was rolled back and is what the source still has.
func (s *standing) isBarred(digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.barred == digest
}

// askAgain lets the next look at a set on probation say again that it has left a bound.
func (s *standing) askAgain(rev *revision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rev == rev && s.trial != nil {
		s.trial.told = false
	}
}

// pass notes that the set in force is good, and returns it; nil when it is another
// one by now.
func (s *standing) pass(rev *revision) *loadedSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rev != rev || s.trial == nil {
		return nil
	}
	s.good, s.trial = s.set, nil
	return s.set
}

// lastGood returns the set to fall back on; nil: none has shown that it is good.
func (s *standing) lastGood() *loadedSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good
}

// fellBack notes that the good set is in force in place of one that is not.
func (s *standing) fellBack(bad RefusedPolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused, s.barred, s.fallback = &bad, bad.Revision, true
}

// status tells what is known.
func (s *standing) status() PolicyStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := PolicyStatus{
		Revision: s.rev.digest, State: PolicyGood, Since: s.rev.since, Origin: s.rev.origin, Waiting: s.late,
		Pushed: s.pushed, Fallback: s.fallback, Checked: s.checked, Refused: s.refused, Rollbacks: s.rollbacks,
	}
	switch {
	case s.applying:
		p.State = PolicyApplying
	case s.trial != nil:
		p.State, p.Healthy = PolicyProbation, s.trial.healthy.Seconds()
	}
	if s.good != nil {
		p.LastGood = s.good.bundle.Digest
	}
	return p
}
