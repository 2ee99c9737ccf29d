package project

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// Fuel is what bench goes by: it is the same in every run, and tells versions apart.
func TestBenchTellsVersionsApart(t *testing.T) {
	p, before := renamed(t, strings.Replace(good, "\n"+`{"name":"n","text":"t","kind":"text"}`, "", 1))
	load, err := p.BenchLoad()
	if err != nil {
		t.Fatal(err)
	}
	old, err := Bench(t.Context(), before, load)
	if err != nil || old.Fuel <= 0 || old.Batches < GrowthBatches || old.P99 < old.Median || old.Growth() != "" {
		t.Fatalf("%+v, %v", old, err)
	}
	again, err := Bench(t.Context(), before, load)
	if err != nil || again.Fuel != old.Fuel || again.Regression(old) != "" {
		t.Errorf("the same module: %+v, %v", again, err)
	}
	costly := assemble.Guest{Manifest: assemble.All(), Locals: "iii", Transform: assemble.EachRecord(2, 3,
		assemble.I32(200)+assemble.Set(4)+assemble.Loop+assemble.Get(4)+assemble.I32(1)+assemble.I32Sub+assemble.Tee(4)+assemble.BrIf(0)+assemble.End) + assemble.I64(0)}.Bytes()
	now, err := Bench(t.Context(), costly, load)
	if err != nil || !strings.Contains(now.Regression(old), "more than") {
		t.Errorf("a costly one: %+v, %v", now, err)
	}
	if r := (&Cost{Fuel: 1}).Regression(&Cost{}); r == "" {
		t.Error("what cost nothing and costs something is none")
	}
}

// Memory that grows with every batch is told from memory that a plugin takes to work with.
func TestBenchTellsGrowth(t *testing.T) {
	load := Load{In: []Sample{{Name: "n", Kind: "gauge"}}}
	taking := func(pages int64, while assemble.Code) []byte {
		return assemble.Guest{
			Manifest: assemble.All(), Setup: func(m *assemble.Module) { m.AddGlobal('i', assemble.I32(0)) },
			Transform: assemble.Global(0) + assemble.I32(1) + assemble.I32Add + assemble.SetGlobal(0) +
				while + assemble.If + assemble.I32(pages) + assemble.MemoryGrow + assemble.Drop + assemble.End + assemble.I64(0),
		}.Bytes()
	}
	every := func(n int64) assemble.Code { // batches; n is a power of two
		return assemble.Global(0) + assemble.I32(n-1) + assemble.I32And + assemble.I32Eqz
	}
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"a leak":            {taking(1, every(16)), "its memory grew from 1536 to 2496 KiB in 240 batches"},
		"a leak that fills": {taking(8, every(2)), "until the instance was given up"},
		"once, for work":    {taking(20, assemble.Global(0)+assemble.I32(30)+assemble.I32Eq), ""},
	} {
		cost, err := Bench(t.Context(), c.wasm, load)
		if err != nil {
			t.Fatal(err)
		}
		if got := cost.Growth(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v, given up %d: %q, want %q", name, cost.Memory, cost.Replaced, got, c.want)
		}
	}
}

func TestBenchAndRunRefuse(t *testing.T) {
	p, wasm := renamed(t, "-- in.jsonl --\n-- error --\ninit: bad-config\n")
	if _, err := p.BenchLoad(); !errors.Is(err, ErrInput) {
		t.Errorf("no samples in fixtures: %v", err)
	}
	if _, err := Bench(t.Context(), wasm, Load{}); !errors.Is(err, ErrInput) {
		t.Errorf("no samples: %v", err)
	}
	one := Load{In: []Sample{{Name: "n", Kind: "gauge"}}}
	var fault *plugins.Error
	if _, err := Bench(t.Context(), wasm[:50], one); !errors.As(err, &fault) {
		t.Errorf("half a module: %v", err)
	}
	failing := assemble.Guest{Manifest: assemble.All(), Transform: assemble.I64(int64(abi.Refused(abi.BatchFailed)))}.Bytes()
	if _, err := Bench(t.Context(), failing, one); err == nil {
		t.Error("a plugin that does not even start is measured")
	}
	trap := assemble.Guest{Manifest: assemble.All(), Transform: assemble.Get(0) + assemble.I32Load(8) + assemble.I32(1) + assemble.I32GeU + assemble.If +
		assemble.Get(0) + assemble.I32Load(12) + assemble.I32(1) + assemble.I32GeU + assemble.If + assemble.Unreachable + assemble.End + assemble.End + assemble.I64(0)}.Bytes()
	given := []Sample{{Name: "n", Kind: "gauge", Labels: map[string]string{"a": "b"}}}
	next := func() (Sample, bool, error) {
		if len(given) == 0 {
			return Sample{}, false, nil
		}
		s := given[0]
		given = given[1:]
		return s, true, nil
	}
	var failed []Failure
	err := Run(t.Context(), trap, nil, next, func(o *Outcome) error {
		if len(o.Out) > 0 {
			t.Errorf("something came out: %+v", o.Out)
		}
		failed = append(failed, o.Failed...)
		return nil
	})
	if want := []Failure{{Record: 0, Code: "trap", Reason: "unreachable"}}; err != nil || !slices.Equal(failed, want) {
		t.Errorf("a trap: %+v, %v", failed, err)
	}
	broken := errors.New("broken")
	if err := Run(t.Context(), wasm, nil, func() (Sample, bool, error) { return Sample{}, false, broken }, nil); !errors.Is(err, broken) {
		t.Errorf("input that cannot be read: %v", err)
	}
}

// A fixture shows what becomes of samples that fail, one by one or all.
func TestFixturesOfFailures(t *testing.T) {
	flagged := assemble.Guest{Manifest: assemble.All(), Locals: "iiI", Transform: assemble.EachRecord(2, 3,
		assemble.Get(2)+assemble.I32Load16(24)+assemble.I32(1)+assemble.I32GeU+assemble.If+
			assemble.Get(2)+assemble.I32(int64(abi.Failed))+assemble.I32Store8(27)+
			assemble.I64(int64(abi.Refused(abi.RecordFailed)))+assemble.Set(4)+assemble.End) + assemble.Get(4)}.Bytes()
	p, _ := renamed(t, `-- in.jsonl --
{"name":"a","value":1}
{"name":"b","labels":{"x":"y"},"value":2}
-- out.jsonl --
{"name":"a","value":1}
-- failed.jsonl --
{"record":1,"code":"record-failed","reason":"the plugin gives no reason"}
`)
	if report, err := p.Test(t.Context(), flagged, TestOptions{}); err != nil || report.Failed > 0 {
		t.Errorf("%+v, %v", report, err)
	}
	name := filepath.Join(p.Dir, Fixtures, "one.txtar")
	write(t, name, "-- in.jsonl --\n{\"name\":\"a\",\"value\":1}\n")
	refusing := assemble.Guest{Manifest: assemble.All(), Init: assemble.I32(int64(abi.BadConfig))}.Bytes()
	report, err := p.Test(t.Context(), refusing, TestOptions{Update: true})
	if err != nil || report.Failed > 0 || !report.Fixtures[0].Updated {
		t.Errorf("%+v, %v", report, err)
	}
	if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "-- error --\ninit: bad-config") {
		t.Errorf("%s, %v", text, err)
	}
}
