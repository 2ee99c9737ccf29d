package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// Errors of a change of policies that was asked for.
var (
	ErrConflict = errors.New("the policies have changed meanwhile") // see ApplyRequest.Base
	ErrForeign  = errors.New("policies come from elsewhere")        // and would be taken back by their source
	ErrUnknown  = errors.New("unknown revision")                    // not in the history
)

// ApplyRequest asks for a policy set to be put in force.
type ApplyRequest struct {
	Files   map[string]string `json:"files"`             // text by path, such as teams/pay/policy.cue
	Plugins map[string]string `json:"plugins,omitempty"` // digest by path, such as plugins/mask.wasm, of those that the files name by path; they must be stored
	Reason  string            `json:"reason,omitempty"`  // why, for the history
	Plan    *PlanBinding      `json:"plan,omitempty"`    // that was agreed to
	Fleet   bool              `json:"fleet,omitempty"`   // the answer waits until every instance that is heard of runs it

	// Base is the revision that must be in force, "" for any.
	Base string `json:"-"`
}

// PlanBinding is what a plan says that a change is bound to: the change is refused
// unless it leads from Base to Revision.
type PlanBinding struct {
	Digest   string `json:"digest"`   // of the plan, for the history
	Base     string `json:"base"`     // revision that the plan compared with
	Revision string `json:"revision"` // that the plan was made for
}

// ApplyResult is what became of a change.
type ApplyResult struct {
	Revision string            `json:"revision"`           // in force now
	Before   string            `json:"before"`             // in force until then
	Number   int               `json:"number,omitempty"`   // in the history of pushed revisions
	Changed  bool              `json:"changed"`            // the revision is another one
	Rules    int               `json:"rules"`              // in the set
	Waiting  []string          `json:"waiting,omitempty"`  // partitions whose worker does not run it yet: it waits for its outputs
	Behind   []string          `json:"behind,omitempty"`   // instances that do not run it yet, where the fleet was waited for
	Findings []diag.Diagnostic `json:"findings,omitempty"` // warnings
}

// RejectedError says that a policy set is wrong. It unwraps to ErrRejected.
type RejectedError struct{ Report Report }

func (e *RejectedError) Error() string {
	return "rejected: the policy set is wrong: " + firstError(e.Report.Findings)
}

// Unwrap returns ErrRejected.
func (e *RejectedError) Unwrap() error { return ErrRejected }

// Apply compiles a policy set, runs its tests, pushes it to the control topic and
// puts it in force; every instance that follows the topic takes it up. It returns
// when every worker of this instance runs it, or says which do not. Errors:
// ErrForeign where another source would take the change back, *RejectedError with
// what is wrong, ErrForeignTeam for teams that the actor may not change, ErrConflict
// when another set is in force than Base or the plan say, or another push was first.
func (r *Runtime) Apply(ctx context.Context, by Actor, req ApplyRequest) (ApplyResult, error) {
	if err := r.mayPush(ctx); err != nil {
		return ApplyResult{}, err
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if now := r.rev.Load().digest; req.Base != "" && req.Base != now {
		return ApplyResult{}, fmt.Errorf("%w: revision %.12s is in force, not %.12s", ErrConflict, now, req.Base)
	}
	set, err := r.evaluate(ctx, req.Files, req.Plugins, true)
	if err != nil {
		return ApplyResult{}, err
	}
	if set.report.Refused() {
		r.metrics.PolicyLoads.Add(1, "refused")
		return ApplyResult{}, &RejectedError{set.report}
	}
	if err := r.agreed(req.Plan, &set); err != nil {
		return ApplyResult{}, err
	}
	set.origin = handedOver(by, req.Reason)
	if req.Plan != nil {
		set.origin.Plan = req.Plan.Digest
	}
	return r.push(ctx, by, &set, req.Base != "" || req.Plan != nil)
}

// pushPatience is how long a push waits for the control topic to be read, at the
// start of an instance.
const pushPatience = 5 * time.Second

// mayPush says why nothing may be pushed to this instance now.
func (r *Runtime) mayPush(ctx context.Context) error {
	if err := r.from.accepts(); err != nil && !r.cfg.AllowPush {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	ctx, cancel := context.WithTimeout(ctx, pushPatience)
	defer cancel()
	return r.awaitControl(ctx)
}

// awaitControl returns when the control topic was read to its end, or ErrNotReady
// when ctx ends before.
func (r *Runtime) awaitControl(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := r.controlLog()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// agreed compares a change with the plan that it is bound to.
func (r *Runtime) agreed(p *PlanBinding, set *loadedSet) error {
	now := r.rev.Load().digest
	switch {
	case p == nil:
	case p.Revision != set.bundle.Digest:
		return fmt.Errorf("%w: the plan is for revision %.12s, but these files are %.12s: plan again", ErrConflict, p.Revision, set.bundle.Digest)
	case p.Base != now:
		return fmt.Errorf("%w: the plan starts from revision %.12s, but %.12s is in force: plan again", ErrConflict, p.Base, now)
	}
	return nil
}

// push puts a set on the control topic and in force; where it was made for the set
// in force, only while nobody has pushed another. The caller holds r.reloading.
func (r *Runtime) push(ctx context.Context, by Actor, set *loadedSet, bound bool) (ApplyResult, error) {
	was := r.rev.Load()
	out := ApplyResult{Revision: set.bundle.Digest, Before: was.digest, Rules: set.program.Len(), Findings: set.report.Findings}
	if err := r.takes(by, was, set); err != nil {
		return ApplyResult{}, err
	}
	revisions := control.NewRevisions(r.control.Load())
	current, pushed := revisions.Current()
	if bound && pushed && r.behind(current) {
		return ApplyResult{}, fmt.Errorf("%w: %s has pushed %.12s, which is not in force here yet", ErrConflict, current.By, current.Digest)
	}
	if err := r.stores(ctx, by, set); err != nil {
		return ApplyResult{}, err
	}
	if was.same(set) && pushed && current.Digest == set.bundle.Digest {
		out.Number = current.N
		return out, nil
	}
	text, err := json.Marshal(set.bundle)
	if err != nil {
		return ApplyResult{}, fmt.Errorf("bundle: %w", err)
	}
	change, err := r.openTopology(ctx, set)
	if err != nil {
		return ApplyResult{}, err
	}
	o := set.origin
	rev, err := revisions.Push(ctx, control.Revision{
		Digest: set.bundle.Digest, Base: current.Digest, By: o.By, From: o.From, Reason: o.Reason, Plan: o.Plan,
		Origin: control.Origin{Kind: o.Kind, Commit: o.Commit, Ref: o.Ref},
	}, text)
	if err != nil {
		r.discard(change)
	}
	if errors.Is(err, control.ErrConflict) {
		return ApplyResult{}, fmt.Errorf("%w: %w", ErrConflict, err)
	} else if err != nil {
		return ApplyResult{}, fmt.Errorf("%w: control topic: %w", ErrUnreachable, err)
	}
	out.Number, out.Changed = rev.N, true
	out.Waiting = r.takePushed(ctx, set, rev.N, change)
	return out, nil
}

// stores refuses a set with a plugin that is not stored: one that was deleted may still
// run here, and would not after a restart, or elsewhere. One that is in the directory of
// this instance alone is given to the fleet by who puts the set in force.
func (r *Runtime) stores(ctx context.Context, by Actor, set *loadedSet) error {
	used := transformsBy(&set.bundle.Set)
	for _, digest := range slices.Sorted(maps.Keys(used)) {
		wasm, err := r.depot.Get(digest)
		if err != nil {
			return fmt.Errorf("%w: the plugin of %s: %w; push it first", ErrRejected, strings.Join(used[digest], ", "), err)
		}
		if r.depot.Shared(digest) {
			continue
		}
		info, err := plugins.Inspect(wasm)
		if err == nil {
			err = r.keepForFleet(ctx, by, wasm, &info)
		}
		if err != nil {
			return fmt.Errorf("the plugin of %s is in the directory of this instance alone, and cannot be given to the fleet: %w", strings.Join(used[digest], ", "), err)
		}
		r.log.Info("a plugin of this instance is given to the fleet", "plugin", info.Manifest.Name, "version", info.Manifest.Version, "digest", digest, "by", by.Name)
	}
	return nil
}

// waitsForPolicies reports whether streams and sinks wait for the first push.
func (r *Runtime) waitsForPolicies() bool { return r.cfg.Policies == sourceTopic && !r.chosen.Load() }

// behind reports whether this instance has yet to take up the newest pushed revision:
// who asks it for a change does not know of that one.
func (r *Runtime) behind(newest control.Revision) bool {
	if r.cfg.Policies == sourceTopic {
		return newest.Digest != r.rev.Load().digest
	}
	r.policies.mu.Lock()
	defer r.policies.mu.Unlock()
	return newest.N > r.policies.taken
}

// takePushed puts a revision of the control topic in force, with the
// streams and sinks that were opened for it.
func (r *Runtime) takePushed(ctx context.Context, set *loadedSet, n int, change *topologyChange) (late []string) {
	s := r.policies
	s.accept()
	s.mu.Lock()
	s.taken, s.pushed = n, r.from.accepts() != nil
	s.mu.Unlock()
	if r.rev.Load().same(set) {
		return nil
	}
	return r.putInForce(ctx, set, change)
}

// pushedSet compiles a revision of the control topic; CUE is not evaluated.
func (r *Runtime) pushedSet(rev control.Revision) (loadedSet, error) {
	text, err := control.NewRevisions(r.control.Load()).Bundle(rev.Digest)
	if err != nil {
		return loadedSet{}, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	set, err := loadBundle(text, r.loading)
	if err != nil {
		return loadedSet{}, err
	}
	set.origin = originOf(rev)
	if set.report.Refused() {
		return set, &RejectedError{set.report}
	}
	return set, nil
}

func originOf(rev control.Revision) Origin {
	return Origin{
		Kind: rev.Origin.Kind, Place: controlTopic, Commit: rev.Origin.Commit, Ref: rev.Origin.Ref,
		By: rev.By, From: rev.From, Reason: rev.Reason, Plan: rev.Plan, At: rev.At,
	}
}

// fleetPatience is how long a change waits for the fleet: longer than it takes to
// know that an instance has gone.
const fleetPatience = 20 * time.Second

// AwaitFleet returns when every instance that is heard of runs a revision or, with
// the names of those that do not, when it has waited for 20 s or ctx ends.
func (r *Runtime) AwaitFleet(ctx context.Context, revision string) (behind []string) {
	ctx, cancel := context.WithTimeout(ctx, fleetPatience)
	defer cancel()
	for {
		changed := r.FleetChanged()
		fleet := r.Fleet()
		if behind = fleet.behind(revision); len(behind) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return behind
		}
	}
}
