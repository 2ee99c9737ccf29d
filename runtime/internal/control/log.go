// Package control is what the instances of a fleet know of each other: which
// revisions were pushed and in which order, what is overridden and until when,
// who runs what, who did what, and what short identifiers stand for. All of it
// lies on one compacted log that every instance reads.
//
// It knows neither Kafka nor policies: a log is a port, a bundle is bytes, and what
// an override does to a policy set is for others to say.
package control

import (
	"context"
	"time"
)

// Entry is the newest value of a key.
type Entry struct {
	Key    string
	Value  []byte    // not to be changed
	Offset int64     // place in the log; a value written later has a larger one
	Heard  time.Time // when this reader learnt of it, or when it was written if that was before the reader began
}

// Log is a compacted log: the newest value of every key, in the order they were
// written. Its methods may be called from any goroutine. Keys are "kind/rest" or
// "kind".
type Log interface {
	// Put writes a value and returns when this reader has read it back, so that
	// what Get and List say after it includes all that was written before. An error
	// that is not a refusal leaves open whether it was written.
	Put(ctx context.Context, key string, value []byte) error

	// Delete does the same with the absence of a value.
	Delete(ctx context.Context, key string) error

	// Get returns the newest value of a key, as far as the log was read.
	Get(key string) (Entry, bool)

	// List returns the entries whose keys begin with a prefix, by offset. The prefix
	// begins with a kind and its slash.
	List(prefix string) []Entry

	// Changed returns a channel that is closed at the next change of a key of a kind.
	// Who takes it before looking misses nothing.
	Changed(kind string) <-chan struct{}

	// Loaded reports whether the log was read to its end once: before that, what is
	// missing may only not have been read yet.
	Loaded() bool
}
