package engine

import (
	"syscall"
	"time"
	"unsafe"
)

// threadTime is the processor time that the thread has had, to the nanosecond: that of
// getrusage may be as old as the last tick.
func threadTime() time.Duration {
	const clockThreadCPU = 3
	var at syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPU, uintptr(unsafe.Pointer(&at)), 0); errno != 0 {
		return 0
	}
	return time.Duration(at.Nano())
}
