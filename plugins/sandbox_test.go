package plugins

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

func codeOf(t *testing.T, err error) abi.Code {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	return e.Code
}

// until waits for what another goroutine brings about.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); runtime.Gosched() {
		if time.Since(start) > 3*time.Minute {
			t.Fatal("it did not come about within three minutes")
		}
	}
}

func TestWhatTheGateAllowsIsThere(t *testing.T) {
	functions := hostFuncs()
	for _, s := range module.Allowed() {
		if functions[s.Module+"."+s.Name] == nil {
			t.Errorf("%s.%s may be imported and is not provided", s.Module, s.Name)
		}
	}
	if len(functions) != len(module.Allowed()) {
		t.Errorf("%d functions are provided, %d may be imported", len(functions), len(module.Allowed()))
	}
}

func TestAnInstanceIsForOneGoroutine(t *testing.T) {
	looping := bitter(assemble.Loop + assemble.Br(0) + assemble.End)
	i := open(t, looping, Options{Limits: Limits{Batch: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- i.Transform(ctx, batchOf(14)) }()
	until(t, i.busy.Load)
	if err := i.Transform(t.Context(), batchOf(1)); !errors.Is(err, errBusy) {
		t.Errorf("a second call: %v", err)
	}
	cancel()
	if err := <-done; codeOf(t, err) != abi.Deadline {
		t.Errorf("the first call: %v", err)
	}
	if err := i.Transform(t.Context(), batchOf(1)); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestManyInstances(t *testing.T) {
	p, err := Load(t.Context(), poisoned(), Options{Limits: patient(Limits{})})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			i, err := p.Instance(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer i.Close()
			for round := range 50 {
				b := batchOf(10 + 4*(round%2)) // every other one has the value 13
				if err := i.Transform(t.Context(), b); (err != nil) != (round%2 == 1) {
					t.Errorf("goroutine %d, batch %d: %v", n, round, err)
				}
			}
		})
	}
	all.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := p.Counts()
	if c.Calls != 200 || c.Errors[abi.Trap] != 100 || c.Replacements != 100 || c.Out != 1000 || c.Failed[abi.Trap] != 1400 || c.Instances != 0 || c.Memory != 0 {
		t.Errorf("counts are %+v", c)
	}
}

func TestCloseWaitsForCalls(t *testing.T) {
	i := open(t, bitter(assemble.Loop+assemble.Br(0)+assemble.End), Options{Limits: Limits{Batch: time.Second}})
	done := make(chan error)
	go func() { done <- i.Transform(t.Context(), batchOf(14)) }()
	until(t, i.busy.Load)
	i.plugin.Close(t.Context())
	if err := <-done; codeOf(t, err) != abi.Deadline && !errors.Is(err, ErrClosed) {
		t.Errorf("the call that ran: %v", err)
	}
	if _, err := i.plugin.Instance(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("an instance of a closed plugin: %v", err)
	}
}

func TestUnmeteredPluginsStopToo(t *testing.T) {
	i := open(t, bitter(assemble.Loop+assemble.Br(0)+assemble.End), Options{Unmetered: true, Limits: Limits{Batch: 2 * time.Second}})
	if err := i.Transform(t.Context(), batchOf(14)); codeOf(t, err) != abi.Deadline {
		t.Errorf("a loop without end: %v", err)
	}
	if err := i.Transform(t.Context(), batchOf(2)); err != nil {
		t.Errorf("the next batch: %v", err)
	}
}

func TestLoadingIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Load(ctx, poisoned(), Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled load: %v", err)
	}
	_, err = Load(t.Context(), poisoned(), Options{Limits: Limits{Compile: time.Nanosecond}})
	if codeOf(t, err) != abi.CompileTimeout {
		t.Errorf("no time to compile: %v", err)
	}
}

func TestBatchesThatAreNone(t *testing.T) {
	i := open(t, poisoned(), Options{})
	for name, spoil := range map[string]func(b *Batch){
		"too many records": func(b *Batch) { fill(b, 1024) },
		"labels outside":   func(b *Batch) { b.Records[1].First = 8 },
		"name outside":     func(b *Batch) { b.Records[0].Name = 99 },
		"label outside":    func(b *Batch) { b.Pairs[3].Value = 99 },
		"text outside":     func(b *Batch) { b.Records[2].Kind, b.Records[2].Value = abi.Text, 1 },
		"unknown kind":     func(b *Batch) { b.Records[2].Kind = 9 },
		"too many labels":  func(b *Batch) { b.Add(abi.Record{}, make([]abi.Pair, 65)...) },
		"too many bytes":   func(b *Batch) { b.Intern(string(make([]byte, 2<<20))) },
	} {
		b := batchOf(3)
		spoil(b)
		if err := i.Transform(t.Context(), b); codeOf(t, err) != abi.BadBatch {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := i.plugin.Counts(); n.Calls != 0 || n.Replacements != 0 {
		t.Errorf("counts are %+v", n)
	}
}

// What a plugin says is passed on within its limits; what it cannot know is the same
// each time.
func TestWhatAPluginSays(t *testing.T) {
	var said lines
	w := worker(t, assemble.Guest{
		Manifest: abi.Manifest{Needs: abi.Needs{Labels: []string{"*"}}, Writes: abi.Writes{Value: true}, Metrics: []string{"seen"}},
		Locals:   "ii", Setup: func(m *assemble.Module) {
			m.Import(abi.Module, abi.Log, "iii", "")
			m.Import(abi.Module, abi.Fail, "iiii", "")
			m.Import(abi.Module, abi.Count, "iI", "")
			m.Import(wasiModule, "clock_time_get", "iIi", "i")
			m.Import(wasiModule, "random_get", "ii", "i")
			m.Data(2048, []byte("too hot"))
		},
		Transform: assemble.I32(2) + assemble.I32(2048) + assemble.I32(7) + assemble.Call(0) +
			assemble.I32(0) + assemble.I64(2) + assemble.Call(2) +
			assemble.I32(0) + assemble.I64(1) + assemble.Get(0) + assemble.I32(int64(abi.HeaderSize+8)) + assemble.I32Add + assemble.Call(3) + assemble.Drop +
			assemble.Get(0) + assemble.I32(int64(abi.HeaderSize+abi.RecordSize+8)) + assemble.I32Add + assemble.I32(8) + assemble.Call(4) + assemble.Drop +
			assemble.I32(int64(abi.RecordFailed)) + assemble.I32(2) + assemble.I32(2048) + assemble.I32(7) + assemble.Call(1) +
			assemble.Get(0) + assemble.I32Load(8) + assemble.I32(3) + assemble.I32Eq + assemble.If +
			assemble.Get(0) + assemble.I32(int64(abi.Failed)) + assemble.I32Store8(abi.HeaderSize+2*abi.RecordSize+int(flagsAt)) + assemble.End +
			assemble.I64(0),
	}.Bytes(), Options{Log: said.log, Limits: Limits{Lines: 5}})
	var random float64
	for n := range 20 {
		b := batchOf(3)
		if err := w.Run(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if len(b.Failed) != 1 || b.Failed[0] != (Failure{2, abi.RecordFailed, "too hot"}) {
			t.Fatalf("failed are %+v", b.Failed)
		}
		if n > 0 && b.Records[1].Value != random {
			t.Error("the same batch saw other randomness")
		}
		random = b.Records[1].Value
	}
	c := w.use.plugin.Counts()
	if !said.has("too hot") || len(said.all) > 2*6 || c.Lines == 0 {
		t.Errorf("%d lines were said, %d left out: %q", len(said.all), c.Lines, said.all)
	}
	if c.Metrics["seen"] != 40 || c.Failed[abi.RecordFailed] != 20 || w.use.Breaker() != BreakerClosed {
		t.Errorf("counts are %+v", c)
	}
}
