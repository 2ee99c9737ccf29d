package meter

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// The test modules of the core specification come with the module of the runtime,
// each with what to call and what to expect. What a metered one does must be what the
// plain one does: results, traps and their reasons, and what is refused.

// specDir returns where they are. They are always there once the runtime is a
// dependency, so that they are not is an error.
func specDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("where the runtime's module is: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

// command is one of a test of the specification.
type command struct {
	Type     string `json:"type"`
	Line     int    `json:"line"`
	Name     string `json:"name"`
	Filename string `json:"filename"`
	As       string `json:"as"`
	Kind     string `json:"module_type"` // binary or text
	Action   struct {
		Type   string  `json:"type"`
		Module string  `json:"module"`
		Field  string  `json:"field"`
		Args   []value `json:"args"`
	} `json:"action"`
}

type value struct {
	Type  string `json:"type"`
	Lane  string `json:"lane_type"`
	Value any    `json:"value"`
}

// words returns the value as the runtime passes it.
func (v value) words(t *testing.T) []uint64 {
	t.Helper()
	if v.Type != "v128" {
		s, _ := v.Value.(string)
		return []uint64{number(t, v.Type, s)}
	}
	lanes, ok := v.Value.([]any)
	if !ok {
		t.Fatalf("a vector without lanes: %v", v)
	}
	out := make([]uint64, 2)
	width := 128 / len(lanes)
	for i, l := range lanes {
		s, _ := l.(string)
		bit := i * width
		out[bit/64] |= number(t, v.Lane, s) << (bit % 64)
	}
	return out
}

func number(t *testing.T, kind, s string) uint64 {
	t.Helper()
	if s == "null" {
		return 0
	}
	bits := map[string]int{"i8": 8, "i16": 16, "i32": 32, "f32": 32}[kind]
	if bits == 0 {
		bits = 64
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if kind == "externref" {
			n++ // 0 is null
		}
		return uint64(n) << (64 - bits) >> (64 - bits)
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s %q: %v", kind, s, err)
	}
	return n
}

// world runs the commands of one test on plain or on metered modules.
type world struct {
	r       wazero.Runtime
	metered bool
	named   map[string]api.Module
	all     []api.Module
	last    api.Module
}

func newWorld(t *testing.T, dir string, config wazero.RuntimeConfig, metered bool) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{r: wazero.NewRuntimeWithConfig(ctx, config.WithCoreFeatures(api.CoreFeaturesV2)), metered: metered, named: map[string]api.Module{}}
	t.Cleanup(func() { w.r.Close(ctx) })
	_, err := w.r.NewHostModuleBuilder(TickModule).NewFunctionBuilder().
		WithFunc(func() int64 { return DefaultSlice }).Export(Tick).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.load(filepath.Join(dir, "testdata", "spectest.wasm"), "spectest"); err != nil {
		t.Fatal(err)
	}
	return w
}

// load compiles and instantiates a file, under the name that others import it by.
func (w *world) load(file, as string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if w.metered {
		m, err := module.Parse(b)
		if err != nil {
			return err
		}
		if b, err = Rewrite(m, Options{}); err != nil {
			return err
		}
	}
	ctx := context.Background()
	c, err := w.r.CompileModule(ctx, b)
	if err != nil {
		return err
	}
	m, err := w.r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName(as).WithStartFunctions())
	if err != nil {
		return err
	}
	w.last = m
	w.all = append(w.all, m)
	return nil
}

func (w *world) act(t *testing.T, c command) ([]uint64, error) {
	t.Helper()
	m := w.last
	if c.Action.Module != "" {
		m = w.named[c.Action.Module]
	}
	if m == nil {
		return nil, errors.New("no module")
	}
	if c.Action.Type == "get" {
		return []uint64{m.ExportedGlobal(c.Action.Field).Get()}, nil
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.words(t)...)
	}
	got, err := m.ExportedFunction(c.Action.Field).Call(context.Background(), args...)
	if err != nil && w.metered {
		// A trap leaves the depth where it was: its instance is not used any more, here it is.
		for _, m := range w.all {
			if g, ok := m.ExportedGlobal(DepthGlobal).(api.MutableGlobal); ok {
				g.Set(0)
			}
		}
	}
	return got, err
}

func TestMeteredIsPlain(t *testing.T) {
	dir := specDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "v2", "testdata", "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d tests of the specification in %s, %v", len(files), dir, err)
	}
	var done counts
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) {
			replay(t, dir, f, wazero.NewRuntimeConfigCompiler(), &done)
		})
	}
	t.Logf("%+v", done)
	if done.modules < 1000 || done.calls < 10_000 || done.traps < 500 || done.invalid < 1000 {
		t.Errorf("too little was compared: %+v", done)
	}
}

type counts struct{ modules, calls, traps, invalid int }

// padded are the lines of modules with an opcode that is longer than it need be, which
// are refused on purpose.
var padded = map[string]int{"binary-leb128.json": 969}

// replay runs the commands of a file in both worlds and compares.
func replay(t *testing.T, dir, file string, config wazero.RuntimeConfig, done *counts) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var test struct {
		Commands []command `json:"commands"`
	}
	if err := json.Unmarshal(text, &test); err != nil {
		t.Fatal(err)
	}
	plain, metered := newWorld(t, dir, config, false), newWorld(t, dir, config, true)
	both := func(f func(*world) error) (error, error) { return f(plain), f(metered) }
	for i, c := range test.Commands {
		at := filepath.Join(filepath.Dir(file), c.Filename)
		switch c.Type {
		case "module":
			done.modules++
			as := registered(test.Commands[i+1:])
			p, m := both(func(w *world) error { return w.load(at, as) })
			if c.Line == padded[filepath.Base(file)] && m != nil {
				continue
			}
			if (p == nil) != (m == nil) {
				t.Fatalf("line %d: a module: plain %v, metered %v", c.Line, p, m)
			}
			plain.named[c.Name], metered.named[c.Name] = plain.last, metered.last
		case "assert_return", "action", "assert_trap", "assert_exhaustion":
			done.calls++
			got, perr := plain.act(t, c)
			also, merr := metered.act(t, c)
			if !slices.Equal(got, also) || (perr == nil) != (merr == nil) {
				t.Errorf("line %d: plain %v %v, metered %v %v", c.Line, got, perr, also, merr)
			}
			if c.Type == "assert_trap" {
				done.traps++
				if reason(perr) != reason(merr) {
					t.Errorf("line %d: plain %v, metered %v", c.Line, perr, merr)
				}
			}
		case "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
			if c.Kind == "text" {
				continue
			}
			done.invalid++
			p, m := both(func(w *world) error { return w.load(at, "") })
			if p != nil && m == nil {
				t.Errorf("line %d: plain is refused, %v, metered is not", c.Line, p)
			}
		}
	}
}

// registered returns the name that the module before these commands gets.
func registered(next []command) string {
	for _, c := range next {
		if c.Type == "register" {
			return c.As
		}
		if c.Type == "module" {
			break
		}
	}
	return ""
}

// reason is the first line of an error; the others are where.
func reason(err error) string {
	if err == nil {
		return ""
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
