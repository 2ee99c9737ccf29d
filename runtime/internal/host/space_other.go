//go:build !linux && !darwin

package host

import "errors"

// MeasureSpace is for Linux and macOS only.
func MeasureSpace(string) (Space, error) {
	return Space{}, errors.New("file systems are measured on Linux and macOS only")
}
