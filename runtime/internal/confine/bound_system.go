//go:build linux || darwin

package confine

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// addressSpace is what a Go program reserves beyond what it uses; the limit on the
// address space is a backstop for memory that the Go runtime does not know of.
const addressSpace = 4 << 30

// systemLimits has the system bound the processor time and address space of this
// process, and the files that it writes.
func systemLimits(limits Limits) error {
	seconds := uint64(max(limits.CPU/time.Second, 1))
	set := []struct {
		name     string
		resource int
		limit    syscall.Rlimit
	}{
		{"processor time", syscall.RLIMIT_CPU, syscall.Rlimit{Cur: seconds, Max: seconds + 1}},
		{"address space", syscall.RLIMIT_AS, syscall.Rlimit{Cur: uint64(limits.Memory) + addressSpace, Max: uint64(limits.Memory) + addressSpace}},
		{"file size", syscall.RLIMIT_FSIZE, syscall.Rlimit{Cur: uint64(limits.File), Max: uint64(limits.File)}},
		{"core size", syscall.RLIMIT_CORE, syscall.Rlimit{}},
	}
	for _, s := range set {
		if err := syscall.Setrlimit(s.resource, &s.limit); err != nil {
			return fmt.Errorf("limit %s: %w", s.name, err)
		}
	}
	spent := make(chan os.Signal, 1)
	signal.Notify(spent, syscall.SIGXCPU)
	go func() {
		<-spent
		os.Exit(exitCPU)
	}()
	return nil
}
