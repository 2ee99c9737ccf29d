package meter

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"

	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// bulkGuest has fill(to, byte, n), copy(to, from, n) and 16 pages.
func bulkGuest() []byte {
	m := &as.Module{}
	m.Memory(16, 16)
	m.Export("memory", 2, 0)
	m.Func("fill", "iii", "", "", as.Get(0)+as.Get(1)+as.Get(2)+as.MemoryFill)
	m.Func("copy", "iii", "", "", as.Get(0)+as.Get(1)+as.Get(2)+as.MemoryCopy)
	return m.Bytes()
}

// In chunks or at once, the memory is the same afterwards, and so are the traps.
func TestChunksAreTheWhole(t *testing.T) {
	b := newBox(t, wazero.NewRuntimeConfigCompiler())
	b.ticks = 1 << 40
	var ms [2]api.Module
	for i, wasm := range [][]byte{bulkGuest(), metered(t, bulkGuest(), Options{})} {
		m, err := b.start(wasm)
		if err != nil {
			t.Fatal(err)
		}
		ms[i] = m
	}
	const size = 16 << 16
	before := make([]byte, size)
	for i := range before {
		before[i] = byte(i>>8) ^ byte(i)*7
	}
	address := rapid.OneOf(rapid.Uint32Range(0, size), rapid.Uint32Range(0, 4), rapid.Uint32Range(size-2, size+2), rapid.Uint32())
	length := rapid.OneOf(rapid.Uint32Range(0, size), rapid.Uint32Range(chunk-1, chunk+1), rapid.SampledFrom([]uint32{0, 2 * chunk, 3*chunk + 1, size}), rapid.Uint32())
	rapid.Check(t, func(t *rapid.T) {
		for _, m := range ms {
			m.Memory().Write(0, before)
		}
		f := rapid.SampledFrom([]string{"fill", "copy"}).Draw(t, "operation")
		args := []uint64{uint64(address.Draw(t, "to")), uint64(address.Draw(t, "from")), uint64(length.Draw(t, "n"))}
		var errs [2]error
		var after [2][]byte
		for i, m := range ms {
			_, errs[i] = m.ExportedFunction(f).Call(context.Background(), args...)
			after[i], _ = m.Memory().Read(0, size)
			if g, ok := m.ExportedGlobal(DepthGlobal).(api.MutableGlobal); ok {
				g.Set(0)
			}
		}
		if reason(errs[0]) != reason(errs[1]) {
			t.Fatalf("%s %v: plain %v, metered %v", f, args, errs[0], errs[1])
		}
		if !bytes.Equal(after[0], after[1]) {
			t.Fatalf("%s %v: the memory differs", f, args)
		}
	})
}

// However many growths there are, and whatever else a guest does between them, the
// clock is looked at between any two.
func TestEveryGrowthTicks(t *testing.T) {
	one := as.I32(1) + as.MemoryGrow + as.Drop
	for name, wasm := range map[string][]byte{
		"in a row":      growing(as.Code(strings.Repeat(string(one), 60)), nil),
		"in a loop":     growing(as.Loop+one+as.Br(0)+as.End, nil),
		"in small ones": growing(as.Code(strings.Repeat(string(as.Call(0)), 60)), func(m *as.Module) { m.Func("", "", "", "", one) }),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, wazero.NewRuntimeConfigCompiler())
			b.ticks = 20
			m, err := b.start(metered(t, wasm, Options{}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.ExportedFunction("f").Call(t.Context()); !errors.Is(err, errStopped) {
				t.Fatalf("%v, want it stopped", err)
			}
			if pages := m.Memory().Size() >> 16; pages < 20 || pages > 22 {
				t.Errorf("%d pages at the tick after 20, want one for each, and the one it began with", pages)
			}
		})
	}
}

// growing is a module of one page whose export f has code.
func growing(code as.Code, set func(*as.Module)) []byte {
	m := &as.Module{}
	m.Memory(1, 64)
	m.Export("memory", 2, 0)
	if set != nil {
		set(m)
	}
	m.Func("f", "", "", "", code)
	return m.Bytes()
}
