package policy

import (
	"bufio"
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// today is the day on which the sets of testdata are judged.
var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A scene is a txtar file: a policy set, or a sluice.cue, and what is said about
// it. Its comment holds "key: value" lines that say how it is loaded.
type scene struct {
	name  string
	keys  map[string]string
	files fstest.MapFS
	want  string
	ar    *txtar.Archive
}

func scenes(t testing.TB, dir string) []scene {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenes in testdata/%s: %v", dir, err)
	}
	var out []scene
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, readScene(strings.TrimSuffix(filepath.Base(name), ".txtar"), ar))
	}
	return out
}

func readScene(name string, ar *txtar.Archive) scene {
	s := scene{name: name, keys: map[string]string{}, files: fstest.MapFS{}, ar: ar}
	lines := bufio.NewScanner(bytes.NewReader(ar.Comment))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ": "); ok {
			s.keys[key] = value
		}
	}
	for _, f := range ar.Files {
		if f.Name == "want" {
			s.want = string(f.Data)
			continue
		}
		s.files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	if name := s.keys["symlink"]; name != "" {
		s.files[name] = &fstest.MapFile{Data: []byte("/etc/hostname"), Mode: fs.ModeSymlink}
	}
	return s
}

// judge returns what is said about the scene, drawn.
func (s scene) judge(t *testing.T) (*Bundle, []diag.Diagnostic, string) {
	t.Helper()
	var b *Bundle
	var found []diag.Diagnostic
	var err error
	if f := s.files["sluice.cue"]; f != nil {
		_, found, err = ReadInstance("sluice.cue", f.Data)
	} else {
		opt := Options{Tags: strings.Fields(s.keys["tags"]), Today: today, Runnable: s.keys["runnable"] != "",
			Plugins: pushed, PluginLimits: PluginLimits{Pages: 256, Batch: 50 * time.Millisecond}}
		if wall := s.keys["wall"]; wall != "" {
			d, err := ParseDuration(wall)
			if err != nil {
				t.Fatal(err)
			}
			opt.Child = testChild(t, Limits{CPU: time.Minute, Wall: d, Memory: 1 << 30})
		}
		b, found, err = Load(t.Context(), s.files, opt)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	source := func(name string) []byte {
		if f := s.files[name]; f != nil {
			return f.Data
		}
		return nil
	}
	if err := diag.Render(&out, "pretty", found, diag.Output{Source: source}); err != nil {
		t.Fatal(err)
	}
	return b, found, out.String()
}

func TestBad(t *testing.T) {
	for _, s := range scenes(t, "bad") {
		t.Run(s.name, func(t *testing.T) {
			_, found, got := s.judge(t)
			if *update {
				s.write(t, "bad", got)
				return
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("findings differ (-want +got):\n%s", diff)
			}
			code, _, _ := strings.Cut(s.name, "-")
			if !slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return string(d.Code) == code }) {
				t.Errorf("no finding has code %s", code)
			}
		})
	}
}

func TestGood(t *testing.T) {
	for _, s := range scenes(t, "good") {
		t.Run(s.name, func(t *testing.T) {
			if _, _, got := s.judge(t); got != "" {
				t.Errorf("findings about a good set:\n%s", got)
			}
		})
	}
}

func (s scene) write(t *testing.T, dir, got string) {
	t.Helper()
	s.ar.Files = slices.DeleteFunc(s.ar.Files, func(f txtar.File) bool { return f.Name == "want" })
	s.ar.Files = append(s.ar.Files, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(filepath.Join("testdata", dir, s.name+".txtar"), txtar.Format(s.ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every code has a scene that shows it and one that shows how it is avoided.
func TestEveryCodeHasScenes(t *testing.T) {
	have := map[string]map[string]bool{"bad": {}, "good": {}}
	for dir := range have {
		for _, s := range scenes(t, dir) {
			have[dir][s.name] = true
		}
	}
	for _, h := range diag.Codes() {
		if h.Code == diag.TestFailed || h.Code == diag.PluginFailed || ofAnalysis(h.Code) {
			continue // tests and plugins run on the compiled set, which the loader does not know
		}
		for _, dir := range slices.Sorted(maps.Keys(have)) {
			if !have[dir][string(h.Code)] {
				t.Errorf("testdata/%s/%s.txtar is missing", dir, h.Code)
			}
		}
	}
}
