package meter

import (
	"context"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// Of any module that can be read, the metered one is valid when and only when the plain
// one is, and computes the same: results, memory and globals of every export that can
// be called without arguments and ends within some ticks.
func FuzzRewrite(f *testing.F) {
	for _, wasm := range bombs() {
		f.Add(wasm)
	}
	f.Add(bulkGuest())
	f.Add(assemble.Rename("a", "b", 2))
	addSpec(f)
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := module.Parse(wasm)
		if err != nil {
			return
		}
		wasm = module.Strip(wasm)
		out, err := Rewrite(m, Options{Depth: 200})
		if err != nil {
			t.Fatal(err)
		}
		b := newBox(t, wazero.NewRuntimeConfigInterpreter())
		_, plain := b.r.CompileModule(context.Background(), wasm)
		_, after := b.r.CompileModule(context.Background(), out)
		if (plain == nil) != (after == nil) {
			t.Fatalf("plain %v, metered %v", plain, after)
		}
		if plain == nil && runnable(m) {
			same(t, b, m, wasm, out)
		}
	})
}

// runnable says whether a plain module can be run without a sandbox around it.
func runnable(m *module.Module) bool {
	for _, t := range m.Tables {
		if t.Min > 1000 {
			return false
		}
	}
	return len(m.Imports) == 0 && !slices.ContainsFunc(m.Bodies, func(b module.Body) bool { return b.Shape.TableGrow })
}

func same(t *testing.T, b *box, m *module.Module, wasm, out []byte) {
	t.Helper()
	b.ticks = 20
	mm, merr := b.start(out)
	if b.ticks < 0 {
		return
	}
	pm, perr := b.start(wasm)
	if (merr == nil) != (perr == nil) {
		t.Fatalf("instantiated: plain %v, metered %v", perr, merr)
	}
	if perr != nil {
		return
	}
	for _, e := range m.Exports {
		if e.Kind != module.Function || len(m.TypeOf(e.Index).Params) > 0 {
			continue
		}
		got, merr := mm.ExportedFunction(e.Name).Call(context.Background())
		if b.ticks < 0 || deep(mm) {
			return // the plain one may go on for ever
		}
		want, perr := pm.ExportedFunction(e.Name).Call(context.Background())
		if !slices.Equal(got, want) || reason(merr) != reason(perr) {
			t.Fatalf("%q: plain %v %v, metered %v %v", e.Name, want, perr, got, merr)
		}
		if state(m, pm) != state(m, mm) {
			t.Fatalf("%q leaves another memory or other globals", e.Name)
		}
		if merr != nil {
			return
		}
	}
}

func deep(m api.Module) bool { return m.ExportedGlobal(DepthGlobal).Get() > 200 }

var seed = maphash.MakeSeed()

// state digests what an instance shows of its memory and globals.
func state(m *module.Module, i api.Module) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, e := range m.Exports {
		switch e.Kind {
		case module.MemoryKind:
			all, _ := i.ExportedMemory(e.Name).Read(0, i.ExportedMemory(e.Name).Size())
			h.Write(all)
		case module.GlobalKind:
			maphash.WriteComparable(&h, i.ExportedGlobal(e.Name).Get())
		}
	}
	return h.Sum64()
}

// addSpec takes some of the specification's modules as seeds.
func addSpec(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(specDir(f), "v2", "testdata", "*.wasm"))
	for i, name := range files {
		if b, err := os.ReadFile(name); err == nil && len(b) < 1000 && i%20 == 0 {
			f.Add(b)
		}
	}
}
