//go:build unix

package plugins

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// nobody is a user that owns nothing.
const nobody = 65534

// hindered are what keeps a process from writing into the cache.
var hindered = map[string]func() error{
	"nothing": func() error { return nil },
	"files of 100 bytes": func() error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100, Max: 100})
	},
	"the user": func() error {
		if os.Getuid() != 0 {
			return nil // who runs the test may not write there either
		}
		return syscall.Setuid(nobody)
	},
}

// envCache and envHindered tell a process of this test that it is one, and what it does.
const (
	envCache    = "SLUICE_TEST_CACHE"
	envHindered = "SLUICE_TEST_HINDERED"
)

// TestCacheOfAProcess is what processes of the tests below do: load a plugin by way of
// the cache, and say what is said. It is nothing by itself.
func TestCacheOfAProcess(t *testing.T) {
	dir := os.Getenv(envCache)
	if dir == "" {
		dir = t.TempDir()
	} else if err := hindered[os.Getenv(envHindered)](); err != nil {
		t.Fatal(err)
	}
	var said lines
	hit := loaded(t, assemble.Rename("task_name", "task", 2), Options{CacheDir: dir, Trouble: said.trouble})
	t.Logf("hit: %t", hit)
	for _, line := range said.all {
		t.Logf("said: %s", line)
	}
}

// inProcess loads the plugin in another process, which must work, and returns what is
// said there.
func inProcess(t *testing.T, dir, by string) (hit bool, said []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestCacheOfAProcess$", "-test.v")
	cmd.Env = append(os.Environ(), envCache+"="+dir, envHindered+"="+by)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", by, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, "said: "); ok {
			said = append(said, text)
		}
	}
	return strings.Contains(string(out), "hit: true"), said
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	full, locked := t.TempDir(), t.TempDir()
	for dir := locked; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	for by, dir := range map[string]string{"files of 100 bytes": full, "the user": locked} {
		for range 2 {
			hit, said := inProcess(t, dir, by)
			if hit || len(said) != 1 || !strings.Contains(said[0], "the cache of compiled plugins is not used") {
				t.Errorf("%s: hit %t, said %q; it is to be said once", by, hit, said)
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v are left, %v", by, left, err)
		}
	}
	// What could not be filled is filled once it can.
	if hit, said := inProcess(t, full, "nothing"); hit || len(said) > 0 {
		t.Errorf("with room again: hit %t, said %q", hit, said)
	}
	if hit, said := inProcess(t, full, "files of 100 bytes"); !hit || len(said) > 0 {
		t.Errorf("what is there needs no room: hit %t, said %q", hit, said)
	}
}

func TestCacheOfManyProcesses(t *testing.T) {
	dir := t.TempDir()
	for _, damaged := range []bool{false, true} {
		if damaged {
			code, _ := cached(t, dir)
			if err := os.Truncate(code, 100); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if _, said := inProcess(t, dir, "nothing"); len(said) > 0 {
					t.Errorf("said %q", said)
				}
			})
		}
		all.Wait()
		if hit, said := inProcess(t, dir, "nothing"); !hit || len(said) > 0 {
			t.Errorf("after them: hit %t, said %q", hit, said)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("%v are left, %v", left, err)
		}
	}
}
