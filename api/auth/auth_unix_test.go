//go:build unix

package auth

import (
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A FIFO that nobody writes is refused, not waited for.
func TestFIFO(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tokens")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("error %v", err)
	}
}
