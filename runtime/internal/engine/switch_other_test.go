//go:build !linux

package engine

import "time"

// threadTime is not known.
func threadTime() time.Duration { return 0 }
