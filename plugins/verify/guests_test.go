package verify

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/project"
)

// A module depends on the version of its compiler, so only who has those that the kept
// ones are built with compares: .ci/sdk.
var (
	update  = flag.Bool("update", false, "keep the modules of testdata/wrong that are built here")
	compare = flag.Bool("compare", false, "fail where a module of testdata/wrong is not, byte for byte, what is built here")
)

// guests double values, and before that do what the number of the batch asks for: from
// 100 on, what is wrong in the language's own way.
var guests = []struct {
	language project.Language
	source   string // its file, in testdata/wrong and in a project
	wrong    []mistake
}{
	{project.Go, "main.go", []mistake{
		{100, "panic", abi.Trap, "panic: it panics"},
		{101, "nil", abi.Trap, "invalid memory address or nil pointer dereference"},
		{102, "recover", 0, ""},
		{103, "exit 0", abi.Exit, "exit code 0"},
		{104, "exit 3", abi.Exit, "exit code 3"},
		{105, "deadlock", abi.Trap, "all goroutines are asleep"},
		{106, "sleep", 0, ""},
		{107, "a goroutine that stays", 0, ""},
		{108, "memory without end", abi.OutOfMemory, "more than its 256 pages of memory"},
		{109, "recursion", abi.Depth, "nested too deep"},
	}},
	{project.Rust, "src/lib.rs", []mistake{
		{100, "panic", abi.Trap, "panicked at src/lib.rs:"},
		{100, "what a panic says", abi.Trap, "it panics at 100"},
		{101, "unwrap of none", abi.Trap, "called `Option::unwrap()` on a `None` value"},
		{102, "index", abi.Trap, "index out of bounds: the len is 3"},
		{103, "borrowed twice", abi.Trap, "already"},
		{104, "division by zero", abi.Trap, "attempt to divide by zero"},
		{105, "memory without end", abi.OutOfMemory, "more than its 256 pages of memory"},
		{106, "recursion", abi.Depth, "nested too deep"},
		{107, "loop", abi.Deadline, "its time was over"},
	}},
	{project.AssemblyScript, "assembly/index.ts", []mistake{
		{100, "throw", abi.Trap, "abort: it throws at 100 (assembly/index.ts:"},
		{102, "index", abi.Trap, "abort: Index out of range"},
		{103, "unreachable", abi.Trap, "unreachable"},
		{104, "division by zero", abi.Trap, "integer divide by zero"},
		{105, "memory without end", abi.OutOfMemory, "more than its 256 pages of memory"},
		{106, "recursion", abi.Depth, "nested too deep"},
		{107, "loop", abi.Deadline, "its time was over"},
	}},
	{project.C, "plugin.c", []mistake{
		{100, "trap", abi.Trap, "unreachable"},
		{101, "a wild pointer", abi.Trap, "out of bounds memory access"},
		{104, "division by zero", abi.Trap, "integer divide by zero"},
		{105, "memory without end", abi.OutOfMemory, "more than its 256 pages of memory"},
		{106, "recursion", abi.Depth, "nested too deep"},
		{107, "loop", abi.Deadline, "its time was over"},
	}},
}

// mistake is what goes wrong in a batch of a number.
type mistake struct {
	batch uint64
	name  string
	code  abi.Code // 0: nothing
	says  string   // what the author is told
}

// wrongModules returns the modules of a guest, by where they are from: built here, where
// its language is, and for all but Go as it is kept.
func wrongModules(t *testing.T, language project.Language, source string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	kept := filepath.Join("testdata", "wrong", string(language)+".wasm")
	if language != project.Go && !*update {
		wasm, err := os.ReadFile(kept)
		if err != nil {
			t.Fatal(err)
		}
		out["kept"] = wasm
	}
	dir := filepath.Join(t.TempDir(), "wrong")
	if _, err := project.New(dir, "wrong", language); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "wrong", filepath.Base(source)))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, filepath.FromSlash(source)), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := project.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	p.Manifest.Config = ""
	built, err := p.Build(t.Context())
	if missing := (*project.ToolError)(nil); errors.As(err, &missing) && language != project.Go && !*compare {
		t.Logf("the module that is kept is tested, and none that is built: %v", err)
		return out
	}
	if err != nil || built.Gate != nil {
		t.Fatal(err, built)
	}
	out["built"] = built.Wasm
	if kept, there := out["kept"]; *compare && there && !bytes.Equal(kept, built.Wasm) {
		t.Error("the module that is kept is not what its source builds: if that or the SDK changed, run task sdk -- -update and commit it")
	}
	if *update && language != project.Go {
		if err := os.WriteFile(kept, built.Wasm, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// What goes wrong in a language goes wrong in its own ways: a Go guest that panicked looks
// alive. The error says what the author wants to know, the instance is gone after each,
// and the next batch is right.
func TestGuests(t *testing.T) {
	for _, g := range guests {
		t.Run(string(g.language), func(t *testing.T) {
			for from, wasm := range wrongModules(t, g.language, g.source) {
				t.Run(from, func(t *testing.T) { tryWrong(t, wasm, g.wrong) })
			}
		})
	}
}

func tryWrong(t *testing.T, wasm []byte, all []mistake) {
	patient := plugins.Limits{Batch: time.Minute, Init: time.Minute, Compile: 5 * time.Minute}
	hasty := patient
	hasty.Batch = time.Second
	quick, slow := instanceOf(t, wasm, hasty), instanceOf(t, wasm, patient)
	for _, c := range all {
		i := slow
		if c.code == abi.Deadline {
			i = quick
		}
		given, before, b := i.plugin.Counts().Replacements, sample(c.batch), sample(c.batch)
		err := i.Transform(t.Context(), b)
		switch {
		case c.code == 0 && err == nil:
			err = doubled(b)
		case c.code != 0:
			said := err
			if err = (Case{Step: plugins.StepTransform, Code: c.code}).expect(said); err == nil && !same(before, b) {
				t.Errorf("%s: the batch that failed was changed", c.name)
			}
			if err == nil && !strings.Contains(said.Error(), c.says) {
				t.Errorf("%s: the error is %q; it must say %q", c.name, said, c.says)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if gone := i.plugin.Counts().Replacements > given; gone != (c.code != 0) {
			t.Errorf("%s: the instance was given up: %t", c.name, gone)
		}
		next := sample(1)
		if err := i.Transform(t.Context(), next); err != nil {
			t.Errorf("after %s: %v", c.name, err)
		} else if err := doubled(next); err != nil {
			t.Errorf("after %s: %v", c.name, err)
		}
	}
}

// tried is a way to a plugin, and the plugin.
type tried struct {
	*plugins.Instance
	plugin *plugins.Plugin
}

func instanceOf(t *testing.T, wasm []byte, l plugins.Limits) tried {
	t.Helper()
	p, err := plugins.Load(t.Context(), wasm, plugins.Options{Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(t.Context()) })
	i, err := p.Instance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return tried{i, p}
}
