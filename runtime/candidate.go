package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// ErrForeignTeam says that who asks may not change what belongs to a team.
var ErrForeignTeam = errors.New("not yours to change")

// Bounds of a policy set that is handed over as files.
const (
	MaxCandidateFiles = 5_000
	MaxCandidateBytes = 16 << 20
)

// Candidate is a policy set that may become the one in force.
type Candidate struct {
	Files   map[string]string // text by path: teams/pay/keep.cue
	Plugins map[string]string // digest by path, of those that the files name by path; they must be stored here
	Reason  string            // 3 to 500 characters
}

// ReadCandidate reads the CUE files of a set that is to be handed over, with what is
// wrong with them as files, as Check finds it. Not all that is wrong is found: the
// set is evaluated where it is handed over.
func ReadCandidate(set fs.FS) (files map[string]string, found []diag.Diagnostic, err error) {
	if files, found, err = policy.Files(set); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return files, found, nil
}

// evaluate evaluates and tests a set that is handed over, as it would be to put it
// in force. The cache is used by one at a time, who holds r.reloading.
func (r *Runtime) evaluate(ctx context.Context, files, plugins map[string]string, cached bool) (loadedSet, error) {
	tree, err := r.handedOverFiles(files, plugins)
	if err != nil {
		return loadedSet{}, err
	}
	set, err := loadSet(ctx, tree, r.how(cached), "")
	set.lacking = tree.missing()
	return set, err
}

// how says how this instance evaluates policy sets.
func (r *Runtime) how(cached bool) Loading {
	how := r.loading
	how.Env = r.cfg.Env
	if !cached {
		how.cache = nil
	}
	return how
}

// handedOver is the origin of a set that somebody handed over now.
func handedOver(by Actor, reason string) Origin {
	return Origin{Kind: OriginPush, By: by.Name, From: by.Address, Reason: reason, At: time.Now()}
}

// loadCandidate evaluates a candidate. The report tells what was found; an error, or
// a report that refuses the set, leaves nothing behind.
func (r *Runtime) loadCandidate(ctx context.Context, actor Actor, c *Candidate) (loadedSet, error) {
	if err := checkReason(c.Reason); err != nil {
		return loadedSet{}, err
	}
	set, err := r.evaluate(ctx, c.Files, c.Plugins, false)
	set.origin = handedOver(actor, c.Reason)
	if err != nil || set.report.Refused() {
		return set, err
	}
	rev := r.rev.Load()
	if set.bundle.Digest == rev.digest {
		return set, fmt.Errorf("%w: this set is in force: %s", ErrRejected, rev.digest)
	}
	if err := r.opened().sameTopology(&set); err != nil {
		return set, err
	}
	err = r.takes(actor, rev, &set)
	return set, err
}

// takes says why a set that is right may not take the place of another here.
func (r *Runtime) takes(by Actor, was *revision, set *loadedSet) error {
	if err := r.fits(set); err != nil {
		return err
	}
	return within(by, was, set)
}

// within refuses what is of teams that an actor may not change.
func within(by Actor, was *revision, set *loadedSet) error {
	if len(by.Teams) == 0 {
		return nil
	}
	changes, err := program.DiffRules(was.written(), set.written())
	if err != nil {
		return err
	}
	for _, c := range changes {
		if team, _, _ := strings.Cut(string(c.Rule), "/"); !by.MayChange(team) {
			return fmt.Errorf("%w: %s may change what belongs to %s, and this changes %s %s",
				ErrForeignTeam, by.Name, strings.Join(by.Teams, ", "), c.Section, c.Rule)
		}
	}
	return nil
}

func (rev *revision) written() program.Written {
	return program.Written{Set: &rev.bundle.Set, Provenance: rev.bundle.Provenance}
}

func (l *loadedSet) written() program.Written {
	return program.Written{Set: &l.bundle.Set, Provenance: l.bundle.Provenance}
}

// Validation says whether a policy set could be put in force.
type Validation struct {
	Valid   bool   `json:"valid"`             // it could
	Summary string `json:"summary"`           // what was found, in one line
	Report  Report `json:"report"`            // what was found
	Refused string `json:"refused,omitempty"` // why it could not, although nothing in it is wrong: it has another stream, or is of other teams

	// Lacking are the paths of plugins that it was handed over with, and that are to be
	// pushed first.
	Lacking []string `json:"lacking,omitempty"`
}

// Validate evaluates a policy set and runs its tests, as Apply would, and changes
// nothing. Files and plugins are those of a Candidate. Errors: ErrRejected for what is no policy set at all, ErrBusy when others
// ask.
func (r *Runtime) Validate(ctx context.Context, by Actor, files, plugins map[string]string) (Validation, error) {
	done, err := r.try()
	if err != nil {
		return Validation{}, err
	}
	defer done()
	set, err := r.evaluate(ctx, files, plugins, false)
	if err != nil {
		return Validation{}, err
	}
	v := Validation{Valid: !set.report.Refused(), Summary: set.report.Summary(), Report: set.report, Lacking: set.lacking}
	if v.Report.Findings == nil {
		v.Report.Findings = []diag.Diagnostic{}
	}
	if v.Valid {
		if err := r.takes(by, r.rev.Load(), &set); err != nil {
			v.Valid, v.Refused = false, err.Error()
		}
	}
	return v, nil
}

// maxTrials is how many sets are evaluated at a time that are not to be put in
// force: each may take a core and much memory.
const maxTrials = 2

// try takes one of the places for an evaluation. done gives it back.
func (r *Runtime) try() (done func(), err error) {
	if r.trying.Add(1) > maxTrials {
		r.trying.Add(-1)
		return nil, fmt.Errorf("%w: %d policy sets are evaluated at a time", ErrBusy, maxTrials)
	}
	return func() { r.trying.Add(-1) }, nil
}

// PlanRequest asks what a policy set would do to the traffic of an instance.
type PlanRequest struct {
	Files   map[string]string // text by path: teams/pay/keep.cue
	Plugins map[string]string // digest by path, see Candidate
	Since   time.Duration     // traffic of that time until now, up to MaxTrafficSince; 0: TrafficSince

	// Gates, as PlanOptions has them.
	MaxDropped, MaxNewSeries *float64
}

// Plan compares a policy set with the one in force, over the series that came to
// this instance of late. Errors: *RejectedError with what is wrong with the set,
// those of Traffic, ErrBusy when others ask.
func (r *Runtime) Plan(ctx context.Context, q PlanRequest) (*Plan, error) {
	tree, err := r.handedOverFiles(q.Files, q.Plugins)
	if err != nil {
		return nil, err
	}
	since := q.Since
	if since == 0 {
		since = TrafficSince
	}
	if since < time.Second || since > MaxTrafficSince {
		return nil, fmt.Errorf("%w: since: %v is not from 1s to %v", ErrRejected, since, MaxTrafficSince)
	}
	done, err := r.try()
	if err != nil {
		return nil, err
	}
	defer done()
	inForce, err := r.Bundle()
	if err != nil {
		return nil, err
	}
	opts := PlanOptions{
		Base: PolicySource{Name: "in force", Prefix: "deployed", Bundle: inForce}, New: PolicySource{Name: "these files", Files: tree},
		Loading: r.how(false), TrafficName: "live", MaxDropped: q.MaxDropped, MaxNewSeries: q.MaxNewSeries,
	}
	p, err := r.planLive(ctx, opts, since)
	if err == nil && p.Refused() {
		err = &RejectedError{p.New.report}
	}
	return p, err
}

// planLive makes a plan over what Traffic writes meanwhile.
func (r *Runtime) planLive(ctx context.Context, opts PlanOptions, since time.Duration) (*Plan, error) {
	in, out := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := r.Traffic(ctx, out, since, 0)
		written <- err
		out.CloseWithError(err)
	}()
	opts.Traffic = in
	p, err := NewPlan(ctx, opts)
	in.CloseWithError(io.ErrClosedPipe) // a set that is refused leaves the traffic unread
	if cut := <-written; cut != nil && !errors.Is(cut, io.ErrClosedPipe) {
		return nil, cut
	}
	return p, err
}
