package client

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Problem is a refusal, as RFC 9457 has it. It wraps runtime.ErrRejected when the
// request is what is wrong, and runtime.ErrUnreachable when the instance, or the
// right to ask it, is.
type Problem struct {
	Type     string `json:"type"`     // urn:sluice:problem: and the code
	Title    string `json:"title"`    // name of the status
	Status   int    `json:"status"`   // of HTTP
	Detail   string `json:"detail"`   // what is wrong, for people
	Instance string `json:"instance"` // the occurrence, as the instance logs it
	Code     string `json:"code"`     // what is wrong, for programs

	Diagnostics []diag.Diagnostic `json:"diagnostics"` // of a policy set

	// Of a question for an explanation.
	Field  string `json:"field"`
	Offset *int   `json:"offset"`
	Hint   string `json:"hint"`

	url      string
	stranger string // what was answered instead of a problem, "" when one was
}

func (p *Problem) Error() string {
	detail := cmp.Or(p.Detail, p.Title, fmt.Sprintf("HTTP status %d", p.Status))
	switch {
	case p.stranger != "":
		return fmt.Sprintf("what answers at %s is no instance of Sluice, or another version: %s", p.url, p.stranger)
	case p.rejects(), p.Status == http.StatusForbidden:
		return fmt.Sprintf("the instance at %s refuses: %s", p.url, detail)
	case p.Status == http.StatusUnauthorized:
		detail += "; give --token env://NAME"
	}
	return fmt.Sprintf("the instance at %s: %s", p.url, detail)
}

// rejects reports whether what was asked is what is wrong.
func (p *Problem) rejects() bool {
	return p.stranger == "" && slices.Contains([]int{
		http.StatusBadRequest, http.StatusConflict, http.StatusPreconditionFailed,
		http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
	}, p.Status)
}

func (p *Problem) Unwrap() error {
	if p.rejects() {
		return runtime.ErrRejected
	}
	return runtime.ErrUnreachable
}
