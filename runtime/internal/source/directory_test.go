package source

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched runs Watch until the test ends; every change is in the channel.
func watched(t *testing.T, d *Directory) <-chan struct{} {
	t.Helper()
	changes, ended := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(ended)
		d.Watch(t.Context(), func() { changes <- struct{}{} })
	}()
	t.Cleanup(func() { <-ended })
	return changes
}

func write(t *testing.T, text string, name ...string) {
	t.Helper()
	path := filepath.Join(name...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holds waits until the directory gives a text, telling of changes meanwhile.
func holds(t *testing.T, d *Directory, changes <-chan struct{}, name, want string) {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	for {
		select {
		case <-changes:
		case <-deadline:
			t.Fatalf("%s: no change was told that gives %q", name, want)
		}
		files, err := d.Load(t.Context())
		if err != nil {
			continue // it may be on its way
		}
		if text, err := fs.ReadFile(files, name); err == nil && string(text) == want {
			return
		}
	}
}

func TestDirectoryTellsOfChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, root string) // root does not exist
		change  func(t *testing.T, root string)
		file    string
	}{
		"a file is written": {
			func(t *testing.T, root string) { write(t, "old", root, "a.cue") },
			func(t *testing.T, root string) { write(t, "new", root, "a.cue") }, "a.cue",
		},
		"a plugin is built again": {
			func(t *testing.T, root string) { write(t, "old", root, "plugins", "a.wasm") },
			func(t *testing.T, root string) { write(t, "new", root, "plugins", "a.wasm") }, "plugins/a.wasm",
		},
		"an editor puts a file in its place": {
			func(t *testing.T, root string) { write(t, "old", root, "a.cue") },
			func(t *testing.T, root string) {
				write(t, "new", root, "a.cue~")
				must(t, os.Rename(filepath.Join(root, "a.cue~"), filepath.Join(root, "a.cue")))
			}, "a.cue",
		},
		"a new folder in a new folder": {
			func(t *testing.T, root string) { write(t, "old", root, "a.cue") },
			func(t *testing.T, root string) { write(t, "new", root, "teams", "x", "a.cue") }, "teams/x/a.cue",
		},
		"the directory is made": {
			func(*testing.T, string) {},
			func(t *testing.T, root string) { write(t, "new", root, "a.cue") }, "a.cue",
		},
		"the directory is another one": {
			func(t *testing.T, root string) {
				write(t, "old", root, "a.cue")
				write(t, "new", root+".next", "a.cue")
			},
			func(t *testing.T, root string) {
				must(t, os.Rename(root, root+".old"))
				must(t, os.Rename(root+".next", root))
			}, "a.cue",
		},
		"a link is pointed elsewhere": {
			func(t *testing.T, root string) {
				write(t, "old", root+".1", "a.cue")
				write(t, "new", root+".2", "a.cue")
				must(t, os.Symlink(root+".1", root))
			},
			func(t *testing.T, root string) {
				must(t, os.Symlink(root+".2", root+".tmp"))
				must(t, os.Rename(root+".tmp", root))
			}, "a.cue",
		},
		"a volume of Kubernetes": {
			func(t *testing.T, root string) {
				write(t, "old", root, "..2026_1", "a.cue")
				must(t, os.Symlink("..2026_1", filepath.Join(root, "..data")))
				must(t, os.Symlink("..data/a.cue", filepath.Join(root, "a.cue")))
			},
			func(t *testing.T, root string) {
				write(t, "new", root, "..2026_2", "a.cue")
				must(t, os.Symlink("..2026_2", filepath.Join(root, "..data_tmp")))
				must(t, os.Rename(filepath.Join(root, "..data_tmp"), filepath.Join(root, "..data")))
				must(t, os.RemoveAll(filepath.Join(root, "..2026_1")))
			}, "a.cue",
		},
	} {
		for how, wait := range map[string]waits{
			"notified":  {settle: 20 * time.Millisecond, longest: time.Second, look: time.Hour, poll: time.Hour},
			"looked at": {settle: 20 * time.Millisecond, longest: time.Second, look: 20 * time.Millisecond, poll: 20 * time.Millisecond},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				root := filepath.Join(t.TempDir(), "set")
				tt.prepare(t, root)
				d := NewDirectory(root, slog.New(slog.DiscardHandler))
				d.wait = wait
				began := make(chan struct{})
				d.began = func() { close(began) }
				changes := watched(t, d)
				<-began
				tt.change(t, root)
				holds(t, d, changes, tt.file, "new")
			})
		}
	}
}

// What changes between the first Load and Watch is told, too.
func TestDirectoryTellsOfChangesBeforeItIsWatched(t *testing.T) {
	root := t.TempDir()
	write(t, "old", root, "a.cue")
	d := NewDirectory(root, slog.New(slog.DiscardHandler))
	if _, err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, "newer", root, "a.cue")
	holds(t, d, watched(t, d), "a.cue", "newer")
}

// Many files that change together, and files that are none of policies, do not make
// for as many loads.
func TestDirectoryWaitsUntilItIsQuiet(t *testing.T) {
	root := t.TempDir()
	write(t, "old", root, "a.cue")
	d := NewDirectory(root, slog.New(slog.DiscardHandler))
	d.wait = waits{settle: 300 * time.Millisecond, longest: time.Minute, look: time.Hour, poll: time.Hour}
	began := make(chan struct{})
	d.began = func() { close(began) }
	changes := watched(t, d)
	<-began
	write(t, "none", root, "a.cue.swp")
	write(t, "none", root, ".git", "index")
	for i := range 200 {
		write(t, "new", root, "teams", string(rune('a'+i%20)), string(rune('a'+i/20))+".cue")
	}
	write(t, "new", root, "z.cue")
	holds(t, d, changes, "z.cue", "new")
	if n := len(changes); n > 3 {
		t.Errorf("%d more changes were told", n)
	}
}

func TestDirectoryThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, "", file)
	for _, path := range []string{file, file + ".none"} {
		if _, err := NewDirectory(path, slog.New(slog.DiscardHandler)).Load(t.Context()); err == nil {
			t.Errorf("%s is loaded", path)
		}
	}
}
