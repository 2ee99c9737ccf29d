// Package project is the source tree of a plugin: it makes one, builds it, runs its
// fixtures in the sandbox and measures it. A project is a directory with plugin.json,
// the manifest; the source in one of the languages; and testdata, the fixtures.
//
// It knows the toolchains of the languages and the sandbox, and nothing of policies,
// instances or terminals.
package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// ManifestFile holds the manifest of a project.
const ManifestFile = "plugin.json"

// Fixtures is the directory of a project's fixtures.
const Fixtures = "testdata"

// ErrInput says that a file of a project, or what was given to it, is wrong.
var ErrInput = errors.New("wrong input")

// ErrNone says that there is no project where one was looked for.
var ErrNone = errors.New("no project of a plugin")

// Project is one that was opened.
type Project struct {
	Dir      string
	Manifest abi.Manifest // as plugin.json has it; Build checks it
	Language Language
}

// Open reads the project in a directory. Errors: ErrNone, ErrInput for a plugin.json that is
// not one, or source in no language that is known; else those of the file system.
func Open(dir string) (*Project, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is %w: a project is a directory, and the name of a module ends in .wasm", dir, ErrNone)
	}
	name := filepath.Join(dir, ManifestFile)
	text, err := readFile(name, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is %w: there is no %s; 'sluice plugin new' makes one", dir, ErrNone, ManifestFile)
	} else if err != nil {
		return nil, err
	}
	p := &Project{Dir: dir}
	if err := decodeStrict(text, &p.Manifest); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInput, name, err)
	}
	if p.Language, err = languageOf(dir); err != nil {
		return nil, err
	}
	return p, nil
}

// Wasm is the file that Build writes.
func (p *Project) Wasm() string { return filepath.Join(p.Dir, p.Manifest.Name+".wasm") }

// Bounds of files that are read.
const (
	maxManifest = 64 << 10
	maxFixture  = 16 << 20
)

// readFile reads a regular file of at most so many bytes.
func readFile(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a file", ErrInput, name)
	case info.Size() > most:
		return nil, fmt.Errorf("%w: %s has %d bytes, the most is %d", ErrInput, name, info.Size(), most)
	}
	return os.ReadFile(name)
}

// decodeStrict reads one JSON value that has no unknown field.
func decodeStrict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("something follows the value")
	}
	return nil
}
