//go:build unix

package secret_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/secret"
)

// A FIFO that nobody writes is refused, not waited for.
func TestFIFO(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Resolve("file://" + name); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
}
