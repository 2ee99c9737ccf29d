package plugins

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// lines collects what a plugin and the host say.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) log(_ slog.Level, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) trouble(what string, err error) { l.log(slog.LevelWarn, what+": "+err.Error()) }

func (l *lines) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.all, "\n"), part)
}

// loaded loads a plugin that must work, and tells whether it came from the cache.
func loaded(t *testing.T, wasm []byte, o Options) bool {
	t.Helper()
	p, err := Load(t.Context(), wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	i, err := p.Instance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	b := batchOf(3)
	if err := i.Transform(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := rows(b)[2].Labels; got != "host=a task=map-2 job=orders " {
		t.Errorf("the plugin makes the labels %s", got)
	}
	return p.Counts().Cached
}

// cached lists the files of the cache; code is the one that the runtime reads.
func cached(t *testing.T, dir string) (code, seal string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case d.Name() == sealFile:
			seal = path
		default:
			code = path
		}
		return err
	})
	if err != nil || code == "" || seal == "" {
		t.Fatalf("the cache holds %q and %q: %v", code, seal, err)
	}
	return code, seal
}

func TestCacheHealsItself(t *testing.T) {
	wasm := assemble.Rename("task_name", "task", 2)
	edit := func(change func(b []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(t *testing.T, path string){
		"truncated": edit(func(b []byte) []byte { return b[:len(b)/2] }),
		"empty":     edit(func([]byte) []byte { return nil }),
		"flipped":   edit(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }),
		// The runtime's own checksum does not cover where functions begin.
		"flipped at the head": edit(func(b []byte) []byte { b[24] ^= 0x10; return b }),
		"foreign":             edit(func([]byte) []byte { return []byte(strings.Repeat("not machine code", 1000)) }),
		"gone":                func(t *testing.T, path string) { os.Remove(path) },
		"a link": func(t *testing.T, path string) {
			os.Remove(path)
			if err := os.Symlink("/etc/hostname", path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, seal := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				o := Options{CacheDir: t.TempDir()}
				if loaded(t, wasm, o) {
					t.Fatal("an empty cache is hit")
				}
				if !loaded(t, wasm, o) {
					t.Fatal("a full cache is missed")
				}
				code, sealed := cached(t, o.CacheDir)
				if seal {
					code = sealed
				}
				damage(t, code)
				if loaded(t, wasm, o) {
					t.Error("damaged code was run")
				}
				if !loaded(t, wasm, o) {
					t.Error("the cache did not heal")
				}
			})
		}
	}
}

func TestCacheThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var said lines
	loaded(t, assemble.Rename("task_name", "task", 2), Options{CacheDir: filepath.Join(file, "cache"), Trouble: said.trouble})
	if !said.has("the cache of compiled plugins is not used: mkdir") {
		t.Errorf("nothing is said about it: %q", said.all)
	}
}

func TestCacheIsForOneself(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	loaded(t, assemble.Rename("task_name", "task", 2), Options{CacheDir: dir})
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %s: others could put machine code there", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a process left that was ended while it compiled goes when it is old.
func TestCacheIsTidied(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"half-old": 2 * halfLives, "half-new": 0} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	loaded(t, assemble.Rename("task_name", "task", 2), Options{CacheDir: dir})
	if left, err := filepath.Glob(filepath.Join(dir, halfPattern)); err != nil || len(left) != 1 || filepath.Base(left[0]) != "half-new" {
		t.Errorf("left are %q, %v", left, err)
	}
}
