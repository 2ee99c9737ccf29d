package plugins

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

var update = flag.Bool("update", false, "write the modules that tests elsewhere run")

// modules are what the tests of the pipeline have for plugins.
func modules(t *testing.T) map[string][]byte {
	t.Helper()
	with := func(wasm []byte, m abi.Manifest) []byte {
		m.ABI = "1.0"
		wasm, err := module.AppendManifest(wasm, m)
		if err != nil {
			t.Fatal(err)
		}
		return wasm
	}
	const at, left = 2, 3
	each := func(body assemble.Code) assemble.Code { return assemble.EachRecord(at, left, body) + assemble.I64(0) }
	every := abi.Needs{Labels: []string{"*"}}
	return map[string][]byte{
		// Calls the label user who, and takes a note that it does nothing with.
		"rename.wasm": with(assemble.Rename("user", "who", 1), abi.Manifest{
			Name: "rename", Version: "1.0.0", Scope: abi.SeriesScope, Config: "note?: string\nlevel: *1 | int",
			Needs: abi.Needs{Labels: []string{"user"}}, Writes: abi.Writes{Labels: []string{"user", "who"}},
		}),
		// The next version calls it person.
		"rename2.wasm": with(assemble.Rename("user", "person", 1), abi.Manifest{
			Name: "rename", Version: "2.0.0", Scope: abi.SeriesScope, Config: "note?: string\nlevel: *1 | int",
			Needs: abi.Needs{Labels: []string{"user"}}, Writes: abi.Writes{Labels: []string{"user", "person"}},
		}),
		// Stops with a trap at what has the label user, and sees no other.
		"trap.wasm": with(assemble.Guest{Locals: "ii", Transform: each(
			assemble.Get(at) + assemble.I32Load16(24) + assemble.If + assemble.Unreachable + assemble.End,
		)}.Bytes(), abi.Manifest{
			Name: "trap", Version: "1.0.0", Scope: abi.SeriesScope, Needs: abi.Needs{Labels: []string{"user"}},
		}),
		// Doubles every value.
		"double.wasm": with(assemble.Guest{Locals: "ii", Transform: each(
			assemble.Get(at) + assemble.Get(at) + assemble.F64Load(8) + assemble.F64(2) + assemble.F64Mul + assemble.F64Store(8),
		)}.Bytes(), abi.Manifest{
			Name: "double", Version: "1.0.0", Scope: abi.SampleScope, Needs: every, Writes: abi.Writes{Value: true},
		}),
		// Counts records, and does with those of the values 1 to 4 what is counted of them: it
		// drops one, makes another of one, refuses one, and stops with a trap at one.
		"everything.wasm": with(everything(), abi.Manifest{
			Name: "everything", Version: "1.0.0", Scope: abi.SampleScope, Needs: every,
			Writes: abi.Writes{Drop: true, Emit: true}, Metrics: []string{"seen"},
		}),
		// Takes a note in its config and fails to start.
		"refuses.wasm": with(assemble.Guest{Init: assemble.I32(int64(abi.BadConfig))}.Bytes(), abi.Manifest{
			Name: "refuses", Version: "1.0.0", Scope: abi.SeriesScope, Needs: every, Config: "note?: string",
		}),
	}
}

// everything is the module of that name, without its manifest.
func everything() []byte {
	const at, left, answer = 2, 3, 4
	when := func(value float64, do assemble.Code) assemble.Code {
		return assemble.Get(at) + assemble.F64Load(8) + assemble.F64(value) + assemble.F64Eq + assemble.If + do + assemble.End
	}
	flag := func(f abi.Flags) assemble.Code {
		return assemble.Get(at) + assemble.I32(int64(f)) + assemble.I32Store8(int(flagsAt))
	}
	return assemble.Guest{
		Locals: "iiI", Setup: func(m *assemble.Module) {
			m.Import(abi.Module, abi.Count, "iI", "")
			m.Data(assemble.ResultAt, assemble.Result(nil, make([]abi.Record, 1), nil))
		},
		Transform: assemble.EachRecord(at, left,
			assemble.I32(0)+assemble.I64(1)+assemble.Call(0)+
				when(1, flag(abi.Drop))+
				when(2, assemble.I32(int64(assemble.ResultAt+abi.ResultSize))+assemble.Get(at)+assemble.I32(int64(abi.RecordSize))+assemble.MemoryCopy+
					assemble.Answer()+assemble.Set(answer))+
				when(3, flag(abi.Failed))+
				when(4, assemble.Unreachable)) + assemble.Get(answer),
	}.Bytes()
}

// TestModules keeps the modules that other packages test with what is written here;
// -update writes them.
func TestModules(t *testing.T) {
	for name, wasm := range modules(t) {
		file := filepath.Join("..", "runtime", "internal", "transform", "testdata", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, wasm, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(have, wasm) {
			t.Errorf("%s is not what this test writes (-update does): %v", file, err)
		}
		if _, err := Inspect(wasm); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
