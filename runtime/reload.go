package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// revision is a policy set in force.
type revision struct {
	digest    string
	bundle    *policy.Bundle // that program was compiled from
	program   *program.Program
	documents documents
	replaced  chan struct{} // closed when another revision is in force
}

func newRevision(set *loadedSet) *revision {
	return &revision{digest: set.bundle.Digest, bundle: set.bundle, program: set.program, replaced: make(chan struct{})}
}

// apply lets the hop run a revision: its workers go over with their next batch.
func (h *hop) apply(rev *revision) { h.engine.Apply(h.generation(rev)) }

func (h *hop) generation(rev *revision) engine.Generation {
	if h.governs {
		return engine.Generation{Program: rev.program, Revision: rev.digest}
	}
	return engine.Generation{Revision: rev.digest}
}

// Reload loads the policy set again and puts it in force. The report tells what
// was found; one that refuses the set, or an error, leaves the set in force that
// was. Streams and sinks are what an instance was started with: a set that
// changes them is refused with ErrRejected. Workers, and reporters that wait for
// a document, take the set up at once; the sources and sinks do not notice.
func (r *Runtime) Reload(ctx context.Context) (Report, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	set, err := r.cfg.load(ctx, r.loading)
	if err == nil && !set.report.Refused() {
		err = r.set.sameTopology(&set)
	}
	if err != nil || set.report.Refused() {
		r.metrics.PolicyLoads.Add(1, "refused")
		return set.report, err
	}
	if was := r.rev.Load(); was.digest == set.bundle.Digest && slices.Equal(was.program.Rules(), set.program.Rules()) {
		r.metrics.PolicyLoads.Add(1, "unchanged")
		r.log.Info("policies are unchanged", "revision", was.digest)
		return set.report, nil
	}
	rev := newRevision(&set)
	was := r.enforce(rev)
	r.metrics.PolicyLoads.Add(1, "applied")
	r.log.Info("policies reloaded", "revision", rev.digest, "before", was.digest, "rules", set.report.Rules)
	return set.report, nil
}

// enforce puts a revision in force, in every hop that there is or will be.
func (r *Runtime) enforce(rev *revision) (was *revision) {
	r.adopt(rev)
	r.mu.Lock()
	was = r.rev.Swap(rev)
	for _, h := range slices.Concat(r.streams, r.sinks) {
		h.apply(rev)
	}
	r.mu.Unlock()
	close(was.replaced)
	return was
}

// sameTopology refuses a set with other streams or sinks than those that run.
func (l *loadedSet) sameTopology(next *loadedSet) error {
	plainStream := func(s policy.Stream) policy.Stream { s.Description = ""; return s }
	plainSink := func(s policy.Sink) policy.Sink { s.Description = ""; return s }
	changes := slices.Concat(
		differences("stream", l.streams(), next.streams(), plainStream),
		differences("sink", l.sinks(), next.sinks(), plainSink))
	if len(changes) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; streams and sinks are opened when an instance starts: restart it to run this set",
		ErrRejected, strings.Join(changes, ", "))
}

// differences says how two sections differ in what runs, by name.
func differences[T any](what string, now, next map[string]T, plain func(T) T) (out []string) {
	names := maps.Clone(now)
	maps.Copy(names, next)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, was := now[name]
		b, is := next[name]
		switch {
		case !was:
			out = append(out, what+" "+name+" is new")
		case !is:
			out = append(out, what+" "+name+" is gone")
		case !sameJSON(plain(a), plain(b)):
			out = append(out, what+" "+name+" changes")
		}
	}
	return out
}
