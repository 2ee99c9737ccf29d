package policy

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/schema"
)

func testFormatter(t testing.TB) *Formatter {
	t.Helper()
	x, err := NewFormatter()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func formatted(t testing.TB, x *Formatter, name string, text []byte, fix bool) ([]byte, []diag.Note) {
	t.Helper()
	out, fixed, found, err := x.Format(name, text, fix)
	if err != nil || len(found) > 0 {
		t.Fatalf("%s: %v %v", name, found, err)
	}
	return out, fixed
}

// Each scene of testdata/format has a file as it was written and as it is wanted;
// those with fix in their comment are fixed, and say what was done.
func TestFormat(t *testing.T) {
	names, err := filepath.Glob("testdata/format/*.txtar")
	if err != nil || len(names) < 5 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fix := strings.Contains(string(ar.Comment), "fix")
			out, fixed := formatted(t, testFormatter(t), "p.cue", ar.Files[0].Data, fix)
			var notes strings.Builder
			for _, n := range fixed {
				notes.WriteString(n.Pos.String() + ": " + n.Message + "\n")
			}
			got := &txtar.Archive{Comment: ar.Comment, Files: []txtar.File{ar.Files[0], {Name: "want.cue", Data: out}}}
			if fix {
				got.Files = append(got.Files, txtar.File{Name: "notes", Data: []byte(notes.String())})
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				ar = got
			}
			if diff := cmp.Diff(string(txtar.Format(ar)), string(txtar.Format(got))); diff != "" {
				t.Errorf("(-want +got; -update accepts it):\n%s", diff)
			}
			if again, more := formatted(t, testFormatter(t), "p.cue", out, fix); !bytes.Equal(again, out) || len(more) > 0 {
				t.Errorf("formatting it again changes it:\n%s", cmp.Diff(string(out), string(again)))
			}
		})
	}
}

func TestFormatLeavesBrokenFilesAlone(t *testing.T) {
	out, _, found, err := testFormatter(t).Format("teams/a/p.cue", []byte("package policies\n\npolicy: {\n"), true)
	if err != nil || out != nil || len(found) != 1 || found[0].Code != diag.Syntax || found[0].Pos.Line == 0 || found[0].Pos.File != "teams/a/p.cue" {
		t.Errorf("%q %v %v", out, found, err)
	}
}

// ours are the CUE files of the project: policies, examples, schema, testdata.
func ours(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, root := range []string{"../../../policies", "../../../examples", "../../../schema", "testdata"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			switch filepath.Ext(name) {
			case ".cue":
				out[name] = text
			case ".txtar":
				for _, f := range txtar.Parse(text).Files {
					if filepath.Ext(f.Name) == ".cue" {
						out[name+":"+f.Name] = f.Data
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 100 {
		t.Fatalf("only %d files", len(out))
	}
	return out
}

func TestFormatIsIdempotentOnOurFiles(t *testing.T) {
	x := testFormatter(t)
	for name, text := range ours(t) {
		for _, fix := range []bool{false, true} {
			out, _, found, err := x.Format(name, text, fix)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if len(found) > 0 || err != nil {
				continue // a scene about syntax
			}
			if again, _ := formatted(t, x, name, out, fix); !bytes.Equal(out, again) {
				t.Errorf("%s (fix %t):\n%s", name, fix, cmp.Diff(string(out), string(again)))
			}
		}
	}
}

// What a set means does not depend on its form: the digest stays, fixed or not.
func TestFormatKeepsTheMeaning(t *testing.T) {
	n, x := 0, testFormatter(t)
	for _, s := range scenes(t, "good") {
		before, _, _ := s.judge(t)
		if before == nil {
			continue
		}
		for _, fix := range []bool{false, true} {
			after := scene{name: s.name, keys: s.keys, files: fstest.MapFS{}}
			for name, f := range s.files {
				text := f.Data
				if filepath.Ext(name) == ".cue" {
					text, _ = formatted(t, x, name, text, fix)
				}
				after.files[name] = &fstest.MapFile{Data: text}
			}
			if b, found, _ := after.judge(t); b == nil || b.Digest != before.Digest {
				t.Errorf("%s (fix %t): %v", s.name, fix, found)
			}
			n++
		}
	}
	if n < 40 {
		t.Errorf("only %d sets were looked at", n)
	}
}

// Rules with their fields in any order, on one line or many, with comments, end up
// the same, and keep what they say and every comment.
func TestFormatOrdersFields(t *testing.T) {
	fields := []string{`description: "why it is there"`, `order: 20`, `tier: "default"`, `enabled: true`, `expires: "2027-01-31"`,
		`match: metrics: ["*_debug_*"]`, `unless: tasks: ["x-*"]`, `rate: 0.5`, `by: "record"`}
	const head = "package policies\n\nimport \"" + schema.ImportPath + "\"\n\npolicy: schema.#Policy & {\n\tteam: \"orders\"\n\tcontrol: a: schema.#Sample & {"
	x := testFormatter(t)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		text.WriteString(head)
		oneLine := rapid.Bool().Draw(t, "on one line")
		comments := 0
		for i, f := range rapid.Permutation(fields).Draw(t, "order") {
			switch {
			case oneLine && i > 0:
				text.WriteString(", ")
			case !oneLine:
				text.WriteString(rapid.SampledFrom([]string{"\n\t\t", "\n\n\t\t"}).Draw(t, "gap"))
			}
			if !oneLine && rapid.Bool().Draw(t, "comment") {
				comments++
				text.WriteString("// about " + f[:3] + "\n\t\t")
			}
			text.WriteString(f)
			if !oneLine && rapid.Bool().Draw(t, "comment behind") {
				comments++
				text.WriteString(" // on " + f[:3])
			}
		}
		if !oneLine {
			text.WriteString("\n\t")
		}
		text.WriteString("}\n}\n")
		out, _, found, err := x.Format("p.cue", []byte(text.String()), false)
		if err != nil || len(found) > 0 {
			t.Fatalf("%v %v\n%s", found, err, text.String())
		}
		last := 0
		for _, f := range fields {
			name, _, _ := strings.Cut(f, ":")
			at := strings.Index(string(out), name+":")
			if oneLine && name == "rate" {
				at = strings.LastIndex(string(out), name+":")
			}
			if at < last {
				t.Fatalf("%s is out of order:\n%s\n%s", name, text.String(), out)
			}
			last = at
			if i := strings.Index(string(out), "// about "+f[:3]+"\n"); i >= 0 && !strings.HasPrefix(strings.TrimSpace(string(out[i+len("// about xxx"):])), name) {
				t.Fatalf("the comment of %s has moved away:\n%s", name, out)
			}
			if i := strings.Index(string(out), " // on "+f[:3]); i >= 0 && !strings.Contains(string(out[bytes.LastIndexByte(out[:i], '\n'):i]), name+":") {
				t.Fatalf("the comment behind %s has moved away:\n%s", name, out)
			}
		}
		if n := bytes.Count(out, []byte("//")); n != comments {
			t.Fatalf("%d comments, had %d:\n%s", n, comments, out)
		}
		want, _, err := Compile(Snapshot{"p.cue": []byte(text.String())}, Options{})
		if err != nil || want == nil {
			t.Fatal(err)
		}
		if got, _, err := Compile(Snapshot{"p.cue": out}, Options{}); err != nil || got == nil || got.Digest != want.Digest {
			t.Fatalf("another meaning: %v\n%s", err, out)
		}
		if again, _, _, err := x.Format("p.cue", out, false); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("not idempotent: %v\n%s", err, cmp.Diff(string(out), string(again)))
		}
	})
}

func FuzzFormat(f *testing.F) {
	f.Add([]byte("package policies\n\npolicy: control: a: {match: {labels: {_x: [\"\"]}}, action: \"keep\"}\n"))
	f.Add([]byte("policy: control: \"\\(x)\": a?: b // c\n"))
	x := testFormatter(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, fix := range []bool{false, true} {
			out, _, found, err := x.Format("p.cue", text, fix)
			if err == nil && len(found) == 0 {
				if again, _, found, err := x.Format("p.cue", out, fix); err != nil || len(found) > 0 || !bytes.Equal(again, out) {
					t.Fatalf("%q, then %q: %v %v", out, again, found, err)
				}
			}
		}
	})
}
