// Package scaffold writes the files of something new, such as a repository of policies
// or the project of a plugin. It fills templates in and overwrites nothing; what the
// files are, its callers know.
package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// File is a file to write; Name is slash-separated, from the directory that is new.
type File struct {
	Name string
	Text []byte
}

// Fill returns the files below a folder of templates, in the order of their names
// there. What is filled in stands between [[ and ]], and a value that a template asks
// for and there is not is an error. An element of a path that begins with "dot-" begins
// with a dot in what is new.
func Fill(templates fs.FS, folder string, values any) (out []File, err error) {
	err = fs.WalkDir(templates, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(templates, name)
		if err != nil {
			return err
		}
		t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, values); err != nil {
			return err
		}
		parts := strings.Split(strings.TrimPrefix(name, folder+"/"), "/")
		for i, p := range parts {
			if rest, hidden := strings.CutPrefix(p, "dot-"); hidden {
				parts[i] = "." + rest
			}
		}
		out = append(out, File{strings.Join(parts, "/"), b.Bytes()})
		return nil
	})
	return out, err
}

// Write writes files into a directory, which is made when it is not there, and returns
// their names. Nothing is overwritten: when any of the files is there, none is written,
// and the error says which. After an error of the disk the names are those of the files
// that were written.
func Write(dir string, files []File) (names []string, err error) {
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		switch _, err := os.Lstat(name); {
		case err == nil:
			return nil, fmt.Errorf("%s is there already; nothing is written", name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w; nothing is written", err)
		}
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return names, err
		}
		if err := create(name, f.Text); err != nil {
			return names, err
		}
		names = append(names, f.Name)
	}
	return names, nil
}

// create writes a file that must not be there.
func create(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
