// Package traffic is what came in, kept for questions about it: the distinct
// series, and how much there was of each, in files that can be passed on. It knows
// series as they were reported. It does not know what a policy makes of them, nor
// where they are read from.
package traffic

import (
	"fmt"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Format is the version of the file format that this package writes and reads.
const Format = 1

// Series is a distinct series as it was reported, and how much of it came.
type Series struct {
	program.Load
	Scope, Metric string // what its name was made of; "" when that is not known
	Seen          int64  // report_timestamp of its last sample, Unix milliseconds; 0: not known
}

// Header says what a file of traffic is about. It is the first line of the file.
type Header struct {
	Format   int       `json:"sluice_traffic"`
	Version  string    `json:"version"` // of the program that wrote it
	From     time.Time `json:"from"`    // the time that it covers
	To       time.Time `json:"to"`
	Sources  []string  `json:"sources"`            // instances or topics
	Revision string    `json:"revision,omitempty"` // of the policy set in force, where there was one
	Hashed   []string  `json:"hashed,omitempty"`   // labels whose values are hashed
}

// Span is the time that the file covers, in seconds; 0 when it is but a moment.
func (h Header) Span() float64 { return max(0, h.To.Sub(h.From).Seconds()) }

// line is a series as it stands in a file: one line each, after the header.
//
// The labels have all that the series was reported with, torrent_task_id,
// subtask_index and task_attempt_num among them. samples came in seconds of
// report_timestamp; 0 seconds say that nobody knows. bytes are those of the
// records that brought them, shared among the series of a record.
type line struct {
	Task    string  `json:"task"`
	Name    string  `json:"name"`
	Scope   string  `json:"scope"`
	Metric  string  `json:"metric"`
	Kind    string  `json:"kind"`
	Origin  string  `json:"origin"`
	Labels  labels  `json:"labels"`
	Samples uint64  `json:"samples"`
	Bytes   uint64  `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Seen    int64   `json:"seen"`

	End *End `json:"end"` // the last line has nothing else
}

// labels is an object of strings, as it is written.
type labels []byte

// UnmarshalJSON keeps a copy of the text.
func (l *labels) UnmarshalJSON(text []byte) error {
	*l = append((*l)[:0], text...)
	return nil
}

// End is the last line of a file: without it, the file has been cut off.
type End struct {
	Series  uint64 `json:"series"`  // lines before this one, the header aside
	LeftOut uint64 `json:"leftOut"` // samples of series that there was no room for
}

// LineError says which line of an input is wrong, counted from 1, and why.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }
