package runtime

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
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

// Bounds of what is asked of git: a policy set has 8 MiB at most.
const (
	gitPatience = 30 * time.Second
	maxGitBytes = 32 << 20
)

// GitSource is the policy set that a git repository has at a revision. dir is a
// directory of the repository. spec is REV or REV:PATH, with PATH from the root of
// the repository; without it, the path of dir. A submodule is a repository of its
// own: of a directory in one, spec names a revision of the submodule. The error is
// ErrConfig.
//
// It asks the program git, which knows every way to name and to store a revision:
// packs, alternates, worktrees, sparse and shallow clones. No shell is involved and
// nothing of the repository is run.
func GitSource(ctx context.Context, dir, spec string) (PolicySource, error) {
	rev, at, pathGiven := strings.Cut(spec, ":")
	if rev == "" || strings.HasPrefix(rev, "-") {
		return PolicySource{}, fmt.Errorf("%w: %q names no git revision; write git:REV or git:REV:PATH, such as git:origin/main", ErrConfig, spec)
	}
	git := gitRepository{dir: dir}
	where, err := git.ask(ctx, "rev-parse", "--show-toplevel", "--show-prefix")
	if err != nil {
		return PolicySource{}, err
	}
	top, prefix, _ := strings.Cut(strings.TrimSuffix(string(where), "\n"), "\n")
	git.dir = top // from below, an archive has what is below only
	if !pathGiven {
		at = prefix
	}
	at = path.Clean("/" + filepath.ToSlash(at))[1:]
	hash, err := git.ask(ctx, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return PolicySource{}, fmt.Errorf("%w: the repository of %s has no revision %q; in CI, a shallow clone may lack it: fetch it first", ErrConfig, dir, rev)
	}
	commit := strings.TrimSpace(string(hash))
	if err := git.notInModule(ctx, commit, at, rev); err != nil {
		return PolicySource{}, err
	}
	tree := commit + ":" + at
	parts, err := git.partsOf(ctx, tree)
	if err != nil {
		return PolicySource{}, err
	}
	text, err := git.ask(ctx, append([]string{"archive", "--format=zip", tree, "--"}, parts...)...)
	if err != nil {
		return PolicySource{}, fmt.Errorf("%w: there is no policy set in %s at %s (%.12s)", ErrConfig, cmp.Or(at, "the root"), rev, commit)
	}
	files, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return PolicySource{}, fmt.Errorf("files of %s: %w", rev, err)
	}
	return PolicySource{Name: fmt.Sprintf("git %s (%.12s)", rev, commit), Prefix: rev + ":" + at, Files: files}, nil
}

// gitRepository is the repository around a directory.
type gitRepository struct{ dir string }

// notInModule refuses a path that is a submodule, or in one: its files are those of
// another repository, at a revision that this one names.
func (g gitRepository) notInModule(ctx context.Context, commit, at, rev string) error {
	for p := at; p != "" && p != "."; p = path.Dir(p) {
		entry, err := g.ask(ctx, "ls-tree", commit, "--", p)
		if err != nil {
			return err
		}
		about, _, _ := strings.Cut(string(entry), "\t")
		if words := strings.Fields(about); len(words) == 3 && words[0] == gitModule {
			return fmt.Errorf("%w: %s is a submodule of git, which %s has at %.12s; check it out (git submodule update --init), give its directory as the policy set, and as the base git:%.12s",
				ErrConfig, p, rev, words[2], words[2])
		}
	}
	return nil
}

// partsOf returns the pathspecs of what a policy set in a tree is made of: those that
// match something, without which git gives nothing at all. What stands in place of a
// team, or of them all, and is a symbolic link is among them, so that it is refused: a
// team must not be missing without a word.
func (g gitRepository) partsOf(ctx context.Context, tree string) ([]string, error) {
	listed, err := g.ask(ctx, "ls-tree", "-r", "-z", tree)
	if err != nil {
		return []string{"*.cue"}, nil // there is no such tree, which git will say again
	}
	parts := []string{"*.cue"}
	plugins := false
	for entry := range strings.SplitSeq(string(listed), "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		mode, _, _ := strings.Cut(about, " ")
		team := name == "teams" || path.Dir(name) == "teams"
		switch {
		case team && mode == gitLink && path.Ext(name) != ".cue":
			parts = append(parts, ":(literal)"+name)
		case team && mode == gitModule:
			return nil, fmt.Errorf("%w: %s is a submodule of git, whose files are not read; check the revision out and give its directory", ErrConfig, name)
		}
		plugins = plugins || path.Ext(name) == ".wasm"
	}
	if plugins {
		parts = append(parts, "*.wasm")
	}
	return parts, nil
}

// Modes of what is neither a file nor a directory in a tree of git.
const (
	gitLink   = "120000"
	gitModule = "160000"
)

// ask runs one command of git and returns what it prints.
func (g gitRepository) ask(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	out, told := &bounded{most: maxGitBytes}, &bounded{most: 4096}
	c := exec.CommandContext(ctx, "git", append([]string{"-C", g.dir}, args...)...)
	c.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	c.Stdout, c.Stderr = out, told
	switch err := c.Run(); {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: a base of git needs the program git, and there is none here; check the revision out and give its directory, or --base deployed", ErrConfig)
	case out.over:
		return nil, fmt.Errorf("%w: the policy set in git is larger than %d MiB", ErrConfig, maxGitBytes>>20)
	case err != nil:
		first, _, _ := strings.Cut(strings.TrimPrefix(told.String(), "fatal: "), "\n")
		return nil, fmt.Errorf("%w: git in %s: %s (%w)", ErrConfig, g.dir, first, err)
	}
	return out.Bytes(), nil
}

// bounded keeps what is written to it, up to a bound; more is an error.
type bounded struct {
	bytes.Buffer
	most int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		b.over = true
		return 0, io.ErrShortBuffer
	}
	return b.Buffer.Write(p)
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
