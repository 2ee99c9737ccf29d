package source

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Bounds of what is asked of the program git: a policy set has 8 MiB at most.
const (
	askPatience = 30 * time.Second
	maxArchive  = 32 << 20 // bytes
)

// Revision is a policy set in the history of a repository at hand.
type Revision struct {
	Files
	Path string // of the set, from the root of the repository; "" for the root
}

// AtRevision returns the policy set that the git repository around a directory has
// at a revision. spec is REV or REV:PATH, with PATH from the root of the repository;
// without it, the path of dir. Ref is REV. A submodule is a repository of its own: of
// a directory in one, spec names a revision of the submodule. Errors are for people.
//
// It asks the program git, which knows every way to name and to store a revision:
// packs, alternates, worktrees, sparse and shallow clones. No shell is involved and
// nothing of the repository is run.
func AtRevision(ctx context.Context, dir, spec string) (Revision, error) {
	rev, at, pathGiven := strings.Cut(spec, ":")
	if rev == "" || strings.HasPrefix(rev, "-") {
		return Revision{}, fmt.Errorf("%q names no git revision; write git:REV or git:REV:PATH, such as git:origin/main", spec)
	}
	git := checkout{dir}
	where, err := git.ask(ctx, "rev-parse", "--show-toplevel", "--show-prefix")
	if err != nil {
		return Revision{}, err
	}
	top, prefix, _ := strings.Cut(strings.TrimSuffix(string(where), "\n"), "\n")
	git.dir = top // from below, an archive has what is below only
	if !pathGiven {
		at = prefix
	}
	at = path.Clean("/" + filepath.ToSlash(at))[1:]
	hash, err := git.ask(ctx, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return Revision{}, fmt.Errorf("the repository of %s has no revision %q; in CI, a shallow clone may lack it: fetch it first", dir, rev)
	}
	commit := strings.TrimSpace(string(hash))
	if err := git.notInModule(ctx, commit, at, rev); err != nil {
		return Revision{}, err
	}
	tree := commit + ":" + at
	parts, err := git.partsOf(ctx, tree)
	if err != nil {
		return Revision{}, err
	}
	text, err := git.ask(ctx, append([]string{"archive", "--format=zip", tree, "--"}, parts...)...)
	if err != nil {
		return Revision{}, fmt.Errorf("there is no policy set in %s at %s (%.12s)", cmp.Or(at, "the root"), rev, commit)
	}
	files, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return Revision{}, fmt.Errorf("files of %s: %w", rev, err)
	}
	return Revision{Files{FS: files, Commit: commit, Ref: rev}, at}, nil
}

// checkout is the repository around a directory.
type checkout struct{ dir string }

// notInModule refuses a path that is a submodule, or in one: its files are those of
// another repository, at a revision that this one names.
func (g checkout) notInModule(ctx context.Context, commit, at, rev string) error {
	for p := at; p != "" && p != "."; p = path.Dir(p) {
		entry, err := g.ask(ctx, "ls-tree", commit, "--", p)
		if err != nil {
			return err
		}
		about, _, _ := strings.Cut(string(entry), "\t")
		if words := strings.Fields(about); len(words) == 3 && words[0] == gitModule {
			return fmt.Errorf("%s is a submodule of git, which %s has at %.12s; check it out (git submodule update --init), give its directory as the policy set, and as the base git:%.12s",
				p, rev, words[2], words[2])
		}
	}
	return nil
}

// partsOf returns the pathspecs of what a policy set in a tree is made of: those that
// match something, without which git gives nothing at all. What stands in place of a
// team, or of them all, and is a symbolic link is among them, so that it is refused: a
// team must not be missing without a word.
func (g checkout) partsOf(ctx context.Context, tree string) ([]string, error) {
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
			return nil, fmt.Errorf("%s is a submodule of git, whose files are not read; check the revision out and give its directory", name)
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
func (g checkout) ask(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	out, said := &answer{}, &firstBytes{}
	c := exec.CommandContext(ctx, "git", append([]string{"-C", g.dir}, args...)...)
	c.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	c.Stdout, c.Stderr = out, said
	switch err := c.Run(); {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("a base of git needs the program git, and there is none here; check the revision out and give its directory, or --base deployed")
	case out.over:
		return nil, fmt.Errorf("the policy set in git is larger than %d MiB", maxArchive>>20)
	case err != nil:
		first, _, _ := strings.Cut(strings.TrimPrefix(said.text.String(), "fatal: "), "\n")
		return nil, fmt.Errorf("git in %s: %s (%w)", g.dir, first, err)
	}
	return out.Bytes(), nil
}

// answer is what git prints, up to a bound; more is an error.
type answer struct {
	bytes.Buffer
	over bool
}

func (a *answer) Write(p []byte) (int, error) {
	if a.Len()+len(p) > maxArchive {
		a.over = true
		return 0, io.ErrShortBuffer
	}
	return a.Buffer.Write(p)
}
