package confine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A child does what its argument says, within the limits of the tests.
const childArgument = "confined"

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == childArgument {
		if err := child(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func limits() Limits {
	return Limits{CPU: time.Second, Wall: time.Minute, Memory: 64 << 20, File: 1 << 10}
}

func child(what, where string) error {
	stop, err := Bound(limits())
	if err != nil {
		return err
	}
	defer stop()
	switch what {
	case "echo":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "memory":
		var held [][]byte
		for {
			held = append(held, bytes.Repeat([]byte{1}, 8<<20))
			runtime.KeepAlive(held)
		}
	case "processor":
		for n := 0; ; n++ {
			_ = n
		}
	case "file":
		return os.WriteFile(where, make([]byte, 2<<10), 0o600)
	case "small file":
		return os.WriteFile(where, make([]byte, 512), 0o600)
	case "environment":
		fmt.Print(os.Environ())
		return nil
	}
	select {}
}

func run(ctx context.Context, t *testing.T, what string, l Limits) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := &Capped{Left: 100}
	w := Work{Command: []string{self, childArgument, what, filepath.Join(t.TempDir(), "x")}, Limits: l, In: []byte("hello"), Out: out, Told: &Capped{Left: 1000}}
	err = w.Run(ctx)
	return out.String(), err
}

func TestWorkIsBounded(t *testing.T) {
	short := limits()
	short.Wall = 300 * time.Millisecond
	for _, c := range []struct {
		what string
		l    Limits
		met  string
	}{{"memory", limits(), "memory"}, {"processor", limits(), "processor time"}, {"wait", short, "time"}} {
		_, err := run(t.Context(), t, c.what, c.l)
		if met := (*MetError)(nil); !errors.As(err, &met) || met.What != c.met {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestWorkIsDone(t *testing.T) {
	if out, err := run(t.Context(), t, "echo", limits()); out != "hello" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := run(t.Context(), t, "environment", limits()); out != "[]" || err != nil {
		t.Errorf("it has an environment: %q, %v", out, err)
	}
	if _, err := run(t.Context(), t, "small file", limits()); err != nil {
		t.Errorf("a file that it may write: %v", err)
	}
	if _, err := run(t.Context(), t, "file", limits()); err == nil {
		t.Error("it writes a larger file than it may")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(ended, t, "wait", limits()); !errors.Is(err, context.Canceled) {
		t.Errorf("the asker has gone: %v", err)
	}
	none := Work{Command: []string{"/no/such/program"}, Limits: limits(), Out: io.Discard, Told: &Capped{Left: 10}}
	if err := none.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no message") {
		t.Errorf("no program: %v", err)
	}
}
