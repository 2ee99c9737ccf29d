package project

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/sdk"
	"github.com/sluice-metrics/sluice/runtime/scaffold"
)

// templates are the files of a new project, those of all languages and of each, as
// scaffold.Fill has them. The ending .tmpl keeps a file from being what it is for.
//
//go:embed template
var templates embed.FS

// Copy is the directory of a project that holds its copy of the SDK.
const Copy = ".sluice"

var projectName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// New writes a project into a directory, which is made when it is not there, and
// returns the names of its files. Nothing is overwritten: when any of the files is
// there, none is written. Errors: ErrInput for a name or a language that is none, and for a
// directory that cannot be written.
func New(dir, name string, l Language) ([]string, error) {
	t, known := toolchainOf(l)
	switch {
	case !projectName.MatchString(name):
		return nil, fmt.Errorf("%w: %q cannot be the name of a plugin: write lower-case letters, digits and hyphens, a letter first, 64 at most", ErrInput, name)
	case !known:
		return nil, fmt.Errorf("%w: language %q is none of %v", ErrInput, l, Languages())
	}
	values := map[string]string{"Name": name, "Language": string(l), "Source": source[t.language], "Setup": t.setup, "Native": t.native, "Crate": strings.ReplaceAll(name, "-", "_")}
	var files []scaffold.File
	for _, folder := range []string{"all", string(l)} {
		some, err := scaffold.Fill(templates, path.Join("template", folder), values)
		if err != nil {
			return nil, fmt.Errorf("files of a project: %w", err)
		}
		for _, f := range some {
			f.Name = strings.TrimSuffix(f.Name, ".tmpl")
			files = append(files, f)
		}
	}
	own, err := copied(l)
	if err != nil {
		return nil, fmt.Errorf("copy of the SDK: %w", err)
	}
	names, err := scaffold.Write(dir, append(files, own...))
	if err != nil {
		return names, fmt.Errorf("%w: %w", ErrInput, err)
	}
	return names, nil
}

// source is where the transform of a new project is.
var source = map[Language]string{Go: "main.go", Rust: "src/lib.rs", AssemblyScript: "assembly/index.ts", C: "plugin.c"}

// copied is the copy of the SDK. In Go it is a module of its own, in place of this
// one, with the packages that a guest imports.
func copied(l Language) (out []scaffold.File, err error) {
	if l != Go {
		return tree(sdk.Source, string(l), Copy)
	}
	out = append(out, scaffold.File{Name: path.Join(Copy, "go.mod"), Text: []byte("module github.com/sluice-metrics/sluice\n\ngo 1.24\n")})
	shared, err := tree(abi.Source, ".", path.Join(Copy, "plugins/abi"))
	if err != nil {
		return nil, err
	}
	own, err := tree(sdk.Source, "go", path.Join(Copy, "plugins/sdk/go"))
	return slices.Concat(out, shared, own), err
}

// tree returns the files below a folder, without tests of Go packages, as they are
// named below another one.
func tree(from fs.FS, folder, to string) (out []scaffold.File, err error) {
	err = fs.WalkDir(from, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(from, name)
		if folder != "." {
			name = strings.TrimPrefix(name, folder+"/")
		}
		out = append(out, scaffold.File{Name: path.Join(to, name), Text: text})
		return err
	})
	return out, err
}
