package transform

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patient are limits that a machine under load keeps, too.
var patient = plugins.Limits{Batch: time.Minute, Init: time.Minute, Compile: time.Minute}

// stored returns plugins that can be had by digest, and how a rule names each.
func stored(t *testing.T) (*Plugins, map[string]string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	byDigest, refs := map[string][]byte{}, map[string]string{}
	for _, file := range files {
		module, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := plugins.Inspect(module)
		if err != nil {
			t.Fatal(err)
		}
		byDigest[info.Digest] = module
		refs[filepath.Base(file)] = info.Manifest.Name + "@" + info.Digest
	}
	p := New(Options{
		Log: slog.New(slog.DiscardHandler), Limits: patient, Get: func(digest string) ([]byte, error) {
			if m := byDigest[digest]; m != nil {
				return m, nil
			}
			return nil, errors.New("nobody pushed it")
		},
	})
	t.Cleanup(p.Close)
	return p, refs
}

func open(t *testing.T, p *Plugins, ref string) program.Transformer {
	t.Helper()
	x, err := p.Open(&policy.Transform{Plugin: ref})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func labels(pairs ...string) (l metric.Labels) {
	for i := 0; i < len(pairs); i += 2 {
		l = l.Set(pairs[i], pairs[i+1])
	}
	return l
}

func TestSeries(t *testing.T) {
	p, refs := stored(t)
	x := open(t, p, refs["rename.wasm"])
	in := labels("host", "h1", "user", "ann", "zone", "z")
	out, err := x.Series("m", in)
	if want := labels("host", "h1", "who", "ann", "zone", "z").String(); err != nil || out.Name != "m" || out.Labels.String() != want {
		t.Errorf("%+v %v, want %s", out, err, want)
	}
	if in.Get("user") != "ann" {
		t.Error("the labels it was given have changed")
	}
	if about := x.Plugin(); about.Name != "rename" || about.Version != "1.0.0" || !strings.HasPrefix(about.Digest, "sha256:") || about.Writes[1] != "who" {
		t.Errorf("%+v", about)
	}
}

func TestFailuresHaveCodes(t *testing.T) {
	p, refs := stored(t)
	x := open(t, p, refs["trap.wasm"])
	_, err := x.Series("m", labels("user", "ann"))
	var failed *program.TransformError
	if !errors.As(err, &failed) || failed.Code != "trap" || failed.Transient {
		t.Errorf("%v", err)
	}
	if out, err := x.Series("m", labels("host", "a")); err != nil || out.Labels.Get("host") != "a" {
		t.Errorf("the series after it: %+v %v", out, err)
	}
}

func TestSamplesComeBackWithTheirSource(t *testing.T) {
	p, refs := stored(t)
	x := open(t, p, refs["double.wasm"])
	var in []program.Sample
	for i := range 2500 {
		in = append(in, program.Sample{Name: "m", Labels: labels("host", "a"), Kind: metric.Gauge, Time: int64(i), Value: float64(i)})
	}
	out, fuel, err := x.Samples(in)
	if err != nil || len(out) != len(in) || fuel == 0 {
		t.Fatal(len(out), err)
	}
	for i, s := range out {
		if s.Source != i || s.Value != 2*float64(i) || s.Time != int64(i) || s.Labels.Get("host") != "a" || s.Failed != nil {
			t.Fatalf("%d: %+v", i, s)
		}
	}
}

func TestWorkersPassBatches(t *testing.T) {
	p, refs := stored(t)
	w, err := Workers{}.Open(&program.Transform{Plugin: open(t, p, refs["double.wasm"])})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := &engine.Batch{Strings: []string{"m", "host", "a"}}
	for i := range 3 {
		b.Records = append(b.Records, abi.Record{Value: float64(i), First: uint32(i), Labels: 1, Source: uint32(i)})
		b.Pairs = append(b.Pairs, abi.Pair{Key: 1, Value: 2})
	}
	if err := w.Transform(t.Context(), b); err != nil || len(b.Records) != 3 || b.Records[2].Value != 4 || len(b.Failed) > 0 {
		t.Errorf("%+v %v", b, err)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	p, refs := stored(t)
	for name, tt := range map[string]struct{ ref, want string }{
		"another digest": {"mask@sha256:" + strings.Repeat("0", 64), "nobody pushed it"},
		"a path":         {"./mask.wasm", "not named by its digest"},
		"a bad config":   {refs["refuses.wasm"], "init: bad-config"},
	} {
		if x, err := p.Open(&policy.Transform{Plugin: tt.ref}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v %v", name, x, err)
		}
	}
	if len(p.entries) != 0 {
		t.Errorf("%d plugins are kept that do not run", len(p.entries))
	}
	p.Close()
	if _, err := p.Open(&policy.Transform{Plugin: refs["rename.wasm"]}); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// One plugin runs once for all who use it with one config, also when they ask at once.
func TestOneForAll(t *testing.T) {
	p, refs := stored(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			x, err := p.Open(&policy.Transform{Plugin: refs["rename.wasm"]})
			if err != nil {
				t.Error(err)
				return
			}
			for range 50 {
				if out, err := x.Series("m", labels("user", "ann")); err != nil || out.Labels.Get("who") != "ann" {
					t.Errorf("%d: %+v %v", i, out, err)
				}
			}
		})
	}
	all.Wait()
	if n := len(p.entries); n != 1 {
		t.Errorf("%d run", n)
	}
	open(t, p, refs["rename2.wasm"])
	if c := p.Counts(); len(c) != 2 || c[0].Version != "1.0.0" || c[0].Calls < 400 || !c[0].Running {
		t.Errorf("%+v", c)
	}
}

// A plugin that nobody can reach any more is kept for a while, and no more than a few are.
func TestIdlePluginsEnd(t *testing.T) {
	p, refs := stored(t)
	for i := range maxIdle + 3 {
		_, err := p.Open(&policy.Transform{Plugin: refs["rename.wasm"], Config: map[string]any{"level": i}})
		if err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(3 * time.Minute)
	for {
		runtime.GC()
		p.mu.Lock()
		running, idle := len(p.entries), len(p.idle)
		p.mu.Unlock()
		if running == maxIdle && idle == maxIdle {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d run, %d idle", running, idle)
		}
		runtime.Gosched()
	}
	if c := p.Counts(); len(c) != 1 || c[0].Compile == 0 {
		t.Errorf("what they did is forgotten: %+v", c)
	}
	p.mu.Lock()
	oldest := p.idle[0]
	p.mu.Unlock()
	x, err := p.Open(&policy.Transform{Plugin: refs["rename.wasm"], Config: map[string]any{"level": maxIdle + 2}})
	if err != nil {
		t.Fatal(err)
	}
	if p.expire(x.(*handle).entry); p.entries[x.(*handle).key] == nil {
		t.Error("one that is used has ended")
	}
	if p.expire(oldest); p.entries[oldest.key] != nil {
		t.Error("one that was not used for long runs on")
	}
	runtime.KeepAlive(x)
}

func TestOfferedModules(t *testing.T) {
	p := New(Options{})
	t.Cleanup(p.Close)
	module, err := os.ReadFile("testdata/rename.wasm")
	if err != nil {
		t.Fatal(err)
	}
	info, err := p.Inspect(module)
	if err != nil || info.Manifest.Name != "rename" {
		t.Fatal(info, err)
	}
	if _, err := p.Get(info.Digest); err == nil {
		t.Error("it is there before it is offered")
	}
	p.Offer(map[string][]byte{info.Digest: module})
	x := open(t, p, "rename@"+info.Digest)
	p.Offer(nil)
	if _, err := p.Get(info.Digest); err != nil {
		t.Errorf("it is gone while it is used: %v", err)
	}
	if _, err := p.Inspect([]byte("no module")); err == nil {
		t.Error("what is no module is let in")
	}
	runtime.KeepAlive(x)
}

// Trouble around a plugin is told as what it is, not as what the plugin says.
func TestTroubleOfTheCache(t *testing.T) {
	module, err := os.ReadFile("testdata/rename.wasm")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	p := New(Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Limits: patient, CacheDir: filepath.Join("testdata", "rename.wasm", "cache"),
		Get: func(string) ([]byte, error) { return module, nil },
	})
	t.Cleanup(p.Close)
	open(t, p, "rename@sha256:1")
	if said := log.String(); !strings.Contains(said, `msg="the cache of compiled plugins is not used" plugin=rename version=1.0.0 error="mkdir `) || strings.Contains(said, "a plugin says") {
		t.Errorf("the log: %s", said)
	}
}
