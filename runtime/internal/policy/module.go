package policy

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/sluice-metrics/sluice/schema"
)

// SchemaModule is the schema as a module of CUE, for the tools of CUE, which know
// nothing of what is embedded here: a command line, editors.
type SchemaModule struct {
	Path    string // module path with its major version
	Version string // see moduleVersion
	Files   []ModuleFile
}

// ModuleFile is a file of a module; Name is slash-separated, from its root.
type ModuleFile struct {
	Name string
	Text []byte
}

// moduleFile is the file that makes a directory a module.
const moduleFile = "cue.mod/module.cue"

// languageVersion is the oldest version of CUE that the schema asks for.
const languageVersion = "v0.17.0"

// NewSchemaModule returns the module of the embedded schema, its files sorted.
func NewSchemaModule() (SchemaModule, error) {
	names, err := fs.Glob(schema.FS, "*.cue")
	if err != nil {
		return SchemaModule{}, fmt.Errorf("embedded schema: %w", err)
	}
	m := SchemaModule{Path: schema.ImportPath + "@" + schema.Version}
	text := fmt.Sprintf("module: %q\nlanguage: version: %q\n", m.Path, languageVersion)
	m.Files = []ModuleFile{{moduleFile, []byte(text)}}
	for _, name := range names {
		text, err := schema.FS.ReadFile(name)
		if err != nil {
			return SchemaModule{}, fmt.Errorf("embedded schema: %w", err)
		}
		m.Files = append(m.Files, ModuleFile{name, text})
	}
	slices.SortFunc(m.Files, func(a, b ModuleFile) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	m.Version = m.moduleVersion()
	return m, nil
}

// moduleVersion names the content: CUE keeps what it has fetched by version and for
// ever, so that one version must never mean two schemas.
func (m SchemaModule) moduleVersion() string {
	h := sha256.New()
	for _, f := range m.Files {
		fmt.Fprintf(h, "%s %d\n%s", f.Name, len(f.Text), f.Text)
	}
	return schema.Version + ".0.0-h" + hex.EncodeToString(h.Sum(nil))[:12]
}

// Definitions are the files of the package, without the one that makes it a module:
// what a policy repository keeps a copy of below [VendoredAt].
func (m SchemaModule) Definitions() []ModuleFile {
	return slices.DeleteFunc(slices.Clone(m.Files), func(f ModuleFile) bool { return path.Dir(f.Name) != "." })
}

// VendoredAt is where CUE looks, in a module, for a copy of the schema.
const VendoredAt = "cue.mod/pkg/" + schema.ImportPath

// zip packs the module as registries of CUE hold it. The same files give the same
// bytes: nothing is compressed and nothing has a time.
func (m SchemaModule) zip() ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range m.Files {
		part, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		if err == nil {
			_, err = part.Write(f.Text)
		}
		if err != nil {
			return nil, fmt.Errorf("pack the schema: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack the schema: %w", err)
	}
	return b.Bytes(), nil
}
