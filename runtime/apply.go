package runtime

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// revision is a policy set in force.
type revision struct {
	digest    string
	bundle    *policy.Bundle   // that program was compiled from
	plain     *program.Program // as the set has it
	program   *program.Program // under the overrides that hold
	origin    Origin
	since     time.Time // put in force
	documents documents
	replaced  chan struct{} // closed when another revision is in force
}

func newRevision(set *loadedSet) *revision {
	return &revision{
		digest: set.bundle.Digest, bundle: set.bundle, plain: set.program, program: set.program, origin: set.origin,
		since: time.Now(), replaced: make(chan struct{}),
	}
}

// same reports whether two revisions decide the same, and are written the same.
// Rules may differ with the date: they expire.
func (rev *revision) same(set *loadedSet) bool {
	return rev.digest == set.bundle.Digest && slices.Equal(rev.plain.Rules(), set.program.Rules())
}

// apply lets the hop run a revision: its workers go over with their next batch,
// which those without records are handed now.
func (h *hop) apply(rev *revision, c *canary) {
	h.engine.Apply(h.generation(rev, c))
	h.source.Wake()
}

func (h *hop) generation(rev *revision, c *canary) engine.Generation {
	g := engine.Generation{Revision: rev.digest}
	if h.governs {
		g.Program = rev.program
		if c != nil {
			g.Canary = c.part()
		}
	}
	return g
}

// applyPatience is how long a change waits for the workers. One whose sink does
// not answer goes over when it does.
const applyPatience = 10 * time.Second

// putInForce makes a set that is right the one in force, with the streams and sinks
// that were opened for it, and returns when every worker runs it, or names the
// partitions of those that do not after applyPatience. Nothing in it can fail. The
// caller holds r.reloading.
func (r *Runtime) putInForce(ctx context.Context, set *loadedSet, change *topologyChange) (late []string) {
	rev := newRevision(set)
	began := time.Now()
	r.policies.begin(set, rev, r.measures(began))
	was := r.enforce(rev, change)
	late = r.awaitWorkers(ctx)
	r.policies.switched(rev, late)
	r.metrics.PolicyLoads.Add(1, "applied")
	r.metrics.PolicyApplySeconds.Observe(time.Since(began).Seconds())
	r.log.Info("policies are in force", "revision", rev.digest, "before", was.digest, "origin", rev.origin.Kind,
		"commit", rev.origin.Commit, "rules", rev.program.Len())
	if len(late) > 0 {
		r.log.Warn("some workers still run the policies before: they wait for their outputs", "partitions", late)
	}
	return late
}

// enforce puts a revision in force, under the overrides that hold.
func (r *Runtime) enforce(rev *revision, change *topologyChange) (was *revision) {
	r.overriding.mu.Lock()
	defer r.overriding.mu.Unlock()
	return r.swap(r.under(rev), change)
}

// swap lets every hop that there is or will be run a revision, and changes which those
// are. r.overriding.mu is held.
func (r *Runtime) swap(rev *revision, change *topologyChange) (was *revision) {
	r.adopt(rev)
	r.mu.Lock()
	was = r.rev.Swap(rev)
	c := r.rollouts.superseded(rev)
	if change != nil {
		for _, h := range slices.Concat(change.streams, change.sinks) { // before they run
			h.apply(rev, c)
		}
		r.useTopology(change)
	}
	for _, h := range slices.Concat(r.streams, r.sinks) {
		h.apply(rev, c)
	}
	r.mu.Unlock()
	if change != nil {
		for _, h := range r.hops(&r.sinks) {
			h.source.Add(change.set.processedTopics()...)
		}
	}
	close(was.replaced)
	return was
}

// awaitWorkers returns when every worker runs what is in force, or the partitions
// of those that do not in time.
func (r *Runtime) awaitWorkers(ctx context.Context) (late []string) {
	ctx, cancel := context.WithTimeout(ctx, applyPatience)
	defer cancel()
	var mu sync.Mutex
	var waiting sync.WaitGroup
	wait := func(label string, hops []*hop) {
		for _, h := range hops {
			waiting.Go(func() {
				for _, p := range h.engine.Await(ctx) {
					mu.Lock()
					late = append(late, fmt.Sprintf("%s.%s %s[%d]", label, h.name, p.Topic, p.ID))
					mu.Unlock()
				}
			})
		}
	}
	wait("stream", r.hops(&r.streams))
	wait("sink", r.hops(&r.sinks))
	waiting.Wait()
	slices.Sort(late)
	return late
}

// Reload loads the policy set of the source again and puts it in force. The report
// tells what was found; one that refuses the set, or an error, leaves the set in
// force that was. Streams and sinks that the set adds, changes or takes away are opened
// before and closed after; the others do not notice. Reload returns when every worker
// runs the set; reporters that wait for a document take it up at once. A set that was
// rolled back is tried again.
func (r *Runtime) Reload(ctx context.Context) (Report, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	set, err := r.loadSource(ctx)
	_, err = r.takeSet(ctx, &set, err)
	return set.report, err
}

// takeSet puts a set of the source in force, unless err or its report keep it from
// that, which is noted, or it is in force already. The caller holds r.reloading.
func (r *Runtime) takeSet(ctx context.Context, set *loadedSet, err error) (late []string, _ error) {
	var change *topologyChange
	if err == nil && !set.report.Refused() {
		change, err = r.openTopology(ctx, set)
	}
	if err != nil || set.report.Refused() {
		if r.policies.refuse(refusal(set, err)) {
			r.metrics.PolicyLoads.Add(1, "refused")
		}
		return nil, err
	}
	r.policies.accept()
	if was := r.rev.Load(); was.same(set) {
		r.metrics.PolicyLoads.Add(1, "unchanged")
		r.log.Info("policies are unchanged", "revision", was.digest)
		return nil, nil
	}
	return r.putInForce(ctx, set, change), nil
}

// refusal says why a set does not run.
func refusal(set *loadedSet, err error) RefusedPolicy {
	p := RefusedPolicy{At: time.Now(), Origin: set.origin, Revision: set.report.Revision, Findings: set.report.Findings}
	if err != nil {
		p.Error = err.Error()
	} else {
		p.Error = firstError(set.report.Findings)
	}
	return p
}

// firstError is the first finding that refuses a set, on one line.
func firstError(found []diag.Diagnostic) string {
	for _, d := range found {
		if d.Severity == diag.Error {
			return d.Error()
		}
	}
	return ""
}
