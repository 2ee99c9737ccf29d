package runtime

import (
	"cmp"
	"context"
	"fmt"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
)

// Answer is what explain says: the JSON of /api/v1/explain.
type Answer struct {
	Policies string  `json:"policies"`         // where the set came from
	Revision string  `json:"revision"`         // digest of the set
	Commit   *Commit `json:"commit,omitempty"` // of the set's directory, when it is a checkout
	Canary   string  `json:"canary,omitempty"` // while a canary runs: which of the two sets decides, and why

	explain.Answer
}

// Commit is the git commit that a directory was checked out at.
type Commit = source.Commit

// Explain answers a question by the policy set in dir, or by the default set when
// dir is "". A report that refuses the set comes without an answer; tests of the
// set that fail do not refuse it here. The error is a
// *explain.QuestionError, or about reading the directory or the traffic.
func Explain(ctx context.Context, dir string, how Loading, q explain.Question) (Answer, Report, error) {
	l, err := loadDir(ctx, dir, how)
	if err != nil {
		return Answer{}, Report{}, err
	}
	if l.program == nil {
		return Answer{}, l.report, nil
	}
	from := cmp.Or(dir, defaultSet)
	a := Answer{Policies: from, Revision: l.bundle.Digest}
	a.Answer, err = explain.New(l.explained(from), explain.Instance{}).Answer(&q)
	if dir != "" {
		a.Commit = source.CommitOf(dir)
	}
	return a, l.report, err
}

// explained is a set that has a program, as package explain wants it. dir is put
// before file names.
func (l *loadedSet) explained(dir string) explain.Set {
	return explain.Set{Policies: &l.bundle.Set, Provenance: l.bundle.Provenance, Program: l.program, Known: l.known, Dir: dir}
}

// loadDir loads the set in dir, the default one when dir is "".
func loadDir(ctx context.Context, dir string, how Loading) (loadedSet, error) {
	if dir == "" {
		return loadSet(ctx, policies.FS, Loading{Env: how.Env}, defaultSet)
	}
	from, err := DirSource(dir)
	if err != nil {
		return loadedSet{}, err
	}
	return loadSet(ctx, from.Files, how, from.Prefix)
}

// Explain answers a question by the program in force, with what its rules have
// done since the instance started; about a task that a canary governs, by that. The
// error is a *explain.QuestionError.
func (r *Runtime) Explain(q explain.Question) (Answer, error) {
	c := r.rollouts.canary.Load()
	a, err := r.explainBy(r.rev.Load(), &q)
	if c == nil {
		return a, err
	}
	note := fmt.Sprintf("the canary %.12s governs %s", c.rev.digest, c.text())
	switch {
	case err != nil && q.Rule != "":
		if b, err := r.explainBy(c.rev, &q); err == nil {
			b.Canary = note + ", and only it has this rule"
			return b, nil
		}
	case err != nil || len(a.Series) == 0:
	case len(c.partitions) > 0:
		a.Canary = note + "; elsewhere, as here, the set in force decides"
	case !c.governs(a.Series[0].Task.ID):
		a.Canary = fmt.Sprintf("%s, and %q is not among them: the set in force decides", note, a.Series[0].Task.ID)
	default:
		a, err = r.explainBy(c.rev, &q)
		a.Canary = fmt.Sprintf("%s, and %q is among them: the canary decides", note, a.Series[0].Task.ID)
	}
	return a, err
}

// explainBy answers a question by a revision.
func (r *Runtime) explainBy(rev *revision, q *explain.Question) (Answer, error) {
	x := explain.New(explain.Set{
		Policies: &rev.bundle.Set, Provenance: rev.bundle.Provenance, Program: rev.program, Known: r.opened().known, Dir: rev.origin.files(),
	}, explain.Instance{Samples: r.ruleCounts(), ShortID: r.ShortID, Room: r.roomIn(), Tried: r.triedHere})
	a := Answer{Policies: cmp.Or(r.cfg.Policies, defaultSet), Revision: rev.digest}
	var err error
	a.Answer, err = x.Answer(q)
	if o := rev.origin; o.Commit != "" {
		a.Commit = &Commit{Hash: o.Commit, Branch: o.Ref}
	}
	return a, err
}

// ruleCounts is what each rule did to samples, by its label and the disposition.
func (r *Runtime) ruleCounts() map[string]map[string]uint64 {
	counts := map[string]map[string]uint64{}
	for rule, n := range r.ruleSamples() {
		if counts[rule.ID] == nil {
			counts[rule.ID] = map[string]uint64{}
		}
		counts[rule.ID][rule.Disposition.String()] = n
	}
	return counts
}
