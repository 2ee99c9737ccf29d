package project

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/sdk"
)

// templates are the files of a new project, those of all languages and of each, with
// [[ and ]] for what is filled in. An element of a path that begins with "dot-" begins
// with a dot in the project.
//
//go:embed template
var templates embed.FS

// Copy is the directory of a project that holds its copy of the SDK.
const Copy = ".sluice"

var projectName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// file is one of a project; its name is slash-separated.
type file struct {
	name string
	text []byte
}

// New writes a project into a directory, which is made when it is not there, and
// returns the names of its files. Nothing is overwritten: when any of the files is
// there, none is written. Errors: ErrInput for a name or a language that is none.
func New(dir, name string, l Language) ([]string, error) {
	t, known := toolchainOf(l)
	switch {
	case !projectName.MatchString(name):
		return nil, fmt.Errorf("%w: %q cannot be the name of a plugin: write lower-case letters, digits and hyphens, a letter first, 64 at most", ErrInput, name)
	case !known:
		return nil, fmt.Errorf("%w: language %q is none of %v", ErrInput, l, Languages())
	}
	values := map[string]string{"Name": name, "Language": string(l), "Source": source[t.language], "Setup": t.setup, "Native": t.native, "Crate": strings.ReplaceAll(name, "-", "_")}
	var files []file
	for _, folder := range []string{"all", string(l)} {
		some, err := filled(folder, values)
		if err != nil {
			return nil, fmt.Errorf("files of a project: %w", err)
		}
		files = append(files, some...)
	}
	own, err := copied(l)
	if err != nil {
		return nil, fmt.Errorf("copy of the SDK: %w", err)
	}
	return writeNew(dir, append(files, own...))
}

// source is where the transform of a new project is.
var source = map[Language]string{Go: "main.go", Rust: "src/lib.rs", AssemblyScript: "assembly/index.ts", C: "plugin.c"}

func filled(folder string, values map[string]string) (out []file, err error) {
	root := path.Join("template", folder)
	err = fs.WalkDir(templates, root, func(name string, d fs.DirEntry, err error) error {
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
		target := strings.TrimSuffix(strings.TrimPrefix(name, root+"/"), ".tmpl")
		out = append(out, file{strings.ReplaceAll(target, "dot-", "."), b.Bytes()})
		return nil
	})
	return out, err
}

// copied is the copy of the SDK. In Go it is a module of its own, in place of this
// one, with the packages that a guest imports.
func copied(l Language) (out []file, err error) {
	if l != Go {
		return tree(sdk.Source, string(l), Copy)
	}
	out = append(out, file{path.Join(Copy, "go.mod"), []byte("module github.com/sluice-metrics/sluice\n\ngo 1.24\n")})
	shared, err := tree(abi.Source, ".", path.Join(Copy, "plugins/abi"))
	if err != nil {
		return nil, err
	}
	own, err := tree(sdk.Source, "go", path.Join(Copy, "plugins/sdk/go"))
	return slices.Concat(out, shared, own), err
}

// tree returns the files below a folder, without tests of Go packages, as they are
// named below another one.
func tree(from fs.FS, folder, to string) (out []file, err error) {
	err = fs.WalkDir(from, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(from, name)
		if folder != "." {
			name = strings.TrimPrefix(name, folder+"/")
		}
		out = append(out, file{path.Join(to, name), text})
		return err
	})
	return out, err
}

// writeNew writes files that are not there yet.
func writeNew(dir string, files []file) (names []string, err error) {
	for _, f := range files {
		switch _, err := os.Lstat(filepath.Join(dir, f.name)); {
		case err == nil:
			return nil, fmt.Errorf("%w: %s is there already; nothing is written", ErrInput, filepath.Join(dir, f.name))
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return names, err
		}
		if err := os.WriteFile(name, f.text, 0o644); err != nil {
			return names, err
		}
		names = append(names, f.name)
	}
	return names, nil
}
