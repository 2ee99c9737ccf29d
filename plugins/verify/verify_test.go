package verify

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSandbox(t *testing.T) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Try(t.Context()); err != nil {
				t.Errorf("a module that %s: %v", c.About, err)
			}
		})
	}
}

func TestNothingIsLeft(t *testing.T) {
	if err := growth(t.Context()); err != nil {
		t.Error(err)
	}
}

// wrong lists the names of the findings that say that something is wrong.
func wrong(t *testing.T, wasm []byte) (out []string) {
	t.Helper()
	found, err := Plugin(t.Context(), wasm, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Err != nil {
			t.Logf("%s: %v", f.Name, f.Err)
			out = append(out, f.Name)
		}
	}
	return out
}

func TestAGoodPlugin(t *testing.T) {
	if got := wrong(t, as.Rename("task_name", "task", 0.001)); got != nil {
		t.Errorf("a good plugin: %v", got)
	}
}

func TestBadPlugins(t *testing.T) {
	scaled := func(by as.Code) as.Code {
		return as.EachRecord(2, 3, as.Get(2)+as.Get(2)+as.F64Load(8)+by+as.F64Mul+as.F64Store(8)) + as.I64(0)
	}
	for want, c := range map[string]as.Guest{
		// It counts batches, and scales by that.
		"determinism": {Transform: as.Global(0) + as.I32(1) + as.I32Add + as.SetGlobal(0) + scaled(as.Global(0)+"\xb7"),
			Setup: func(m *as.Module) { m.AddGlobal('i', as.I32(0)) }},
		// It scales by how many records there are.
		"batches": {Transform: scaled(as.Get(0) + as.I32Load(8) + "\xb7")},
		// It divides by how many labels are missing from 64.
		"batch/labels": {Transform: as.EachRecord(2, 3, as.I32(1)+as.Get(2)+as.I32Load16(24)+as.I32(64)+as.I32Sub+as.I32DivS+as.Drop) + as.I64(0)},
	} {
		c.Manifest, c.Locals = as.All(), "ii"
		if got := wrong(t, c.Bytes()); !slices.Contains(got, want) {
			t.Errorf("a plugin with a fault in %s: %v", want, got)
		}
	}
}

func TestWhatIsNoPlugin(t *testing.T) {
	if _, err := Plugin(t.Context(), []byte("no module"), nil); err == nil {
		t.Error("no module passes for a plugin")
	}
}
