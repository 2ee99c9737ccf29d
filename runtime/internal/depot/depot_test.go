package depot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/depot"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func atOnce() time.Duration { return 0 }

// open returns a depot of a new instance; dir "" is none.
func open(t *testing.T, topic *testkit.Topic, dir string) (*depot.Depot, control.Log) {
	log := topic.Reader(t.Context(), atOnce)
	return depot.New(dir, func() control.Log { return log }, slog.New(slog.DiscardHandler)), log
}

// file is one of a size; others have other seeds.
func file(size int, seed byte) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{seed})
	if _, err := r.Read(b); err != nil {
		panic(err)
	}
	return b
}

func put(t *testing.T, d *depot.Depot, b []byte) string {
	t.Helper()
	digest, err := d.Put(t.Context(), b, depot.Entry{By: "ann", From: "127.0.0.1:1", About: []byte(`{"name":"x"}`)})
	if err != nil || digest != depot.Digest(b) {
		t.Fatalf("%s, %v", digest, err)
	}
	return digest
}

func chunk(digest string, n int) string {
	return fmt.Sprintf("plugin/%s/%04d", strings.TrimPrefix(digest, "sha256:"), n)
}

func head(digest string) string { return "plugin/" + strings.TrimPrefix(digest, "sha256:") }

func TestEveryInstanceHasWhatOneStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		dir := t.TempDir()
		one, _ := open(t, &topic, "")
		two, _ := open(t, &topic, dir)
		for _, size := range []int{1, 512 << 10, 512<<10 + 1, 3 << 20} {
			b := file(size, 1)
			digest := put(t, one, b)
			synctest.Wait()
			time.Sleep(time.Second)
			for name, d := range map[string]*depot.Depot{"one": one, "two": two} {
				if got, err := d.Get(digest); err != nil || !bytes.Equal(got, b) {
					t.Errorf("%s: %d bytes of %d, %v", name, len(got), size, err)
				}
			}
			kept, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(digest, "sha256:")+".wasm"))
			if err != nil || !bytes.Equal(kept, b) {
				t.Errorf("the directory has %d bytes of %d, %v", len(kept), size, err)
			}
			put(t, two, b) // again: nothing happens
		}
		list, err := two.List()
		if err != nil || len(list) != 4 || list[0].By != "ann" || !list[0].Fleet || string(list[0].About) != `{"name":"x"}` || list[0].At.IsZero() {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestWhatACrashLeftIsDeleted(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, ".0a.wasm.1.part"), filepath.Join(dir, ".0a.wasm.2.part")
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	depot.New(dir, func() control.Log { return nil }, slog.New(slog.DiscardHandler)).Follow(ctx)
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if diff := cmp.Diff([]string{young}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A restart needs no broker.
func TestDirectoryServesWithoutTheTopic(t *testing.T) {
	dir := t.TempDir()
	b := file(1000, 2)
	digest := depot.Digest(b)
	name := filepath.Join(dir, strings.TrimPrefix(digest, "sha256:")+".wasm")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "README.wasm"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	d := depot.New(dir, func() control.Log { return nil }, slog.New(slog.DiscardHandler))
	if got, err := d.Get(digest); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	list, err := d.List()
	if diff := cmp.Diff([]depot.Entry{{Digest: digest, Size: 1000}}, list); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := d.Get(depot.Digest([]byte("other"))); !errors.Is(err, depot.ErrNotLoaded) {
		t.Errorf("what only the topic may have: %v", err)
	}
	if _, err := d.Put(t.Context(), b, depot.Entry{}); !errors.Is(err, depot.ErrNotLoaded) {
		t.Errorf("put without a topic: %v", err)
	}
	if err := d.Delete(t.Context(), digest, "ann"); !errors.Is(err, depot.ErrNotLoaded) {
		t.Errorf("delete without a topic: %v", err)
	}
	b[0]++
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get(digest); !errors.Is(err, depot.ErrDamaged) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestDamageIsToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name string
			do   func(log control.Log, digest string) error
			want error
		}{
			{"a chunk is missing", func(log control.Log, d string) error { return log.Delete(t.Context(), chunk(d, 1)) }, depot.ErrIncomplete},
			{"a chunk is another", func(log control.Log, d string) error { return log.Put(t.Context(), chunk(d, 1), file(100, 9)) }, depot.ErrDamaged},
			{"a chunk is too long", func(log control.Log, d string) error { return log.Put(t.Context(), chunk(d, 0), file(3<<20, 9)) }, depot.ErrDamaged},
			{"the head is gone", func(log control.Log, d string) error { return log.Delete(t.Context(), head(d)) }, depot.ErrUnknown},
			{"the head is no JSON", func(log control.Log, d string) error { return log.Put(t.Context(), head(d), []byte("{")) }, depot.ErrUnknown},
			{"the head claims too much", func(log control.Log, d string) error {
				return log.Put(t.Context(), head(d), []byte(`{"size":999999999999,"chunks":9999999}`))
			}, depot.ErrUnknown},
			{"the number of chunks is a lie", func(log control.Log, d string) error {
				return log.Put(t.Context(), head(d), []byte(`{"size":614400,"chunks":9999999}`))
			}, depot.ErrUnknown},
		} {
			var topic testkit.Topic
			d, log := open(t, &topic, "")
			b := file(600<<10, 3)
			digest := put(t, d, b)
			if err := c.do(log, digest); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Get(digest); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			put(t, d, b)
			if _, err := d.Get(digest); err != nil {
				t.Errorf("%s: to put it again does not mend it: %v", c.name, err)
			}
		}
	})
}

func TestWhatIsDeletedIsDeletedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		dirs := []string{t.TempDir(), t.TempDir()}
		one, log := open(t, &topic, dirs[0])
		two, _ := open(t, &topic, dirs[1])
		ctx, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		for _, d := range []*depot.Depot{one, two} {
			done.Go(func() { d.Follow(ctx) })
		}
		digest := put(t, one, file(600<<10, 4))
		time.Sleep(2 * time.Minute)
		for _, dir := range dirs {
			if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
				t.Errorf("copies: %v, %v", names, err)
			}
		}
		if err := two.Delete(t.Context(), digest, "bob"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		for _, dir := range dirs {
			if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
				t.Errorf("left over: %v, %v", names, err)
			}
		}
		if left := log.List(head(digest) + "/"); len(left) > 0 {
			t.Errorf("%d chunks are left", len(left))
		}
		_, err := one.Get(digest)
		if !errors.Is(err, depot.ErrDeleted) || !strings.Contains(err.Error(), "bob") {
			t.Errorf("after it: %v", err)
		}
		if err := one.Delete(t.Context(), digest, "bob"); !errors.Is(err, depot.ErrDeleted) {
			t.Errorf("twice: %v", err)
		}
		if list, err := one.List(); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		put(t, one, file(600<<10, 4))
		synctest.Wait()
		if _, err := two.Get(digest); err != nil {
			t.Errorf("stored again: %v", err)
		}
		stop()
		done.Wait()
	})
}

func TestWrongDigestsAndSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		d, _ := open(t, &topic, t.TempDir())
		for _, digest := range []string{"", "x", "sha256:", "sha256:../../../etc/passwd", "sha256:" + strings.Repeat("A", 64), strings.Repeat("a", 64), "sha256:" + strings.Repeat("a", 65)} {
			if _, err := d.Get(digest); !errors.Is(err, depot.ErrDigest) {
				t.Errorf("get %q: %v", digest, err)
			}
			if err := d.Delete(t.Context(), digest, ""); !errors.Is(err, depot.ErrDigest) {
				t.Errorf("delete %q: %v", digest, err)
			}
		}
		unknown := depot.Digest([]byte("x"))
		if _, err := d.Get(unknown); !errors.Is(err, depot.ErrUnknown) {
			t.Errorf("get: %v", err)
		}
		if err := d.Delete(t.Context(), unknown, ""); !errors.Is(err, depot.ErrUnknown) {
			t.Errorf("delete: %v", err)
		}
		for _, b := range [][]byte{nil, make([]byte, depot.MaxSize+1)} {
			if _, err := d.Put(t.Context(), b, depot.Entry{}); !errors.Is(err, depot.ErrTooLarge) {
				t.Errorf("%d bytes: %v", len(b), err)
			}
		}
		topic.Away(true)
		if _, err := d.Put(t.Context(), []byte("x"), depot.Entry{}); !errors.Is(err, testkit.ErrAway) {
			t.Errorf("the topic is away: %v", err)
		}
	})
}

func TestDepotIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		d, log := open(t, &topic, "")
		put(t, d, []byte("first"))
		for n := range depot.MaxFiles - 1 {
			if err := log.Put(t.Context(), head(depot.Digest([]byte{byte(n), byte(n >> 8)})), []byte(`{"size":1,"chunks":1}`)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Put(t.Context(), []byte("one more"), depot.Entry{}); !errors.Is(err, depot.ErrFull) {
			t.Errorf("one more: %v", err)
		}
		put(t, d, []byte("first")) // is there
		orphan := depot.Digest([]byte("orphan"))
		if err := log.Put(t.Context(), chunk(orphan, 0), []byte("orphan")); err != nil {
			t.Fatal(err)
		}
		if err := d.Delete(t.Context(), depot.Digest([]byte("first")), ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		put(t, d, []byte("one more"))
		if _, ok := log.Get(chunk(orphan, 0)); ok {
			t.Error("chunks of a push that failed are left")
		}
	})
}

// Whoever is last, what is there in the end is whole.
func TestPutAndDeleteAtOnce(t *testing.T) {
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			var topic testkit.Topic
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			var mu sync.Mutex
			lag := func() time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(random.IntN(5)) * time.Millisecond
			}
			reader := func() (*depot.Depot, control.Log) {
				log := topic.Reader(t.Context(), lag)
				return depot.New("", func() control.Log { return log }, slog.New(slog.DiscardHandler)), log
			}
			b := file(600<<10, 5)
			digest := depot.Digest(b)
			first, _ := reader()
			put(t, first, b)
			var all sync.WaitGroup
			for n := range 4 {
				d, _ := reader()
				all.Go(func() {
					time.Sleep(lag())
					if n%2 == 0 {
						put(t, d, b)
					} else if err := d.Delete(t.Context(), digest, ""); err != nil && !errors.Is(err, depot.ErrDeleted) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			time.Sleep(time.Second)
			if _, err := first.Get(digest); err != nil && !errors.Is(err, depot.ErrDeleted) {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}
