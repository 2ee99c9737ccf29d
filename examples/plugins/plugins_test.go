// Package plugins_test runs the example plugins in the sandbox, as their pages say.
package plugins_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/project"
)

// maxCommitted bounds a module that is kept beside its source, in bytes.
const maxCommitted = 24 << 10

// opened returns the examples by name.
var opened = sync.OnceValues(func() (map[string]*project.Project, error) {
	manifests, err := filepath.Glob("*/" + project.ManifestFile)
	out := map[string]*project.Project{}
	for _, m := range manifests {
		if out[filepath.Dir(m)], err = project.Open(filepath.Dir(m)); err != nil {
			return nil, err
		}
	}
	return out, err
})

// module returns the module of an example. Those in Go are built, by the same
// toolchain that builds this test; those in other languages are beside their sources,
// where task sdk compares them with what it builds.
func module(t testing.TB, p *project.Project) []byte {
	t.Helper()
	if p.Language == project.Go {
		built, err := p.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return built.Wasm
	}
	wasm, err := os.ReadFile(p.Wasm())
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// That their fixtures pass, TestReadmes shows.
func TestModules(t *testing.T) {
	all, err := opened()
	if err != nil || len(all) < 8 {
		t.Fatalf("%d examples, %v", len(all), err)
	}
	for name, p := range all {
		t.Run(name, func(t *testing.T) {
			wasm := module(t, p)
			if p.Language != project.Go && len(wasm) > maxCommitted {
				t.Errorf("it has %d bytes, the most is %d", len(wasm), maxCommitted)
			}
			info, err := plugins.Inspect(wasm)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(p.Manifest, info.Manifest); d != "" {
				t.Errorf("the module has another manifest than plugin.json; run task sdk -- -update:\n%s", d)
			}
		})
	}
}
