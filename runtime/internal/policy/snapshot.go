package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Limits of a snapshot. A set beyond them is refused before it is parsed.
const (
	maxFileBytes = 1 << 20
	maxSetBytes  = 8 << 20
	maxFiles     = 4096
)

// ErrUnreadable says that a file or directory of a set cannot be read: its mode, or
// the disk, is at fault, and not what is written there.
var ErrUnreadable = errors.New("the policy set cannot be read")

// Snapshot is the text of the CUE files of a directory and those below it, keyed
// by slash-separated path from the directory. Whatever is evaluated is in it:
// nothing is read later, from anywhere.
type Snapshot map[string][]byte

// Take reads the CUE files of fsys. Files and directories whose names begin with
// a dot or an underscore are left out, as CUE does, and so is cue.mod. What is not
// a regular file, a link in place of a team, or beyond the limits (1 MiB a file,
// 8 MiB and 4096 files in all), becomes a diagnostic. The error is ErrUnreadable.
//
// The FS of an [os.Root] keeps symbolic links from leading out of the directory.
func Take(fsys fs.FS) (Snapshot, []diag.Diagnostic, error) {
	snap := Snapshot{}
	var found []diag.Diagnostic
	total := 0
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		if leftOut(d.Name()) && name != "." {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || path.Ext(name) != ".cue" && !linkedTeam(name, d) {
			return nil
		}
		text, err := readFile(fsys, name, d)
		var refused *refusedFile
		if errors.As(err, &refused) {
			found = append(found, diag.Diagnostic{Code: diag.BadFile, Pos: diag.Pos{File: name}, Message: refused.why})
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		snap[name] = text
		if total += len(text); total > maxSetBytes || len(snap) > maxFiles {
			found = append(found, diag.Diagnostic{
				Code: diag.BadFile, Pos: diag.Pos{File: name},
				Message: fmt.Sprintf("the set is too large: more than %d files or %d MiB of CUE", maxFiles, maxSetBytes>>20),
				Hint:    "is this the directory of a policy set?",
			})
			return fs.SkipAll
		}
		return nil
	})
	return snap, found, err
}

func leftOut(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "cue.mod"
}

// linkedTeam reports whether a symbolic link stands where teams are looked for. It
// is not followed, and what it leads to would be missing without a word.
func linkedTeam(name string, d fs.DirEntry) bool {
	return d.Type()&fs.ModeSymlink != 0 && (name == teamsDir || path.Dir(name) == teamsDir)
}

// refusedFile says why a file may not be part of a set.
type refusedFile struct{ why string }

func (r *refusedFile) Error() string { return r.why }

func readFile(fsys fs.FS, name string, d fs.DirEntry) ([]byte, error) {
	if !d.Type().IsRegular() {
		return nil, &refusedFile{"not a regular file; a policy set has no symbolic links"}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readUpTo(f, maxFileBytes)
}

// readUpTo reads a file that may not be larger.
func readUpTo(f io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > most:
		return nil, &refusedFile{fmt.Sprintf("the file is larger than %d MiB", most>>20)}
	}
	return text, nil
}

// names returns the paths of the snapshot, sorted.
func (s Snapshot) names() []string {
	out := make([]string, 0, len(s))
	for name := range s {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
