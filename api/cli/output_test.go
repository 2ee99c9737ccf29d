package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	broken := errors.New("broken")
	fails := func(w io.Writer) error { return errors.Join(text("half")(w), broken) }
	has := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("the file has %q, error %v; want %q", got, err, want)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 2 {
			t.Errorf("beside the file is %v, error %v", list, err)
		}
	}

	if err := writeFile(file, fails); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file that could not be written is there")
	}
	if err := writeFile(file, text("first")); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(file, fails); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	has("first")

	// Through a link the file is written that it leads to, with the rights that it has.
	if err := errors.Join(os.Symlink("file", link), os.Chmod(file, 0o600), writeFile(link, text("second"))); err != nil {
		t.Fatal(err)
	}
	has("second")
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, error %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, error %v", info, err)
	}

	// What is no regular file stays, whatever happens.
	if err := writeFile(os.DevNull, fails); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(os.DevNull); err != nil {
		t.Error(err)
	}
	for _, name := range []string{dir, filepath.Join(dir, "no", "such")} {
		if exit := (*exitError)(nil); !errors.As(writeFile(name, text("x")), &exit) || exit.code != exitEnv {
			t.Errorf("%s can be written", name)
		}
	}
}
