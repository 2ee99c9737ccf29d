package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Rollback puts a revision of the history in force again, in the same way as Apply.
// The revision is a digest, or the beginning of one, of at least 6 digits; "" is the
// one before the current. Errors besides those of Apply: ErrUnknown.
func (r *Runtime) Rollback(ctx context.Context, by Actor, revision, reason string) (ApplyResult, error) {
	if err := r.mayPush(ctx); err != nil {
		return ApplyResult{}, err
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	to, err := r.find(revision)
	if err != nil {
		return ApplyResult{}, err
	}
	set, err := r.pushedSet(to)
	if err != nil {
		return ApplyResult{}, err
	}
	set.origin = Origin{
		Kind: OriginRollback, Commit: to.Origin.Commit, Ref: to.Origin.Ref,
		By: by.Name, From: by.Address, Reason: reason, At: time.Now(),
	}
	return r.push(ctx, by, &set, false)
}

// find returns the newest revision of the history that a digest, or its beginning,
// names; "" is the newest one with another digest than that in force.
func (r *Runtime) find(revision string) (control.Revision, error) {
	const shortest = 6
	if revision != "" && (len(revision) < shortest || strings.Trim(revision, "0123456789abcdef") != "") {
		return control.Revision{}, fmt.Errorf("%w: revision: %q is no digest: write %d hexadecimal digits of it or more", ErrRejected, revision, shortest)
	}
	log := r.control.Load()
	if log == nil {
		return control.Revision{}, fmt.Errorf("%w: the control topic is not read yet", ErrNotReady)
	}
	var found []control.Revision
	now := r.rev.Load().digest
	for _, rev := range control.NewRevisions(log).History() {
		switch {
		case revision == "" && rev.Digest != now:
			return rev, nil
		case revision != "" && strings.HasPrefix(rev.Digest, revision):
			if !slices.ContainsFunc(found, func(f control.Revision) bool { return f.Digest == rev.Digest }) {
				found = append(found, rev)
			}
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return control.Revision{}, fmt.Errorf("%w: revision: %s is the beginning of several: write more of it", ErrRejected, revision)
	case revision == "":
		return control.Revision{}, fmt.Errorf("%w: the history has none but the one in force", ErrUnknown)
	}
	return control.Revision{}, fmt.Errorf("%w: %s is not in the history", ErrUnknown, revision)
}

// HistoryEntry is a revision that was pushed.
type HistoryEntry struct {
	Number   int    `json:"number"`         // place in the history, from 1
	Revision string `json:"revision"`       // digest of the policy set
	Base     string `json:"base,omitempty"` // digest of the one before it
	Origin   Origin `json:"origin"`         // who pushed it, from where, when and why
	InForce  bool   `json:"in_force"`       // this instance runs it
}

// History returns the revisions that were pushed to the fleet, the newest first, at
// most a hundred. A set in force that was not pushed is not among them.
func (r *Runtime) History() []HistoryEntry {
	out := []HistoryEntry{}
	log := r.control.Load()
	if log == nil {
		return out
	}
	now, marked := r.rev.Load().digest, false
	for _, rev := range control.NewRevisions(log).History() {
		e := HistoryEntry{Number: rev.N, Revision: rev.Digest, Base: rev.Base, Origin: originOf(rev)}
		e.InForce = !marked && rev.Digest == now
		marked = marked || e.InForce
		out = append(out, e)
	}
	return out
}

// Diff says how two revisions of the history differ, rule by rule; "" is the one
// in force. Errors as those of Rollback.
func (r *Runtime) Diff(from, to string) ([]RuleChange, error) {
	before, err := r.written(from)
	if err != nil {
		return nil, err
	}
	after, err := r.written(to)
	if err != nil {
		return nil, err
	}
	changes, err := program.DiffRules(before, after)
	if changes == nil {
		changes = []RuleChange{}
	}
	return changes, err
}

func (r *Runtime) written(revision string) (program.Written, error) {
	if now := r.rev.Load(); revision == "" || len(revision) >= 6 && strings.HasPrefix(now.digest, revision) {
		return now.written(), nil
	}
	rev, err := r.find(revision)
	if err != nil {
		return program.Written{}, err
	}
	set, err := r.pushedSet(rev)
	if err != nil {
		return program.Written{}, err
	}
	return set.written(), nil
}
