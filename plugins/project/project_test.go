package project

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A new project builds and passes its tests at once, without a network, natively too.
func TestNewProjectBuildsAndPasses(t *testing.T) {
	for _, l := range Languages() {
		t.Run(string(l), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "mask")
			names, err := New(dir, "mask", l)
			if err != nil || len(names) < 6 {
				t.Fatal(names, err)
			}
			p, err := Open(dir)
			if err != nil || p.Language != l || p.Manifest.Name != "mask" {
				t.Fatalf("%+v, %v", p, err)
			}
			t.Setenv("GOPROXY", "off")
			built, err := p.Build(t.Context())
			if missing := (*ToolError)(nil); errors.As(err, &missing) && l != Go {
				t.Skip(err)
			}
			if err != nil || built.Gate != nil {
				t.Fatal(built, err)
			}
			report, err := p.Test(t.Context(), built.Wasm, TestOptions{})
			if err != nil || report.Failed > 0 || len(report.Fixtures) != 2 {
				t.Errorf("%+v, %v", report, err)
			}
			if l == Go {
				cmd := exec.Command("go", "test", ".")
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("go test: %v: %s", err, out)
				}
			}
			if _, err := New(dir, "mask", l); !errors.Is(err, ErrInput) {
				t.Errorf("it is there already: %v", err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		l    Language
	}{{"", Go}, {"Mask", Go}, {"../mask", Go}, {"-mask", Go}, {strings.Repeat("m", 65), Go}, {"mask", "cobol"}, {"mask", ""}} {
		dir := t.TempDir()
		if _, err := New(dir, c.name, c.l); !errors.Is(err, ErrInput) {
			t.Errorf("%q in %q: %v", c.name, c.l, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%q: %v is written, %v", c.name, left, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"an empty directory": {nil, "there is no plugin.json"},
		"no JSON":            {map[string]string{"plugin.json": "{"}, "unexpected"},
		"an unknown field":   {map[string]string{"plugin.json": `{"nmae":"x"}`}, "nmae"},
		"two values":         {map[string]string{"plugin.json": `{} {}`}, "follows"},
		"no language":        {map[string]string{"plugin.json": `{}`}, "main.go (go)"},
		"too large":          {map[string]string{"plugin.json": strings.Repeat(" ", maxManifest+1)}, "the most is"},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			write(t, filepath.Join(dir, name), text)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ManifestFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrInput) {
		t.Errorf("a directory for a file: %v", err)
	}
}

func TestBuildRefuses(t *testing.T) {
	const manifest = `{"name":"x","version":"1.0.0","abi":"1.0","scope":"sample","needs":{},"writes":{},"limits":{}}`
	for name, c := range map[string]struct {
		manifest, source string
		check            func(error) bool
	}{
		"a manifest that is not valid": {`{"name":"X"}`, "package main\nfunc main() {}\n", func(err error) bool { return errors.Is(err, ErrInput) && strings.Contains(err.Error(), "name") }},
		"source that does not compile": {manifest, "package main\nfunc main() { x }\n", func(err error) bool {
			var b *BuildError
			return errors.As(err, &b) && strings.Contains(err.Error(), "undefined: x")
		}},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ManifestFile), c.manifest)
		write(t, filepath.Join(dir, "go.mod"), "module x\n")
		write(t, filepath.Join(dir, "main.go"), c.source)
		p, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Build(t.Context()); !c.check(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, ManifestFile), manifest)
	write(t, filepath.Join(dir, "main.go"), "package main\n")
	p, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	var missing *ToolError
	if _, err := p.Build(t.Context()); !errors.As(err, &missing) || !strings.Contains(err.Error(), "https://go.dev/dl") {
		t.Errorf("no toolchain: %v", err)
	}
}

// renamed is a project of the module that is committed, with a fixture.
func renamed(t *testing.T, fixture string) (*Project, []byte) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, Fixtures, "one.txtar"), fixture)
	wasm, err := os.ReadFile(rename)
	if err != nil {
		t.Fatal(err)
	}
	return &Project{Dir: dir}, wasm
}

const good = `A comment.
-- in.jsonl --
{"name":"n","labels":{"task_name":"a","x":"y"},"value":3,"time":5}

{"name":"n","value":"-Inf","kind":"counter"}
{"name":"n","text":"t","kind":"text"}
-- out.jsonl --
{"name":"n","labels":{"task":"a","x":"y"},"value":1.5,"time":5}
{"name":"n","value":"-Inf","kind":"counter"}
`

func TestFixturesAreRunInEveryWay(t *testing.T) {
	p, wasm := renamed(t, strings.Replace(good, "\n"+`{"name":"n","text":"t","kind":"text"}`, "", 1))
	report, err := p.Test(t.Context(), wasm, TestOptions{})
	if err != nil || report.Failed > 0 || report.Runs != 2*2*3*2 {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err = p.Test(t.Context(), wasm, TestOptions{Only: func(string) bool { return false }}); err != nil || len(report.Fixtures) > 0 {
		t.Errorf("none: %+v, %v", report, err)
	}
}

func TestFirstDifferenceIsShownAndUpdated(t *testing.T) {
	text := strings.Replace(good, "\n"+`{"name":"n","text":"t","kind":"text"}`, "", 1)
	p, wasm := renamed(t, strings.Replace(text, `"value":1.5`, `"value":2`, 1))
	report, err := p.Test(t.Context(), wasm, TestOptions{})
	if err != nil || report.Failed != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	want := FixtureResult{
		Name: "one", Way: "compiler, metered, batches of 1000, first time",
		Difference: "sample 0 of what comes out\n" +
			`  want {"name":"n","labels":{"task":"a","x":"y"},"time":5,"value":2,"kind":"gauge"}` + "\n" +
			`  got  {"name":"n","labels":{"task":"a","x":"y"},"time":5,"value":1.5,"kind":"gauge"}`,
	}
	if diff := cmp.Diff([]FixtureResult{want}, report.Fixtures); diff != "" {
		t.Error(diff)
	}
	for _, updated := range []bool{true, false} {
		report, err = p.Test(t.Context(), wasm, TestOptions{Update: true})
		if err != nil || report.Failed != 0 || report.Fixtures[0].Updated != updated {
			t.Errorf("%+v, %v", report, err)
		}
	}
}

func TestWrongFixtures(t *testing.T) {
	for want, text := range map[string]string{
		"there is no in.jsonl":         "-- config.json --\n{}\n",
		"config.json: wrong input":     "-- config.json --\n{\n-- in.jsonl --\n",
		"in.jsonl: wrong input: line":  "-- in.jsonl --\nx\n",
		"the name is missing":          "-- in.jsonl --\n{}\n",
		"kind is":                      "-- in.jsonl --\n" + `{"name":"n","kind":"gague"}`,
		"unknown field":                "-- in.jsonl --\n" + `{"name":"n","metric":"gague"}`,
		"a gauge has no text":          "-- in.jsonl --\n" + `{"name":"n","text":"x"}`,
		"a text has no value":          "-- in.jsonl --\n" + `{"name":"n","kind":"text","value":1}`,
		"is not a number":              "-- in.jsonl --\n" + `{"name":"n","value":"one"}`,
		"line 2":                       "-- in.jsonl --\n" + `{"name":"n"}` + "\n" + `{"name":"n"} {}`,
		"no file of a fixture":         "-- out.json --\n",
		"out.jsonl is there twice":     "-- in.jsonl --\n-- out.jsonl --\n-- out.jsonl --\n",
		"neither out.jsonl nor failed": "-- in.jsonl --\n-- out.jsonl --\n-- error --\ninit: bad-config\n",
		"it is empty":                  "-- in.jsonl --\n-- error --\n",
	} {
		if _, err := ParseFixture([]byte(text)); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	p, wasm := renamed(t, "")
	if err := os.Remove(filepath.Join(p.Dir, Fixtures, "one.txtar")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Test(t.Context(), wasm, TestOptions{}); !errors.Is(err, ErrInput) {
		t.Errorf("no fixture: %v", err)
	}
	p, wasm = renamed(t, good)
	if _, err := p.Test(t.Context(), wasm[:100], TestOptions{}); err == nil {
		t.Error("half a module is tested")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if report, err := p.Test(ended, wasm, TestOptions{}); err == nil && report.Failed == 0 {
		t.Errorf("an ended context: %+v", report)
	}
}

func FuzzFixture(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("-- in.jsonl --\n-- error --\ninit: bad-config\n-- failed.jsonl --\n{\"record\":-1}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		fixture, err := ParseFixture(text)
		if err != nil {
			if !errors.Is(err, ErrInput) {
				t.Errorf("error %v", err)
			}
			return
		}
		fixture.file = filepath.Join(t.TempDir(), "again.txtar")
		if err := fixture.write(); err != nil {
			t.Fatal(err)
		}
		written, err := os.ReadFile(fixture.file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseFixture(written)
		if err != nil {
			t.Fatalf("what is written is not read: %v\n%s", err, written)
		}
		if d := fixture.Want.same(&again.Want); d != "" {
			t.Errorf("%s\n%s", d, written)
		}
	})
}

// A compiler that a system has with its version behind the name is found, the newest first.
func TestVersionedToolIsFound(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"clang-14", "clang-19", "clang-9"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	p := &Project{Dir: t.TempDir()}
	if found, err := p.find(tool{name: "clang", versioned: true}); err != nil || filepath.Base(found) != "clang-19" {
		t.Errorf("%s, %v", found, err)
	}
	if found, err := p.find(tool{name: "clang"}); err == nil {
		t.Errorf("a program that has no versions: %s", found)
	}
}
