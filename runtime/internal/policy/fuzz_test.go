package policy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Whatever stands in a file, it is judged: either there is a bundle, or a finding
// says why not, at a place that is in the file. Texts that may take long are left
// out: they are the child process's to bound.
func FuzzCompile(f *testing.F) {
	for _, dir := range []string{"bad", "good"} {
		for _, s := range scenes(f, dir) {
			if file := s.files["policy.cue"]; file != nil && s.keys["wall"] == "" {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2048 || strings.Contains(text, "import (") || strings.Contains(text, "list") || strings.Count(text, "for ") > 2 || strings.Count(text, "*") > 20 {
			return
		}
		b, found, err := Compile(Snapshot{"policy.cue": []byte(text)}, Options{Today: today})
		if err != nil {
			t.Fatal(err)
		}
		if (b == nil) != diag.Refused(found) {
			t.Fatalf("bundle %v, findings %v", b, found)
		}
		for _, d := range found {
			if d.Message == "" || d.Code == "" {
				t.Errorf("a finding that says nothing: %+v", d)
			}
			lines := strings.Split(text, "\n")
			if p := d.Pos; p.File != "" && p.File != "policy.cue" || p.Line > len(lines) || p.Line > 0 && p.Column > len(lines[p.Line-1])+4 {
				t.Errorf("a finding outside the file: %+v", d)
			}
		}
		var out bytes.Buffer
		if err := diag.Render(&out, "pretty", found, diag.Output{Source: func(string) []byte { return []byte(text) }}); err != nil {
			t.Fatal(err)
		}
	})
}

// The configuration of an instance likewise.
func FuzzReadInstance(f *testing.F) {
	for _, s := range append(scenes(f, "bad"), scenes(f, "good")...) {
		if file := s.files["sluice.cue"]; file != nil {
			f.Add(string(file.Data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1024 || strings.Contains(text, "import") || strings.Contains(text, "for ") {
			return
		}
		in, found, err := ReadInstance("sluice.cue", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if (in.Group == "") != (len(found) > 0) {
			t.Fatalf("%+v, findings %v", in, found)
		}
	})
}
