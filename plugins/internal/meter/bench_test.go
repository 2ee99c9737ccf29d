package meter

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// slow are guests that do as much as they can between two ticks: the slowest
// instructions one after the other, and loads that miss the caches.
func slow() map[string][]byte {
	dense := func(first, each as.Code, n int) []byte {
		body := first + as.Code(strings.Repeat(string(each), n)) + as.Drop
		return guest(as.Loop+body+as.Br(0)+as.End, "i")
	}
	out := map[string][]byte{
		"division":    dense(as.I64(1<<62), as.I64(3)+"\x80", 4000),
		"square root": guest(as.Loop+as.I32(0)+as.I32(0)+as.F64Load(0)+as.Code(strings.Repeat("\x9f", 10_000))+as.F64Store(0)+as.Br(0)+as.End, ""),
		"chased loads": dense(as.I32(0), as.I32(1664525)+as.I32Mul+as.I32(1013904223)+as.I32Add+as.I32(1<<22-4)+as.I32And+
			as.I32Load(0)+as.Get(0)+as.I32Add+as.I32(12345)+as.I32Add+as.Tee(0), 5000),
		"new pages": guest(as.Loop+as.Get(0)+as.I32(1)+as.I32Store(0)+
			as.Get(0)+as.I32(4096)+as.I32Add+as.I32(1<<22-1)+as.I32And+as.Set(0)+as.Br(0)+as.End, "i"),
	}
	for name, wasm := range bombs() {
		if name != "start" {
			out[name] = wasm
		}
	}
	return out
}

// BenchmarkTick: the time between two ticks, which is how long a guest can hold up the
// stop of the world. The worst 1 % have what the machine adds to it.
func BenchmarkTick(b *testing.B) {
	for name, wasm := range slow() {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(64))
			defer r.Close(ctx)
			took := make([]time.Duration, 0, 4096)
			last := time.Now()
			_, err := r.NewHostModuleBuilder(TickModule).NewFunctionBuilder().WithFunc(func() int64 {
				now := time.Now()
				if took = append(took, now.Sub(last)); len(took) == cap(took) {
					panic(errStopped)
				}
				last = now
				return DefaultSlice
			}).Export(Tick).Instantiate(ctx)
			if err != nil {
				b.Fatal(err)
			}
			m, err := r.Instantiate(ctx, metered(b, wasm, Options{}))
			if err != nil {
				b.Fatal(err)
			}
			f := m.ExportedFunction("f")
			for b.Loop() {
				took, last = took[:0], time.Now()
				for len(took) < cap(took) {
					if _, err := f.Call(ctx); err != nil {
						break
					}
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-us")
		})
	}
}

// BenchmarkRewrite: what metering costs a load, by the bytes of the module.
func BenchmarkRewrite(b *testing.B) {
	m := &as.Module{}
	m.Memory(1, 1)
	for range 5000 {
		m.Func("", "ii", "i", "i", as.Loop+as.Get(0)+as.I32Load(0)+as.Get(1)+as.I32Add+as.Tee(2)+as.I32Eqz+as.BrIf(0)+as.End+
			as.Get(2)+as.Get(0)+as.Call(0))
	}
	wasm := m.Bytes()
	b.SetBytes(int64(len(wasm)))
	for b.Loop() {
		m, err := module.Parse(wasm)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Rewrite(m, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
