// Package sdk holds the text of what plugins are written with, a folder for each
// language, for the projects that carry a copy. It has no code.
package sdk

import "embed"

// Source holds the folders.
//
//go:embed go/*.go c/*.h assemblyscript/*.ts assemblyscript/asconfig.json assemblyscript/testing.mjs rust/Cargo.toml rust/src
var Source embed.FS
