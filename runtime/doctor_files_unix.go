//go:build linux || darwin

package runtime

import "syscall"

// openFiles is how many files the process may have open.
func openFiles() (most uint64, ok bool) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return l.Cur, err == nil
}
