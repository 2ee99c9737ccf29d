//go:build linux || darwin

package host

import "syscall"

// OpenFiles is how many files this process may have open; ok is false where the system
// has no such limit.
func OpenFiles() (most uint64, ok bool) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return l.Cur, err == nil
}
