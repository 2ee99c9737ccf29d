//go:build !windows

package auth

// ownModes reports whether the modes of files say who may read them.
const ownModes = true
