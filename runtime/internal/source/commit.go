package source

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Commit is the git commit that a directory was checked out at. What it holds may
// be newer: whether it was changed since cannot be told without reading all of it.
type Commit struct {
	Hash   string `json:"hash"`             // in hexadecimal digits
	Branch string `json:"branch,omitempty"` // "" when no branch is checked out
}

// maxPackedRefs bounds what is read of the file of packed references.
const maxPackedRefs = 16 << 20

var hashText = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// CommitOf reads the files of git for the checkout that dir is in; nil when it is
// in none, or in one that cannot be read.
func CommitOf(dir string) *Commit {
	git := gitDir(dir)
	if git == "" {
		return nil
	}
	head := firstLine(filepath.Join(git, "HEAD"))
	ref, onBranch := strings.CutPrefix(head, "ref: ")
	if !onBranch {
		if hashText.MatchString(head) {
			return &Commit{Hash: head}
		}
		return nil
	}
	common := git // of a worktree, the branches are those of the main one
	if to := firstLine(filepath.Join(git, "commondir")); to != "" {
		if common = to; !filepath.IsAbs(to) {
			common = filepath.Join(git, to)
		}
	}
	hash := firstLine(filepath.Join(common, filepath.FromSlash(ref)))
	if hash == "" {
		hash = packedRef(filepath.Join(common, "packed-refs"), ref)
	}
	if !filepath.IsLocal(filepath.FromSlash(ref)) || !hashText.MatchString(hash) {
		return nil
	}
	return &Commit{Hash: hash, Branch: strings.TrimPrefix(ref, "refs/heads/")}
}

// gitDir returns the directory of git's files for dir or the closest directory
// above it that has one, "" when none has.
func gitDir(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		at := filepath.Join(dir, ".git")
		if info, err := os.Stat(at); err == nil && info.IsDir() {
			return at
		} else if err == nil { // a worktree or a submodule: a file says where
			to, ok := strings.CutPrefix(firstLine(at), "gitdir: ")
			if ok && !filepath.IsAbs(to) {
				to = filepath.Join(dir, to)
			}
			return to
		}
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
}

// firstLine returns the first line of a file, "" when there is none to be read.
func firstLine(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 4096)).ReadString('\n')
	if err != nil && line == "" {
		return ""
	}
	return strings.TrimSpace(line)
}

// packedRef finds a reference among those that git has packed into one file.
func packedRef(name, ref string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxPackedRefs))
	for lines.Scan() {
		if hash, name, ok := strings.Cut(lines.Text(), " "); ok && name == ref {
			return hash
		}
	}
	return ""
}
