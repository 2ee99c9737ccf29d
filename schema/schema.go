// Package schema is the contract: what a policy set and the configuration of an
// instance may say, as CUE definitions. It embeds the files and has no logic;
// package policy evaluates them. Authors import them as [ImportPath].
package schema

import "embed"

// ImportPath is what authors write to import the definitions in CUE.
const ImportPath = "github.com/sluice-metrics/sluice/schema"

// Version is the apiVersion of the language that the definitions describe.
const Version = "v1"

// FS holds the definitions, one CUE package, in its root.
//
//go:embed *.cue
var FS embed.FS
