//go:build linux || darwin

package host

import "syscall"

// MeasureSpace asks the kernel how full the file system of a directory is.
func MeasureSpace(dir string) (Space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Space{}, err
	}
	block := uint64(s.Bsize)
	return Space{Size: s.Blocks * block, Available: s.Bavail * block, Files: s.Files, FilesFree: s.Ffree}, nil
}
