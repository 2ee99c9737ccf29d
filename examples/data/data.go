// Package data holds what three jobs on a real Flink said about themselves, by
// three ways at once; README.md tells how it was recorded. What the demo replays is
// part of the binary, what tests compare with is not.
package data

import "embed"

// FS holds records.jsonl.gz and run.json.
//
//go:embed records.jsonl.gz run.json
var FS embed.FS
