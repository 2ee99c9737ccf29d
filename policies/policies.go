// Package policies is the default policy set: what a fleet of stock Flink jobs
// needs, written in the policy language as anyone would write it, with its tests
// beside it. It also carries the catalogue of Flink's metrics. It holds files and
// no logic: package policy loads the set, package catalogue the catalogue.
package policies

import "embed"

// FS holds the default set in its root and the catalogue in [Catalogue].
//
//go:embed *.cue catalogue/*.cue
var FS embed.FS

// Catalogue is the folder of FS that holds the catalogue, a CUE package of its
// own.
const Catalogue = "catalogue"
