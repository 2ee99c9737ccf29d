package analysis

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

var update = flag.Bool("update", false, "write what is found into testdata")

// today is the day on which sets are judged.
var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func flink(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func compiled(t testing.TB, set *policy.Set) *program.Program {
	t.Helper()
	p, found := program.Compile(set, program.Options{Today: today})
	if p == nil {
		t.Fatal(found)
	}
	return p
}

// judge returns what is found in a set of CUE files, and how it is shown.
func judge(t testing.TB, known *catalogue.Catalogue, files map[string]string) ([]diag.Diagnostic, string) {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	b, refused, err := policy.Load(t.Context(), fsys, policy.Options{Today: today})
	if err != nil || b == nil {
		t.Fatal(err, refused)
	}
	found := Findings(&b.Set, Options{
		Today: today, Program: compiled(t, &b.Set), Catalogue: known, Provenance: b.Provenance,
		Known: []Metric{{"flink_jobmanager_cluster_up", []string{"cluster", "tag_*"}}},
	})
	var out bytes.Buffer
	source := func(name string) []byte { return []byte(files[name]) }
	if err := diag.Render(&out, "pretty", found, diag.Output{Source: source}); err != nil {
		t.Fatal(err)
	}
	return found, out.String()
}

const head = "package policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\n"

// one is a set of one team, in one file.
func one(body string) map[string]string {
	return map[string]string{"policy.cue": head + "policy: schema.#Policy & {team: \"orders\"}\n" + body + "\n"}
}

// Scenes are sets with what is found in them; one without findings has an empty want.
func TestScenes(t *testing.T) {
	known := flink(t)
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no scenes: ", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, want := map[string]string{}, ""
			for _, f := range ar.Files {
				if f.Name == "want" {
					want = string(f.Data)
				} else {
					files[f.Name] = string(f.Data)
				}
			}
			_, got := judge(t, known, files)
			if *update {
				ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool { return f.Name == "want" })
				ar.Files = append(ar.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("findings differ (-want +got):\n%s", diff)
			}
		})
	}
}

// The help of every code of this package says the truth.
func TestHelpExamples(t *testing.T) {
	known := flink(t)
	seen := 0
	for _, h := range diag.Codes() {
		if !strings.HasPrefix(string(h.Code), "P3") {
			continue
		}
		seen++
		t.Run(string(h.Code), func(t *testing.T) {
			found, got := judge(t, known, one(h.Bad))
			if len(found) == 0 || slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return d.Code != h.Code }) {
				t.Errorf("the bad example does not get the code alone:\n%s", got)
			}
			if _, got := judge(t, known, one(h.Good)); got != "" {
				t.Errorf("the good example has findings:\n%s", got)
			}
		})
	}
	if seen < 10 {
		t.Errorf("%d codes", seen)
	}
}

// The default set, and the sets of the examples, have no findings.
func TestShippedSetsAreClean(t *testing.T) {
	known := flink(t)
	sets, err := filepath.Glob("../../../examples/*/policies")
	if err != nil || len(sets) == 0 {
		t.Fatal("no examples: ", err)
	}
	for _, dir := range append(sets, "../../../policies") {
		b, refused, err := policy.Load(t.Context(), os.DirFS(dir), policy.Options{Today: today})
		if err != nil || b == nil {
			t.Errorf("%s: %v %v", dir, err, refused)
			continue
		}
		if found := Findings(&b.Set, Options{Today: today, Program: compiled(t, &b.Set), Catalogue: known, Provenance: b.Provenance}); len(found) > 0 {
			t.Errorf("%s: %v", dir, found)
		}
	}
}
