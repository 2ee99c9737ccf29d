package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// MaxShortIDs bounds the identifiers on the log. Those beyond it still are in the
// labels; only the way back is missing.
const MaxShortIDs = 100_000

// ErrOtherValue says that a short identifier stands for something else already.
var ErrOtherValue = errors.New("the short identifier stands for another value")

// ShortIDs lead from short identifiers in labels back to what they stand for. The
// value written first stays. Safe for concurrent use.
type ShortIDs struct{ log Log }

// NewShortIDs returns those of a log.
func NewShortIDs(log Log) *ShortIDs { return &ShortIDs{log} }

const shortIDKind = "short-id"

// Get returns what an identifier stands for.
func (s *ShortIDs) Get(id string) (value string, ok bool) {
	e, ok := s.log.Get(shortIDKind + "/" + id)
	return string(e.Value), ok
}

// Len returns how many there are. It looks at all of them.
func (s *ShortIDs) Len() int { return len(s.log.List(shortIDKind + "/")) }

// Put notes what an identifier stands for, if that is news. Errors: ErrOtherValue,
// or one of the log.
func (s *ShortIDs) Put(ctx context.Context, id, value string) (wrote bool, err error) {
	if id == "" || strings.Contains(id, "/") {
		return false, fmt.Errorf("%q is no short identifier", id)
	}
	if is, ok := s.Get(id); ok && is != value {
		return false, fmt.Errorf("%w: %s", ErrOtherValue, id)
	} else if ok {
		return false, nil
	}
	return true, s.log.Put(ctx, shortIDKind+"/"+id, []byte(value))
}
