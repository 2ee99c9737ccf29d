package meter

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

var errStopped = errors.New("stopped at a tick")

// box runs modules in which a tick gives a slice, and stops at the tick after ticks.
type box struct {
	r     wazero.Runtime
	ticks int // left
	taken int
}

func newBox(t testing.TB, config wazero.RuntimeConfig) *box {
	t.Helper()
	ctx := context.Background()
	b := &box{r: wazero.NewRuntimeWithConfig(ctx, config.WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(64))}
	t.Cleanup(func() { b.r.Close(ctx) })
	_, err := b.r.NewHostModuleBuilder(TickModule).NewFunctionBuilder().WithFunc(b.tick).Export(Tick).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *box) tick() int64 {
	if b.ticks--; b.ticks < 0 {
		panic(errStopped)
	}
	b.taken++
	return DefaultSlice
}

func (b *box) start(wasm []byte) (api.Module, error) {
	return b.r.InstantiateWithConfig(context.Background(), wasm, wazero.NewModuleConfig().WithName("").WithStartFunctions())
}

func metered(t testing.TB, wasm []byte, o Options) []byte {
	t.Helper()
	m, err := module.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Rewrite(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// guest is a module whose export f has code; set adds what that needs.
func guest(code as.Code, locals string, set ...func(*as.Module)) []byte {
	m := &as.Module{}
	m.Memory(64, 64)
	m.Export("memory", 2, 0)
	for _, s := range set {
		s(m)
	}
	m.Func("f", "", "", locals, code)
	return m.Bytes()
}

var forever = as.Loop + as.Br(0) + as.End

// bombs are what a guest may do to hold the host up, each without end or nearly so.
func bombs() map[string][]byte {
	calls := func(m *as.Module) { // 2^40 calls without a loop
		m.Func("", "", "", "", as.I32(1)+as.Drop)
		for i := range uint32(40) {
			m.Func("", "", "", "", as.Call(i)+as.Call(i))
		}
	}
	table := func(m *as.Module) { m.Table(1, 60_000) }
	fills := as.Code(strings.Repeat(string(as.I32(0)+as.I32(1)+as.I32(1<<22)+as.MemoryFill), 500))
	copies := as.Code(strings.Repeat(string(as.I32(1)+as.I32(0)+as.I32(1<<21)+as.MemoryCopy), 500))
	grows := as.Code(strings.Repeat(string(as.NullFunc+as.I32(50_000)+as.TableGrow+as.Drop), 500))
	pages := as.Code(strings.Repeat(string(as.I32(1)+as.MemoryGrow+as.Drop), 500))
	m := &as.Module{}
	m.Start(m.Func("", "", "", "", forever))
	return map[string][]byte{
		"loop":         guest(forever, ""),
		"br_table":     guest(as.Loop+as.Get(0)+as.BrTable(0, 0, 0)+as.End, "i"),
		"br_if":        guest(as.Loop+as.I32(1)+as.BrIf(0)+as.End, ""),
		"calls":        guest(as.Call(40), "", calls),
		"memory.fill":  guest(fills, ""),
		"memory.copy":  guest(copies, ""),
		"table.grow":   guest(grows, "", table),
		"memory.grow":  guest(pages, ""),
		"start":        m.Bytes(),
		"small leaves": guest(as.Loop+as.Call(0)+as.Br(0)+as.End, "", func(m *as.Module) { m.Func("", "", "", "", as.I32(1)+as.Drop) }),
	}
}

var engines = map[string]func() wazero.RuntimeConfig{
	"compiler":    wazero.NewRuntimeConfigCompiler,
	"interpreter": wazero.NewRuntimeConfigInterpreter,
}

func TestEveryBombIsStopped(t *testing.T) {
	for engine, config := range engines {
		for name, wasm := range bombs() {
			t.Run(engine+"/"+name, func(t *testing.T) {
				b := newBox(t, config())
				b.ticks = 5
				m, err := b.start(metered(t, wasm, Options{}))
				if err == nil {
					_, err = m.ExportedFunction("f").Call(context.Background())
				}
				if !errors.Is(err, errStopped) || b.taken != 5 {
					t.Errorf("%v after %d ticks, want it stopped at the sixth", err, b.taken)
				}
			})
		}
	}
}

func TestDepthHasABound(t *testing.T) {
	itself := func(m *as.Module) { m.Func("r", "", "", "", as.Call(0)) }
	mutual := func(m *as.Module) {
		m.Table(2, 2, 0, 1)
		m.Func("r", "", "", "", as.I32(1)+as.CallIndirect("", "", m))
		m.Func("", "", "", "", as.Call(0))
	}
	large := func(m *as.Module) { m.Func("r", "", "", strings.Repeat("I", 500), as.Call(0)) }
	for name, set := range map[string]func(*as.Module){"itself": itself, "through a table": mutual, "with many locals": large} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, wazero.NewRuntimeConfigCompiler())
			b.ticks = 1000
			m, err := b.start(metered(t, guest("", "", set), Options{Depth: 300}))
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.ExportedFunction("r").Call(context.Background())
			if err == nil || !strings.Contains(err.Error(), "unreachable") {
				t.Errorf("%v, want a trap", err)
			}
			if d := m.ExportedGlobal(DepthGlobal).Get(); d <= 300 {
				t.Errorf("the depth says %d, want more than 300", d)
			}
		})
	}
}

// Calls up to the depth return, by every way out of a function, and leave none of it.
func TestDepthComesBack(t *testing.T) {
	down := func(m *as.Module) {
		// r(n): n = 0: end; odd: by return, even: by a branch out of two blocks
		m.Func("r", "i", "i", "",
			as.Get(0)+as.I32Eqz+as.If+as.I32(7)+as.Return+as.End+
				as.Get(0)+as.I32(1)+as.I32And+as.If+as.Get(0)+as.I32(1)+as.I32Sub+as.Call(0)+as.Return+as.End+
				as.Get(0)+as.I32(1)+as.I32Sub+as.Call(0)+as.Block+as.I32(1)+as.BrIf(0)+as.End+as.Br(0))
	}
	b := newBox(t, wazero.NewRuntimeConfigCompiler())
	b.ticks = 10
	m, err := b.start(metered(t, guest("", "", down), Options{Depth: 100}))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got, err := m.ExportedFunction("r").Call(context.Background(), 99)
		if err != nil || got[0] != 7 {
			t.Fatalf("%v, %v, want 7", got, err)
		}
		if d := m.ExportedGlobal(DepthGlobal).Get(); d != 0 {
			t.Fatalf("the depth is %d after a call", d)
		}
	}
	if _, err := m.ExportedFunction("r").Call(context.Background(), 100); err == nil {
		t.Error("101 calls in calls are let through, want 100")
	}
}

// Fuel is exact and repeats: what was given less what is left.
func TestFuel(t *testing.T) {
	const n = 30_000
	counting := guest(as.Loop+as.Get(0)+as.I32(1)+as.I32Add+as.Tee(0)+as.I32(n)+as.I32LtU+as.BrIf(0)+as.End, "i")
	for engine, config := range engines {
		b := newBox(t, config())
		b.ticks = 1000
		m, err := b.start(metered(t, counting, Options{Slice: 500}))
		if err != nil {
			t.Fatal(err)
		}
		fuel := m.ExportedGlobal(Fuel)
		for range 2 {
			given := int64(fuel.Get())
			b.taken = 0
			if _, err := m.ExportedFunction("f").Call(context.Background()); err != nil {
				t.Fatal(err)
			}
			spent := given + int64(b.taken)*DefaultSlice - int64(fuel.Get())
			if want := int64(1 + n); spent != want { // one for the call, one for each round
				t.Errorf("%s: %d spent, want %d", engine, spent, want)
			}
		}
	}
}

// A large operation costs its bytes, whatever the chunks.
func TestBulkFuel(t *testing.T) {
	for name, code := range map[string]as.Code{
		"fill":          as.I32(0) + as.I32(1) + as.I32(1<<20) + as.MemoryFill,
		"copy forward":  as.I32(0) + as.I32(8) + as.I32(1<<20) + as.MemoryCopy,
		"copy backward": as.I32(8) + as.I32(0) + as.I32(1<<20) + as.MemoryCopy,
	} {
		b := newBox(t, wazero.NewRuntimeConfigCompiler())
		b.ticks = 1000
		m, err := b.start(metered(t, guest(code, ""), Options{Slice: 1 << 40}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.ExportedFunction("f").Call(context.Background()); err != nil {
			t.Fatal(err)
		}
		spent := 1<<40 - int64(m.ExportedGlobal(Fuel).Get())
		if want := int64(1 << 20 / 64); spent != want {
			t.Errorf("%s: %d spent, want %d", name, spent, want)
		}
	}
}

func TestShortFunctionsStay(t *testing.T) {
	m := &as.Module{}
	m.Memory(1, 1)
	m.Func("f", "ii", "i", "", as.Get(0)+as.Get(1)+as.I32Add)
	p, err := module.Parse(metered(t, m.Bytes(), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.Bodies[0].Code), string(as.Get(0)+as.Get(1)+as.I32Add+as.End); got != want {
		t.Errorf("its code is % x, want it as it was: % x", got, want)
	}
}

// A module of nothing, and one without code, are modules afterwards.
func TestWithoutCode(t *testing.T) {
	only := &as.Module{}
	only.Memory(1, 1)
	only.Export("memory", 2, 0)
	for name, wasm := range map[string][]byte{"nothing": []byte(module.Magic), "a memory": only.Bytes()} {
		if _, err := newBox(t, wazero.NewRuntimeConfigCompiler()).start(metered(t, wasm, Options{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsOutOfRange(t *testing.T) {
	m, err := module.Parse([]byte(module.Magic))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Slice: -1}, {Depth: -1}, {Depth: 1<<30 + 1}} {
		if _, err := Rewrite(m, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
