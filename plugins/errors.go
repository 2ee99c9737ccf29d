package plugins

import (
	"fmt"
	"strings"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// The steps at which a plugin can fail, in their order.
const (
	StepParse       = "parse"
	StepManifest    = "manifest"
	StepGate        = "gate"
	StepMeter       = "meter"
	StepCompile     = "compile"
	StepInstantiate = "instantiate"
	StepInit        = "init"
	StepSelfTest    = "self-test"
	StepTransform   = "transform"
)

// Error is every failure of this package: of a plugin, or of how it was called.
type Error struct {
	Code    abi.Code // why; stable, metrics and dead letters name it
	Step    string   // where: one of the steps
	Record  int      // row of the batch that it is about; -1: none
	Message string   // for people, without the code and the step
	Err     error    // what lies behind it, if anything
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Step)
	if e.Record >= 0 {
		fmt.Fprintf(&b, " of record %d", e.Record)
	}
	fmt.Fprintf(&b, ": %s", e.Code)
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	return b.String()
}

// Unwrap returns what lies behind the error.
func (e *Error) Unwrap() error { return e.Err }

// fault makes an Error about a batch or a module as a whole.
func fault(code abi.Code, step, format string, args ...any) *Error {
	return &Error{Code: code, Step: step, Record: -1, Message: fmt.Sprintf(format, args...)}
}

// faultAt makes an Error about one record.
func faultAt(code abi.Code, record int, format string, args ...any) *Error {
	return &Error{Code: code, Step: StepTransform, Record: record, Message: fmt.Sprintf(format, args...)}
}
