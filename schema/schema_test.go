package schema

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEveryFileIsEmbedded(t *testing.T) {
	onDisk, err := filepath.Glob("*.cue")
	if err != nil || len(onDisk) < 5 {
		t.Fatal(onDisk, err)
	}
	embedded, err := fs.Glob(FS, "*")
	if err != nil || !slices.Equal(onDisk, embedded) {
		t.Errorf("embedded %v, on disk %v (%v)", embedded, onDisk, err)
	}
	for _, name := range embedded {
		text, err := FS.ReadFile(name)
		if err != nil || !bytes.Contains(text, []byte("package schema\n")) {
			t.Errorf("%s is not of package schema (%v)", name, err)
		}
	}
}

func TestImportPathIsThatOfTheFolder(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(mod, []byte("\n"))
	if want := "module " + filepath.Dir(ImportPath); string(line) != want {
		t.Errorf("go.mod begins with %q, want %q", line, want)
	}
}
