package record

import "fmt"

// Reason classifies why a record cannot be read. It is the header and the metric
// label of its dead letter, and never changes.
type Reason string

// The reasons of records.md.
const (
	NotJSON       Reason = "not-json"
	WrongType     Reason = "wrong-type"
	Missing       Reason = "missing-field"
	UnknownType   Reason = "unknown-type"
	BadUTF8       Reason = "bad-utf8"
	TooLarge      Reason = "too-large"
	TooManyPoints Reason = "too-many-points"
	FutureTime    Reason = "future-timestamp"
)

// Error says why and where a record cannot be read. Detail is for people and
// holds no more than a few bytes of the record.
type Error struct {
	Reason Reason
	Offset int // byte in the record
	Detail string
}

func (e *Error) Error() string {
	return fmt.Sprintf("byte %d: %s (%s)", e.Offset, e.Detail, e.Reason)
}
