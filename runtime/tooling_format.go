package runtime

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/whole"
)

// FormattedFile is a file of a policy set as it is, and as sluice fmt writes it.
type FormattedFile struct {
	Name          string
	Before, After []byte            // After is nil when Findings keep the file from being formatted
	Fixed         []diag.Note       // what was rewritten beside the form
	Findings      []diag.Diagnostic // about this file
}

// Changed reports whether formatting changes the file.
func (f FormattedFile) Changed() bool { return f.After != nil && !bytes.Equal(f.Before, f.After) }

// Diff is a unified diff from Before to After, "" when nothing changes.
func (f FormattedFile) Diff() string {
	if !f.Changed() {
		return ""
	}
	return string(diff.Diff(f.Name, f.Before, f.Name+" (formatted)", f.After))
}

// Save gives the file its new text, all at once, and leaves its mode. The error
// wraps ErrConfig.
func (f FormattedFile) Save() error {
	if !f.Changed() {
		return nil
	}
	return replaceFile(f.Name, f.After)
}

// replaceFile gives a file its new text all at once, and leaves its mode; a new file
// gets 0644. The error wraps ErrConfig.
func replaceFile(name string, text []byte) error {
	mode, err := whole.Mode(name, 0o644)
	if err == nil {
		err = whole.Text(name, mode, text)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// Format formats files, and the CUE files of directories and those below them,
// without writing anything. With fix it also rewrites what the schema would refuse
// where there is one thing that can have been meant. A file that cannot be read as
// CUE has findings. The error wraps ErrConfig, or is a fault of Format.
func Format(names []string, fix bool) ([]FormattedFile, error) {
	x, err := policy.NewFormatter()
	if err != nil {
		return nil, err
	}
	var out []FormattedFile
	for _, name := range names {
		files, err := readFiles(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		for i := range files {
			if err := files[i].format(x, fix); err != nil {
				return nil, err
			}
		}
		out = append(out, files...)
	}
	return out, nil
}

// readFiles reads a file, or those of a directory that could be of a policy set.
func readFiles(name string) ([]FormattedFile, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() == fs.ModeSymlink { // to where the set is, as for the other commands
		if to, err := os.Stat(name); err == nil && to.IsDir() {
			info = to
		}
	}
	if info.Mode().IsRegular() {
		text, err := os.ReadFile(name)
		return []FormattedFile{{Name: name, Before: text}}, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is neither a file nor a directory; symbolic links to files are not followed", name)
	}
	snap, found, err := policy.Take(os.DirFS(name))
	if err != nil {
		return nil, err
	}
	var out []FormattedFile
	for _, file := range slices.Sorted(maps.Keys(snap)) {
		out = append(out, FormattedFile{Name: filepath.Join(name, file), Before: snap[file]})
	}
	for _, d := range diag.Rebase(found, name) {
		out = append(out, FormattedFile{Name: d.Pos.File, Findings: []diag.Diagnostic{d}})
	}
	return out, nil
}

func (f *FormattedFile) format(x *policy.Formatter, fix bool) error {
	if f.Findings != nil {
		return nil
	}
	var err error
	f.After, f.Fixed, f.Findings, err = x.Format(filepath.ToSlash(f.Name), f.Before, fix)
	return err
}
