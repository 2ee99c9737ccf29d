package policy

import (
	"bytes"
	"testing"

	"cuelang.org/go/cue/ast"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// The brief form of the schema accepts exactly what the full form accepts, with the
// same outcome.
func TestBriefSchemaAcceptsTheSame(t *testing.T) {
	sets := map[string]Snapshot{}
	for _, dir := range []string{"bad", "good"} {
		for _, s := range scenes(t, dir) {
			if s.keys["wall"] == "" && s.keys["symlink"] == "" && s.files["sluice.cue"] == nil {
				if snap, found, err := Take(s.files); err != nil || len(found) == 0 {
					sets[dir+"/"+s.name] = snap
				}
			}
		}
	}
	for _, m := range mistakes {
		sets[m.line] = set(m.line)
	}
	accepted, refused := 0, 0
	for name, snap := range sets {
		for _, pkg := range packages(snap) {
			sources, found := parseAll(snap, pkg.Files)
			if diag.Refused(found) {
				continue
			}
			a, b := evaluateForm(t, sources, brief), evaluateForm(t, sources, full)
			if !bytes.Equal(a, b) {
				t.Errorf("%s: brief form: %s\nfull form: %s", name, a, b)
			}
			if b == nil {
				refused++
			} else {
				accepted++
			}
		}
	}
	if accepted < 40 || refused < 40 {
		t.Errorf("only %d sets were accepted, and %d refused", accepted, refused)
	}
}

// evaluateForm returns what sources come to, as JSON, and nil when they are refused.
func evaluateForm(t *testing.T, sources []*source, how form) []byte {
	t.Helper()
	tree := plant(sources, nil)
	bind, err := imposed(tree.fields["#Team"] != nil)
	if err != nil {
		t.Fatal(err)
	}
	files := []*ast.File{bind}
	for _, s := range sources {
		files = append(files, s.file)
	}
	e, err := (&contract{}).evaluateWith(files, nil, how)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.wrong) > 0 || !e.value.Exists() {
		return nil
	}
	text, err := e.value.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
