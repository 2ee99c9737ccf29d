package source

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Tree is files at hand, by slash-separated path. It is an fs.FS: directories are
// those that the paths name.
type Tree map[string][]byte

// Open implements fs.FS.
func (t Tree) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if text, ok := t[name]; ok {
		return &treeFile{Reader: bytes.NewReader(text), entry: entry{path.Base(name), int64(len(text)), false}}, nil
	}
	below := map[string]entry{}
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	for file, text := range t {
		rest, ok := strings.CutPrefix(file, prefix)
		if !ok {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		if deeper {
			below[first] = entry{first, 0, true}
		} else {
			below[first] = entry{first, int64(len(text)), false}
		}
	}
	if len(below) == 0 && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	d := &treeDir{entry: entry{path.Base(name), 0, true}}
	for _, first := range slices.Sorted(maps.Keys(below)) {
		d.below = append(d.below, below[first])
	}
	return d, nil
}

// entry tells of a file or a directory.
type entry struct {
	name string
	size int64
	dir  bool
}

func (e entry) Name() string               { return e.name }
func (e entry) Size() int64                { return e.size }
func (e entry) IsDir() bool                { return e.dir }
func (e entry) ModTime() time.Time         { return time.Time{} }
func (e entry) Sys() any                   { return nil }
func (e entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

type treeFile struct {
	*bytes.Reader
	entry entry
}

func (f *treeFile) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *treeFile) Close() error               { return nil }

type treeDir struct {
	entry entry
	below []entry
	at    int
}

func (d *treeDir) Stat() (fs.FileInfo, error) { return d.entry, nil }
func (d *treeDir) Close() error               { return nil }
func (d *treeDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.entry.name, Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *treeDir) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.below[d.at:]
	if n > 0 && len(rest) == 0 {
		return nil, io.EOF
	}
	if n > 0 {
		rest = rest[:min(n, len(rest))]
	}
	d.at += len(rest)
	out := make([]fs.DirEntry, len(rest))
	for i, e := range rest {
		out[i] = e
	}
	return out, nil
}

// Check refuses what cannot be files: paths that lead elsewhere, a path that is a
// file and a directory.
func (t Tree) Check() error {
	for name := range t {
		if !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`) {
			return fmt.Errorf("%q is no path of a file: write teams/pay/policy.cue", name)
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := t[dir]; ok {
				return fmt.Errorf("%s is a file, and a directory of %s", dir, name)
			}
		}
	}
	return nil
}
