package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
)

// Errors of a rollout.
var (
	// ErrRollout says that a canary or a shadow runs already, or that none does.
	ErrRollout = errors.New("rollout")

	// ErrForeignTeam says that who asks may not change what belongs to a team.
	ErrForeignTeam = errors.New("not yours to change")
)

// Bounds of a policy set that is handed over as files.
const (
	MaxCandidateFiles = 5_000
	MaxCandidateBytes = 16 << 20
)

// Candidate is a policy set that may become the one in force.
type Candidate struct {
	Files  map[string]string // text by path: teams/pay/keep.cue
	Reason string            // 3 to 500 characters
}

// RolloutStatus tells of the candidates of an instance: the JSON of
// /api/v1/policies/rollout.
type RolloutStatus struct {
	Revision string        `json:"revision"`         // in force
	Canary   *CanaryStatus `json:"canary,omitempty"` // that runs, or ended last
	Shadow   *ShadowStatus `json:"shadow,omitempty"` // that runs, or ended last
}

// rollouts are the candidates of an instance.
type rollouts struct {
	canary atomic.Pointer[canary] // that governs something; nil: none

	refused string // digest of the fleet's canary that does not run here; guarded by reloading

	mu      sync.Mutex
	changed chan struct{} // closed when canary changes
	last    *CanaryStatus // of the canary that ended last
	shadow  *shadow       // that runs, or ended last
	wake    chan struct{} // a shadow is to run
}

func newRollouts() *rollouts {
	return &rollouts{changed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// moved returns what is closed when another canary, or none, is in force. Take it
// before looking.
func (o *rollouts) moved() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// Rollout tells of the canary and of the shadow.
func (r *Runtime) Rollout() RolloutStatus {
	s := RolloutStatus{Revision: r.rev.Load().digest}
	o := r.rollouts
	o.mu.Lock()
	s.Canary = o.last
	shadow := o.shadow
	o.mu.Unlock()
	if c := o.canary.Load(); c != nil {
		s.Canary = c.status("")
	}
	if shadow != nil {
		s.Shadow = shadow.status()
	}
	return s
}

// rollout is the part that moves canaries on and runs shadows.
func (r *Runtime) rollout(ctx context.Context, ready func()) error {
	ready()
	var shadows sync.WaitGroup
	defer shadows.Wait()
	shadows.Go(func() { r.runShadows(ctx) })
	tick := time.NewTicker(canaryLook)
	defer tick.Stop()
	for {
		moved := r.canaryMoved()
		r.joinCanary(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-moved:
		case <-tick.C:
			r.lookAtCanary(ctx)
		}
	}
}

// load evaluates a candidate, as it would be to put it in force. The report tells
// what was found; an error, or a report that refuses the set, leaves nothing behind.
func (r *Runtime) loadCandidate(ctx context.Context, actor Actor, c *Candidate) (loadedSet, error) {
	if n := utf8.RuneCountInString(c.Reason); n < 3 || n > 500 {
		return loadedSet{}, fmt.Errorf("%w: reason: write 3 to 500 characters", ErrRejected)
	}
	files, err := filesOf(c.Files)
	if err != nil {
		return loadedSet{}, err
	}
	how := r.loading
	how.Env, how.cache = r.cfg.Env, nil
	set, err := loadSet(ctx, files, how, "")
	set.origin = Origin{Kind: OriginPush, By: actor.Name, From: actor.Address, Reason: c.Reason, At: time.Now()}
	if err != nil || set.report.Refused() {
		return set, err
	}
	if err := r.opened().sameTopology(&set); err != nil {
		return set, err
	}
	rev := r.rev.Load()
	if set.bundle.Digest == rev.digest {
		return set, fmt.Errorf("%w: this set is in force: %s", ErrRejected, rev.digest)
	}
	changes, err := program.DiffRules(program.Written{Set: &rev.bundle.Set}, program.Written{Set: &set.bundle.Set})
	if err != nil {
		return set, err
	}
	for _, x := range changes {
		if team, _, _ := strings.Cut(string(x.Rule), "/"); !actor.MayChange(team) {
			return set, fmt.Errorf("%w: %s %s is of team %s, and you may change what belongs to %s",
				ErrForeignTeam, x.Section, x.Rule, team, strings.Join(actor.Teams, ", "))
		}
	}
	return set, nil
}

// instrumentRollouts feeds the metrics of the canary and of the shadow.
func (r *Runtime) instrumentRollouts() {
	r.metrics.CanaryShare.Collect(func(emit func(float64, ...string)) {
		share := 0.0
		if c := r.rollouts.canary.Load(); c != nil {
			share = c.share
		}
		emit(share)
	})
	r.metrics.CanarySamples.Collect(func(emit func(uint64, ...string)) {
		c := r.rollouts.canary.Load()
		if c == nil {
			return
		}
		rest, canary := c.compare.Sides()
		for name, s := range map[string]CanarySide{"rest": side(&rest), "canary": side(&canary)} {
			for d, n := range s.Dispositions {
				emit(uint64(max(n, 0)), name, d)
			}
		}
	})
	r.metrics.ShadowSeries.Collect(func(emit func(float64, ...string)) {
		x := r.Rollout().Shadow
		if x == nil || x.Impact == nil {
			return
		}
		counts := map[string]int{"unchanged": x.Impact.Unchanged}
		for _, m := range x.Impact.Moves {
			counts["verdict"] += m.Series
		}
		for _, m := range x.Impact.Relabels {
			counts["labels"] += m.Series
		}
		for _, m := range x.Impact.Reroutes {
			counts["sinks"] += m.Series
		}
		for _, m := range x.OtherRule {
			counts["rule"] += m.Series
		}
		for change, n := range counts {
			emit(float64(n), change)
		}
	})
}

// filesOf makes a file system of texts by path.
func filesOf(texts map[string]string) (fs.FS, error) {
	tree, size := source.Tree{}, 0
	for name, text := range texts {
		if path.Ext(name) != ".cue" {
			return nil, fmt.Errorf("%w: files: %q is no path of a .cue file such as teams/pay/keep.cue", ErrRejected, name)
		}
		size += len(text)
		tree[name] = []byte(text)
	}
	if len(tree) == 0 || len(tree) > MaxCandidateFiles || size > MaxCandidateBytes {
		return nil, fmt.Errorf("%w: files: %d files of %d bytes; a set has 1 to %d files of %d bytes at most", ErrRejected,
			len(tree), size, MaxCandidateFiles, MaxCandidateBytes)
	}
	if err := tree.Check(); err != nil {
		return nil, fmt.Errorf("%w: files: %w", ErrRejected, err)
	}
	return tree, nil
}
