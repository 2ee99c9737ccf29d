package module

import (
	"fmt"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Steps of loading at which this package refuses a module.
const (
	StepParse    = "parse"
	StepManifest = "manifest"
	StepGate     = "gate"
)

// Error says why a module is not let in: abi.BadModule at StepParse when it is not
// one, abi.BadManifest at StepManifest, abi.Gate at StepGate when it is one that may
// not be a plugin, abi.BadModule there when an export is missing or wrong.
type Error struct {
	Code    abi.Code
	Step    string
	Message string
}

func (e *Error) Error() string { return e.Step + ": " + e.Message }

func malformed(at int, format string, args ...any) *Error {
	return &Error{abi.BadModule, StepParse, fmt.Sprintf("byte %d: ", at) + fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) *Error {
	return &Error{abi.Gate, StepGate, fmt.Sprintf(format, args...)}
}
