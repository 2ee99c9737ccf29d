package scaffold

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFill(t *testing.T) {
	templates := fstest.MapFS{
		"new/a.txt":              {Data: []byte("[[.Name]] {{.Name}} ${{ x }}\n")},
		"new/dot-ci/dot-x/b.yml": {Data: []byte("b")},
		"other/c":                {Data: []byte("c")},
	}
	got, err := Fill(templates, "new", map[string]string{"Name": "n"})
	want := []File{{"a.txt", []byte("n {{.Name}} ${{ x }}\n")}, {".ci/.x/b.yml", []byte("b")}}
	if err != nil || !slices.EqualFunc(got, want, func(a, b File) bool { return a.Name == b.Name && string(a.Text) == string(b.Text) }) {
		t.Errorf("%q, %v", got, err)
	}
	for name, wrong := range map[string]string{"a value that is not there": "[[.None]]", "no template": "[["} {
		if got, err := Fill(fstest.MapFS{"new/a": {Data: []byte(wrong)}}, "new", map[string]string{}); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	files := []File{{"a", []byte("1")}, {"b/c", []byte("2")}}
	if names, err := Write(dir, files); err != nil || !slices.Equal(names, []string{"a", "b/c"}) {
		t.Fatalf("%q, %v", names, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "b", "c")); err != nil || string(text) != "2" {
		t.Errorf("%q, %v", text, err)
	}
	more := []File{{"z", []byte("3")}, {"b/c", []byte("4")}}
	if names, err := Write(dir, more); err == nil || !strings.Contains(err.Error(), filepath.Join("b", "c")+" is there already; nothing is written") || names != nil {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "z")); err == nil {
		t.Error("a file was written although another one was there")
	}
	if names, err := Write(filepath.Join(dir, "a"), files); err == nil || !strings.Contains(err.Error(), "nothing is written") || names != nil {
		t.Errorf("into a file: %q, %v", names, err)
	}
}
