package whole

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// names lists a directory.
func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	holds := func(text string, mode fs.FileMode) {
		t.Helper()
		got, err := os.ReadFile(name)
		info, statErr := os.Lstat(name)
		if err != nil || statErr != nil || string(got) != text || info.Mode() != mode {
			t.Errorf("%q of mode %v, %v, %v; want %q of mode %v", got, info.Mode(), err, statErr, text, mode)
		}
	}
	if mode, err := Mode(name, 0o640); err != nil || mode != 0o640 {
		t.Errorf("of no file: %v, %v", mode, err)
	}
	if err := Text(name, 0o640, []byte("one")); err != nil {
		t.Fatal(err)
	}
	holds("one", 0o640)
	broken := errors.New("broken")
	err := Write(name, 0o600, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			t.Error(err)
		}
		holds("one", 0o640) // while another is being written
		found, err := filepath.Glob(filepath.Join(dir, Leftover("*")))
		if err != nil || len(found) != 1 {
			t.Errorf("what is being written is not found: %q, %v", found, err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	holds("one", 0o640)
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	mode, err := Mode(link, 0o600)
	if err := errors.Join(err, Text(link, mode, []byte("two"))); err != nil {
		t.Error(err)
	}
	holds("two", 0o640)
	if err := Text(link, 0o600, nil); err != nil {
		t.Error(err)
	}
	holds("", 0o600)
	if got := names(t, dir); !slices.Equal(got, []string{"file", "link"}) {
		t.Errorf("the directory has %q", got)
	}
}

func TestWhereNothingCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		filepath.Join("no", "new"):   filepath.Join(dir, "no") + ": no such file or directory",
		filepath.Join("file", "new"): "not a directory",
		"full":                       "file exists",
	} {
		err := Text(filepath.Join(dir, name), 0o600, []byte("x"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := Mode(filepath.Join(dir, "file", "new"), 0o600); err == nil {
		t.Error("a file below a file has a mode")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file", "full"}) {
		t.Errorf("the directory has %q", got)
	}
}
