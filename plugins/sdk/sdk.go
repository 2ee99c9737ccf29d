// Package sdk holds the text of what plugins are written with, a folder for each
// language, for the projects that carry a copy. It has no code.
package sdk

import "embed"

// Source holds the folders.
//
//go:embed go/*.go
var Source embed.FS
