package runtime

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
)

// PolicySource is where a policy set comes from: files, or a bundle.
type PolicySource struct {
	Name   string // for people
	Prefix string // put before the names of files
	Files  fs.FS
	Bundle []byte // JSON, as Runtime.Bundle gives it; used when Files is nil
}

// DirSource is the policy set in a directory. The error is ErrConfig.
func DirSource(dir string) (PolicySource, error) {
	if dir == "" {
		return PolicySource{}, fmt.Errorf("%w: the name of a directory is missing", ErrConfig)
	}
	if err := source.IsDirectory(dir); err != nil {
		return PolicySource{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return PolicySource{Name: dir, Prefix: dir, Files: os.DirFS(dir)}, nil
}

// GitSource is the policy set that a git repository has at a revision, see
// source.AtRevision. The error is ErrConfig.
func GitSource(ctx context.Context, dir, spec string) (PolicySource, error) {
	at, err := source.AtRevision(ctx, dir, spec)
	if err != nil {
		return PolicySource{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return PolicySource{Name: fmt.Sprintf("git %s (%.12s)", at.Ref, at.Commit), Prefix: at.Ref + ":" + at.Path, Files: at.FS}, nil
}

// plannable is a policy set that runs, with where it is written as people find it.
type plannable struct {
	program.Written
	program *program.Program
	known   *catalogue.Catalogue
	tags    []string
}

// load loads a set, and says in s what it is. It returns nil for a set that is refused.
func (s *PlannedSet) load(ctx context.Context, from PolicySource, how Loading, today time.Time) (*plannable, error) {
	s.Name = from.Name
	set, err := from.load(ctx, how)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Name, err)
	}
	s.report, s.Revision, s.Rules, s.Findings = set.report, set.report.Revision, set.report.Rules, set.report.Findings
	if set.report.Refused() {
		return nil, nil
	}
	where := set.bundle.Provenance.Under(filepath.ToSlash(from.Prefix))
	out := &plannable{Written: program.Written{Set: &set.bundle.Set, Provenance: where}, known: set.known, tags: set.bundle.Tags}
	out.program, _ = program.Compile(&set.bundle.Set, program.Options{Today: today, Provenance: where, Plugins: set.plugins})
	s.Tags = set.bundle.Tags
	return out, nil
}

func (from PolicySource) load(ctx context.Context, how Loading) (loadedSet, error) {
	if from.Files != nil {
		return loadSet(ctx, from.Files, how, from.Prefix)
	}
	return loadBundle(from.Bundle, how)
}

// loadBundle compiles a set that was evaluated before, here or elsewhere.
func loadBundle(text []byte, how Loading) (loadedSet, error) {
	bundle, err := policy.ReadBundle(text)
	if err != nil {
		return loadedSet{}, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	known, err := how.known.get()
	if err != nil {
		return loadedSet{}, err
	}
	l := loadedSet{bundle: bundle, known: known, plugins: how.running()}
	l.program, l.report.Findings = program.Compile(&bundle.Set, program.Options{Today: time.Now(), Provenance: bundle.Provenance, Plugins: l.plugins})
	if l.program != nil {
		l.report.Revision, l.report.Rules, l.report.Teams = bundle.Digest, l.program.Len(), len(bundle.Set.Teams)
	}
	return l, nil
}
