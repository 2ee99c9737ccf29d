package plugins

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// What stops a guest: metering, which is added to the module, or the runtime's own
// check of a context. RATIONALE.md says which was taken, with the figures of these
// benchmarks.

// budget is what a guest has for a batch here.
const budget = 50 * time.Millisecond

var means = []struct {
	name string
	o    Options
}{{"metered", Options{}}, {"context", Options{Unmetered: true}}}

// bomb is a guest that goes off at a batch of two records and more.
type bomb struct {
	name string
	code abi.Code // what it is stopped with
	does as.Code
	set  func(*as.Module)
}

func bombs() []bomb {
	times := func(n int, c as.Code) as.Code { return as.Code(strings.Repeat(string(c), n)) }
	tree := func(n int, leaf as.Code) func(*as.Module) { // 2^n calls of leaf, from function n, without a loop
		return func(m *as.Module) {
			m.Table(1, 60_000)
			m.Func("", "", "", "", leaf)
			for i := range uint32(n) {
				m.Func("", "", "", "", as.Call(i)+as.Call(i))
			}
		}
	}
	large := func(m *as.Module) { m.Memory(256, 256) }
	const most = 8 << 20
	return []bomb{
		{"loop", abi.Deadline, as.Loop + as.Br(0) + as.End, nil},
		{"br_table", abi.Deadline, as.Loop + as.I32(1) + as.BrTable(0, 0, 0) + as.End, nil},
		{"calls", abi.Deadline, as.Call(27), tree(27, as.I32(1)+as.Drop)},
		{"memory.fill", abi.Deadline, times(1000, as.I32(0)+as.I32(1)+as.I32(2*most)+as.MemoryFill), large},
		{"memory.copy", abi.Deadline, times(1000, as.I32(most)+as.I32(0)+as.I32(most)+as.MemoryCopy), large},
		{"memory.grow", abi.Deadline, as.Call(23), tree(23, as.I32(1)+as.MemoryGrow+as.Drop)},
		{"table.grow", abi.Deadline, as.Call(23), tree(23, as.NullFunc+as.I32(1)+as.TableGrow+as.Drop)},
		{"recursion", abi.Depth, as.Call(0), func(m *as.Module) { m.Func("", "", "", "", as.Call(0)) }},
	}
}

// guest makes the plugin; with one record it does nothing, so that it passes its test.
func (b bomb) guest() []byte {
	return as.Guest{
		Manifest: as.All(), Setup: b.set,
		Transform: as.Get(0) + as.I32Load(8) + as.I32(2) + as.I32GeU + as.If + b.does + as.End + as.I64(0),
	}.Bytes()
}

func (b bomb) options(o Options) Options {
	o.Limits.Batch = budget
	return o
}

func TestEveryBombIsStopped(t *testing.T) {
	for _, b := range bombs() {
		t.Run(b.name, func(t *testing.T) {
			i := open(t, b.guest(), b.options(Options{}))
			for range 2 {
				err := i.Transform(t.Context(), batchOf(2))
				var failure *Error
				if !errors.As(err, &failure) || failure.Code != b.code || failure.Step != StepTransform {
					t.Fatalf("%v, want %s at %s", err, b.code, StepTransform)
				}
				if err := i.Transform(t.Context(), batchOf(1)); err != nil {
					t.Fatalf("the next batch: %v", err)
				}
			}
		})
	}
}

// What can go off while it is loaded is stopped there, or not let in.
func TestBombsOfLoading(t *testing.T) {
	table := func(most int) []byte {
		return bomb{does: as.NullFunc + as.I32(200_000_000) + as.TableGrow + as.Drop, set: func(m *as.Module) { m.Table(1, most) }}.guest()
	}
	start := as.Guest{Manifest: as.All(), Setup: func(m *as.Module) {
		m.Start(m.Func("", "", "", "", as.Loop+as.Br(0)+as.End))
	}}
	for name, tt := range map[string]struct {
		wasm []byte
		code abi.Code
		step string
	}{
		"start function":        {start.Bytes(), abi.Deadline, StepInstantiate},
		"init":                  {as.Guest{Manifest: as.All(), Init: as.Loop + as.Br(0) + as.End + as.I32(0)}.Bytes(), abi.Deadline, StepInit},
		"table without maximum": {table(-1), abi.Gate, StepGate},
		"table of millions":     {table(200_000_000), abi.Gate, StepGate},
	} {
		_, err := Load(t.Context(), tt.wasm, Options{Limits: Limits{Init: budget}})
		var failure *Error
		if !errors.As(err, &failure) || failure.Code != tt.code || failure.Step != tt.step {
			t.Errorf("%s: %v, want %s at %s", name, err, tt.code, tt.step)
		}
	}
}

// BenchmarkStop: how long until a guest with 50 ms is stopped; the bar is 100. On a
// machine that does other things only what it used of a processor says that.
func BenchmarkStop(b *testing.B) {
	for _, by := range means {
		for _, bomb := range bombs() {
			b.Run(fmt.Sprintf("by=%s/bomb=%s", by.name, bomb.name), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				i := open(b, bomb.guest(), bomb.options(by.o))
				var worst, most time.Duration
				stopped := 0
				for b.Loop() {
					at := time.Now()
					clock, _ := threadTime()
					if err := i.Transform(b.Context(), batchOf(2)); err != nil {
						stopped++
					}
					now, _ := threadTime()
					worst, most = max(worst, time.Since(at)), max(most, now-clock)
				}
				b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
				b.ReportMetric(float64(most.Microseconds())/1000, "worst-processor-ms")
				b.ReportMetric(float64(stopped)/float64(b.N), "stopped")
			})
		}
	}
}

// BenchmarkPause: how long the world takes to stop while a guest has a processor for
// itself, as the garbage collector needs it to; the bar is 1 ms more than without one.
func BenchmarkPause(b *testing.B) {
	b.Run("idle", func(b *testing.B) { stops(b) })
	for _, by := range means {
		for _, bomb := range bombs() {
			if !slices.Contains([]string{"loop", "calls", "memory.fill"}, bomb.name) {
				continue
			}
			b.Run(fmt.Sprintf("by=%s/guest=%s", by.name, bomb.name), func(b *testing.B) {
				o := bomb.options(by.o)
				o.Limits.Batch = time.Second
				i := open(b, bomb.guest(), o)
				stop, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					for {
						select {
						case <-stop:
							return
						default:
							_ = i.Transform(b.Context(), batchOf(2)) // what becomes of it is BenchmarkStop's
						}
					}
				}()
				stops(b)
				close(stop)
				<-done
			})
		}
	}
}

// stops stops the world every millisecond.
func stops(b *testing.B) {
	var stats runtime.MemStats
	var took []time.Duration
	for b.Loop() {
		at := time.Now()
		runtime.ReadMemStats(&stats) // stops the world, and does little else
		took = append(took, time.Since(at))
		pause := time.NewTimer(time.Millisecond)
		<-pause.C
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*9/10].Microseconds()), "p90-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// BenchmarkMeans: what either costs a guest that does its work: 1,000 records of 8
// labels, one renamed, the value scaled.
func BenchmarkMeans(b *testing.B) {
	const n = 1000
	keys := [...]string{"host", "job", "task_name", "subtask", "attempt", "operator", "cluster", "zone"}
	for _, by := range means {
		b.Run("by="+by.name, func(b *testing.B) {
			i := open(b, as.Rename("task_name", "task", 0.5), by.o)
			batch := &Batch{}
			var pairs [len(keys)]abi.Pair
			var took time.Duration // without the making of batches
			for b.Loop() {
				batch.Reset()
				for k := range n {
					for at, key := range keys {
						pairs[at] = abi.Pair{Key: batch.Intern(key), Value: batch.Intern(keys[(at+k)%len(keys)])}
					}
					batch.Add(abi.Record{Time: int64(k), Value: 1, Name: batch.Intern("numRecordsIn")}, pairs[:]...)
				}
				at := time.Now()
				if err := i.Transform(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				took += time.Since(at)
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/n, "ns/record")
		})
	}
}
