package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
)

// policyOrigin is where an instance takes policy sets from.
type policyOrigin interface {
	// load returns the set that the origin has now; its origin is filled in.
	load(ctx context.Context, how Loading) (loadedSet, error)

	// watch calls changed whenever load may return another set, until ctx ends.
	watch(ctx context.Context, changed func())

	// accepts returns why nothing may be pushed, nil when it may.
	accepts() error
}

// newPolicyOrigin returns the one that the configuration names.
func (r *Runtime) newPolicyOrigin() (policyOrigin, error) {
	c, log := &r.cfg, r.log
	switch {
	case c.Policies == "":
		return builtIn{}, nil
	case c.Policies == sourceTopic:
		return topicOrigin{r}, nil
	case strings.HasPrefix(c.Policies, gitPrefix):
		return r.newGitOrigin()
	}
	return fileOrigin{
		files: source.NewDirectory(c.Policies, log), kind: OriginDirectory, place: c.Policies,
	}, nil
}

// builtIn is the default set, which needs no bounds and never changes.
type builtIn struct{}

func (builtIn) load(ctx context.Context, how Loading) (loadedSet, error) {
	how.Child = nil
	set, err := loadSet(ctx, policies.FS, how, defaultSet)
	set.origin = Origin{Kind: OriginBuiltIn, At: time.Now()}
	return set, err
}

func (builtIn) watch(ctx context.Context, _ func()) { <-ctx.Done() }

func (builtIn) accepts() error {
	return errors.New("this instance runs the built-in policies; start it with --policies topic to push others, or with --allow-push")
}

// fileOrigin is a set in files that others change.
type fileOrigin struct {
	files source.Source
	kind  string
	place string
}

func (o fileOrigin) load(ctx context.Context, how Loading) (loadedSet, error) {
	files, err := o.files.Load(ctx)
	from := Origin{Kind: o.kind, Place: o.place, Commit: files.Commit, Ref: files.Ref, Signer: files.Signer, At: time.Now()}
	if err != nil {
		return loadedSet{origin: from}, sourceFault(err)
	}
	set, err := loadSet(ctx, files, how, from.files())
	set.origin = from
	return set, err
}

// sourceFault tells a wrong setting from a repository that cannot be reached now.
func sourceFault(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: policies: %w", ErrConfig, err)
	}
	return fmt.Errorf("%w: policies: %w", ErrUnreachable, err)
}

func (o fileOrigin) watch(ctx context.Context, changed func()) { o.files.Watch(ctx, changed) }

func (o fileOrigin) accepts() error {
	return fmt.Errorf("the policies of this instance come from %s, which would take the change back; "+
		"change them there, or start the instance with --allow-push", o.place)
}

// loadSource loads the set that the source has now.
func (r *Runtime) loadSource(ctx context.Context) (loadedSet, error) {
	return r.from.load(ctx, r.how(true))
}

// firstSet chooses the set to start with: that of the source, or the last good one
// when the source has none that can run, or one with which the process crashed. It
// sets r.from, r.policies and, if there is any, r.opened().
func (r *Runtime) firstSet(ctx context.Context) (Report, error) {
	b, err := newBounds(r.cfg.Probation)
	if err != nil {
		return Report{}, err
	}
	r.policies = &standing{log: r.log, bounds: b, keep: newKeeper(r.cfg.DataDir, r.loading, r.log), goodShare: -1, checked: time.Now()}
	if r.from, err = r.newPolicyOrigin(); err != nil {
		return Report{}, err
	}
	good, crashed := r.policies.keep.load(), r.policies.keep.trial()
	r.policies.good = good // which is what the control topic has until it is read
	set, err := r.loadSource(ctx)
	if good != nil && crashed != good.bundle.Digest && r.cfg.Policies == sourceTopic {
		r.policies.barred = crashed // what was pushed is known later
	}
	switch runs := err == nil && !set.report.Refused(); {
	case good == nil && runs:
		r.topology.Store(&set)
	case good == nil || ctx.Err() != nil:
		return set.report, err
	case !runs:
		r.fallBack(good, refusal(&set, err))
	case set.report.Revision != good.bundle.Digest && crashed == set.report.Revision:
		r.fallBack(good, crashedUnder(&set))
	default:
		r.topology.Store(&set)
	}
	return set.report, nil
}

// crashedUnder is why a set is not tried again that the process has ended with.
func crashedUnder(set *loadedSet) RefusedPolicy {
	return RefusedPolicy{
		At: time.Now(), Origin: set.origin, Revision: set.bundle.Digest,
		Error: "the process ended while these policies were on probation; reload them to try again",
	}
}

// fallBack starts with the last good set, loudly.
func (r *Runtime) fallBack(good *loadedSet, why RefusedPolicy) {
	r.topology.Store(good)
	r.policies.fellBack(why)
	r.metrics.PolicyLoads.Add(1, "refused")
	r.log.Error("the last good policies run in place of those that are configured", "revision", good.bundle.Digest,
		"configured", why.Origin.Place, "why", why.Error)
}

// PolicyStatus tells of the policy set in force.
func (r *Runtime) PolicyStatus() PolicyStatus {
	p := r.policies.status()
	p.Source = cmp.Or(r.cfg.Policies, defaultSet)
	return p
}

// follow is the part that takes up what changes in the source.
func (r *Runtime) follow(ctx context.Context, ready func()) error {
	changed := make(chan struct{}, 1)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.from.watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default: // asked for already
			}
		})
	}()
	ready()
	again := retries{log: r.log, what: "the policies are not taken up, the old ones go on"}
	for {
		select {
		case <-ctx.Done():
			<-watched
			return nil
		case <-changed:
		case <-again.due:
		}
		again.after(r.takeUp(ctx))
	}
}

// A set that could not be taken up for a reason that may pass by itself is tried again
// after a pause that doubles: nobody has to change it for that.
const (
	againFirst = 2 * time.Second
	againMost  = 5 * time.Minute
)

// retries say when something is to be tried again, and tell why once.
type retries struct {
	log   *slog.Logger
	what  string
	due   <-chan time.Time // nil: not
	err   error            // of the last try
	pause time.Duration
}

// after takes note of a try.
func (t *retries) after(err error) {
	if t.err == nil || err == nil || t.err.Error() != err.Error() {
		t.pause = againFirst
		if err != nil {
			t.log.Error(t.what, "error", err)
		}
	}
	t.due, t.err = nil, err
	if errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNotReady) {
		t.due = time.After(t.pause)
		t.pause = min(2*t.pause, againMost)
	}
}

// takeUp puts in force what the source has now, unless that was rolled back. The error
// says why what may be right is not taken up.
func (r *Runtime) takeUp(ctx context.Context) error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	set, err := r.loadSource(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err == nil && !set.report.Refused() && r.policies.isBarred(set.bundle.Digest) {
		r.log.Info("the source still has the policies that were rolled back", "revision", set.bundle.Digest)
		return nil
	}
	was := r.Revision()
	_, err = r.takeSet(ctx, &set, err)
	switch now := r.Revision(); {
	case err != nil:
	case set.report.Refused():
		r.log.Error("the policies are refused, the old ones go on", "origin", set.origin.Place, "commit", set.origin.Commit,
			"findings", len(set.report.Findings), "first", firstError(set.report.Findings))
	case now != was && r.cfg.Policies != sourceTopic: // who pushes is in the audit of where it was pushed
		e := AuditEntry{Operation: "followPolicies", Target: set.origin.Place, Reason: "the source has changed", Before: was, After: now}
		if set.origin.Commit != "" {
			e.Detail = map[string]string{"commit": set.origin.Commit, "ref": set.origin.Ref}
		}
		r.auditOwn(ctx, e)
	}
	return err
}
