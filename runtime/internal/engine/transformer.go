package engine

import (
	"context"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Transforms opens what the transforms of scope sample run, for one worker each.
type Transforms interface {
	// Open is called by a worker between two records, when it first has a sample for
	// a transform of its generation. It should have something ready: the worker
	// waits. After an error the samples at hand fail, and the next ones ask again.
	Open(t *program.Transform) (Transformer, error)
}

// A Transformer is one worker's way through a plugin. It is used from one goroutine.
type Transformer interface {
	// Transform works on a batch in place and keeps nothing of it: afterwards Records
	// are those that remain and those that are new, Failed those that it failed for,
	// which are not among Records. What fails whole fails for every row. An error is
	// final and stops the worker at its last acknowledged offset.
	Transform(ctx context.Context, b *Batch) error

	// Close lets go of it: the worker has left the generation.
	Close()
}

// A Trier is a Transformer that is told how a transform did on samples that it was
// only tried on.
type Trier interface {
	Tried(Trial)
}

// Trial is what a transform would have done with some rows.
type Trial struct {
	Rows    int // that it was given; those that are not counted below stay as they are
	Changed int // with another name, other labels or another value
	Dropped int
	Failed  int
	Made    int // beside them
}

// What a batch has at most when it is handed over. A row with more labels fails
// without having been handed over.
const (
	MaxRows   = 1024
	MaxLabels = 64
)

// Batch is samples on their way through a plugin, every string once. One point is
// one record: its value is what Point.Main says, and of a text gauge the number of
// the text. What else a meter or histogram has stays with the worker; it goes on
// with the record that comes back in its place.
type Batch struct {
	Now      int64  // Unix ms: the time of the first record
	Sequence uint64 // the offset of the first record
	Flags    abi.BatchFlags
	Records  []abi.Record // Source is the row, among those handed over, that a record is or was made of
	Pairs    []abi.Pair
	Strings  []string // never changed, so whoever adds some owns them
	Failed   []Failure
}

// Failure says why a row was not transformed.
type Failure struct {
	Record  int    // row, among those handed over
	Code    string // word of the plugin interface
	Message string
}
