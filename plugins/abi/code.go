package abi

import "strconv"

// Code says why a plugin could not be loaded or a batch was not transformed. Codes
// are stable: metrics, dead letters and the API name them.
type Code uint32

// What a guest answers.
const (
	BadConfig    Code = iota + 1 // the config is not one it can work with
	BadBatch                     // the batch is not one it can read
	RecordFailed                 // records flagged Failed were not transformed, the others were
	BatchFailed                  // none was; it may be tried again
	Unsupported                  // it does not do this
	Internal                     // it found a fault of its own
)

// What the host finds.
const (
	Trap           Code = iota + 100 // the guest stopped: unreachable, out of bounds, a panic
	Deadline                         // it took too long
	OutOfMemory                      // it needed more memory than it may have
	Depth                            // its calls nested too deep
	BadOutput                        // what it returned is not well-formed
	Expansion                        // it made more than it may
	Capability                       // it changed what its manifest does not say it changes
	Exit                             // it ended itself
	Gate                             // the module is not one that is let in
	CompileTimeout                   // it took too long to compile
	BadManifest                      // the manifest is missing or wrong
	BadModule                        // it is not a module, or lacks an export
	Broken                           // the breaker is open: it was not called
)

var words = map[Code]string{
	BadConfig: "bad-config", BadBatch: "bad-batch", RecordFailed: "record-failed", BatchFailed: "batch-failed",
	Unsupported: "unsupported", Internal: "internal",
	Trap: "trap", Deadline: "deadline", OutOfMemory: "out-of-memory", Depth: "depth", BadOutput: "bad-output",
	Expansion: "expansion", Capability: "capability", Exit: "exit", Gate: "gate", CompileTimeout: "compile-timeout",
	BadManifest: "bad-manifest", BadModule: "bad-module", Broken: "broken",
}

// String returns the code's word, or its number for one that has none.
func (c Code) String() string {
	if w, ok := words[c]; ok {
		return w
	}
	return "code-" + strconv.FormatUint(uint64(c), 10)
}
