package runtime

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// DeletePlugin deletes a plugin in the whole fleet, by its digest or the first digits
// of it. One that policies name which run, govern a part or are tried stays; one that
// revisions name which could be rolled back to stays unless it is forced. Errors:
// ErrNoPlugin, ErrPluginUsed with who names it, ErrNotReady, ErrUnreachable.
func (r *Runtime) DeletePlugin(ctx context.Context, by Actor, digest string, force bool) (StoredPlugin, error) {
	r.reloading.Lock() // nothing that names it is put in force meanwhile
	defer r.reloading.Unlock()
	p, err := r.findPlugin(digest)
	if err != nil {
		return StoredPlugin{}, err
	}
	if err := r.unusedNow(&p); err != nil {
		return StoredPlugin{}, err
	}
	if old := r.revisionsWith(p.Digest); len(old) > 0 && !force {
		return StoredPlugin{}, fmt.Errorf("%w: %s could be rolled back to and %s it; by force it is deleted all the same, and those cannot come back until it is pushed again",
			ErrPluginUsed, revisionsText(old), names(len(old)))
	}
	if err := r.depot.Delete(ctx, p.Digest, by.Name); err != nil {
		return StoredPlugin{}, depotProblem(err)
	}
	return p, nil
}

// unusedNow says which policies that run name a plugin.
func (r *Runtime) unusedNow(p *StoredPlugin) error {
	if len(p.UsedBy) > 0 {
		return fmt.Errorf("%w: by %s; apply policies without it first", ErrPluginUsed, strings.Join(p.UsedBy, ", "))
	}
	o := r.rollouts
	if c := o.canary.Load(); c != nil {
		if by := transformsBy(&c.rev.bundle.Set)[p.Digest]; len(by) > 0 {
			return fmt.Errorf("%w: by %s of the canary %.12s; abort it first", ErrPluginUsed, strings.Join(by, ", "), c.rev.digest)
		}
	}
	o.mu.Lock()
	s := o.shadow
	o.mu.Unlock()
	if s != nil && s.status().Ended == "" {
		if by := transformsBy(&s.rev.bundle.Set)[p.Digest]; len(by) > 0 {
			return fmt.Errorf("%w: by %s of the shadow %.12s; end it first", ErrPluginUsed, strings.Join(by, ", "), s.rev.digest)
		}
	}
	return nil
}

// revisionsWith lists the revisions that could come back and name a plugin: those of
// the history, and the last good one.
func (r *Runtime) revisionsWith(digest string) (out []string) {
	if good := r.policies.lastGood(); good != nil && len(transformsBy(&good.bundle.Set)[digest]) > 0 {
		out = append(out, good.bundle.Digest)
	}
	log := r.control.Load()
	if log == nil {
		return out
	}
	revisions := control.NewRevisions(log)
	for _, rev := range revisions.History() {
		text, err := revisions.Bundle(rev.Digest)
		if err == nil && bytes.Contains(text, []byte(digest)) && !slices.Contains(out, rev.Digest) {
			out = append(out, rev.Digest)
		}
	}
	return out
}

// revisionsText names the first of some revisions.
func revisionsText(list []string) string {
	const most = 3
	text := "revision"
	if len(list) > 1 {
		text += "s"
	}
	for i, digest := range list[:min(len(list), most)] {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %.12s", digest)
	}
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func names(n int) string {
	if n == 1 {
		return "names"
	}
	return "name"
}

// pluginsUsed returns the transforms of the policies in force, by the digest of their plugin.
func (r *Runtime) pluginsUsed() map[string][]string {
	rev := r.rev.Load()
	if rev == nil {
		return nil
	}
	return transformsBy(&rev.bundle.Set)
}

// transformsBy returns the transforms of a set, by the digest of their plugin.
func transformsBy(set *policy.Set) map[string][]string {
	out := map[string][]string{}
	for _, team := range set.Teams {
		for name, t := range team.Transform {
			if _, digest, ok := strings.Cut(t.Plugin, "@"); ok {
				out[digest] = append(out[digest], team.Name+"/"+name)
			}
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}
