// Package diag is the one shape of "what is wrong". The same value is the caret
// drawing in the terminal, an item of a problem+json answer and a log line. The
// package knows codes, places and words; it does not know what is being checked.
package diag

import "fmt"

// Severity says whether a diagnostic refuses the policy set.
type Severity uint8

// The severities. A set with an Error is refused; a Warning is reported.
const (
	Error Severity = iota
	Warning
)

// Pos is a place in a file. Line and Column count from 1; Column counts bytes.
// The zero Pos means that the place is not known.
type Pos struct {
	File   string `json:"file,omitempty"`   // of the policy set
	Line   int    `json:"line,omitempty"`   // from 1
	Column int    `json:"column,omitempty"` // from 1, in bytes
}

// IsValid reports whether p names a line.
func (p Pos) IsValid() bool { return p.Line > 0 }

func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Note is a second place that belongs to a diagnostic.
type Note struct {
	Pos     Pos    `json:"pos"`
	Message string `json:"message"` // what it has to do with the finding
}

// Diagnostic is one finding: what is wrong, where the author wrote it, and what
// to write instead. Code is stable and has a help page. Message never holds a
// secret; Path is the field, such as "policy.control.a.rate".
type Diagnostic struct {
	Code     Code     `json:"code"`     // what is wrong, for programs; sluice help tells more of it
	Severity Severity `json:"severity"` // error: the set is refused; or warning
	Pos      Pos      `json:"pos"`
	Path     string   `json:"path,omitempty"` // of the field
	Message  string   `json:"message"`        // what is wrong
	Hint     string   `json:"hint,omitempty"` // what to write instead
	Notes    []Note   `json:"notes,omitempty"`
}

// Error makes a Diagnostic usable as an error.
func (d Diagnostic) Error() string {
	return fmt.Sprintf("%s: %s [%s]", d.Pos, d.Message, d.Code)
}
