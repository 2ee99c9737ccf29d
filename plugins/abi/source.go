//go:build !wasip1

package abi

import "embed"

// Source is the text of this package as guests in Go need it: a project of a plugin
// carries a copy, so that it builds without a network.
//
//go:embed abi.go code.go manifest.go
var Source embed.FS
