// Package scaffold holds the files of a new policy repository. It fills in names
// and writes nothing: where the files go, and whether they may, its caller knows.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"text/template"
)

// repository are the files, as templates with [[ and ]] for what is filled in. An
// element of a path that begins with "dot-" begins with a dot in the repository, and
// TEAM is the name of the team.
//
//go:embed repository
var repository embed.FS

// Values are what the files are filled in with.
type Values struct {
	Team    string // of the first team beside the platform's
	Release string // of Sluice, as "go install" takes it: a version, or "latest"
	Copy    string // where the repository keeps its copy of the schema
}

// File is a file of the repository; Name is slash-separated, from its root.
type File struct {
	Name string
	Text []byte
}

// Files returns the files of a repository, in the order of their names here.
func Files(v Values) ([]File, error) {
	var out []File
	err := fs.WalkDir(repository, "repository", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(repository, name)
		if err != nil {
			return err
		}
		t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			return err
		}
		out = append(out, File{target(name, v.Team), b.Bytes()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("files of a policy repository: %w", err)
	}
	return out, nil
}

// target is where a template goes.
func target(name, team string) string {
	parts := strings.Split(name, "/")[1:]
	for i, p := range parts {
		switch rest, dot := strings.CutPrefix(p, "dot-"); {
		case dot:
			parts[i] = "." + rest
		case p == "TEAM":
			parts[i] = team
		}
	}
	return path.Join(parts...)
}
