package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
)

// MaxPoints is how many points of each series a range query may ask for.
const MaxPoints = 11_000

const (
	truncated = "results truncated due to limit"
	maxNotes  = 10 // warnings and infos that are passed on
)

// Limits bound one query. The zero value leaves it to the store's options.
type Limits struct {
	Timeout  time.Duration
	Lookback time.Duration // how old a sample still counts at an instant, 0: 5 minutes
	Series   int           // of the result, 0: all
}

// Result is the answer to a query. As JSON it is the data field of an answer of
// the Prometheus HTTP API.
type Result struct {
	Warnings []string // about the result, for who asked
	Infos    []string
	value    parser.Value
}

// Query evaluates an expression at one instant. Its errors are *Error.
func (s *Store) Query(ctx context.Context, expr string, at time.Time, l Limits) (*Result, error) {
	q, err := s.engine.NewInstantQuery(ctx, s, promql.NewPrometheusQueryOpts(false, l.Lookback), expr, at)
	if err != nil {
		return nil, badQuery(err)
	}
	return exec(ctx, q, expr, l)
}

// QueryRange evaluates an expression at every step from start to end. Its errors
// are *Error; a step that is not positive, an end before the start and more than
// MaxPoints steps are bad queries.
func (s *Store) QueryRange(ctx context.Context, expr string, start, end time.Time, step time.Duration, l Limits) (*Result, error) {
	switch {
	case end.Before(start):
		return nil, badQuery(errors.New("end timestamp must not be before start time"))
	case step < time.Millisecond:
		return nil, badQuery(errors.New("the step must be one millisecond at least"))
	case end.Sub(start)/step > MaxPoints:
		return nil, badQuery(fmt.Errorf("more than %d points per series, try a longer step", MaxPoints))
	}
	q, err := s.engine.NewRangeQuery(ctx, s, promql.NewPrometheusQueryOpts(false, l.Lookback), expr, start, end, step)
	if err != nil {
		return nil, badQuery(err)
	}
	return exec(ctx, q, expr, l)
}

// exec runs a query. It is not closed, which would give the points of the result
// back to a pool: the result outlives this call, and the collector is as good.
func exec(ctx context.Context, q promql.Query, expr string, l Limits) (*Result, error) {
	if l.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.Timeout)
		defer cancel()
	}
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, failed(res.Err)
	}
	r := newResult(res.Warnings, expr)
	r.value = res.Value
	if l.Series > 0 {
		switch v := res.Value.(type) {
		case promql.Vector:
			r.value = v[:r.cut(len(v), l.Series)]
		case promql.Matrix:
			r.value = v[:r.cut(len(v), l.Series)]
		}
	}
	return r, nil
}

func newResult(notes annotations.Annotations, expr string) *Result {
	r := &Result{}
	r.Warnings, r.Infos = notes.AsStrings(expr, maxNotes, maxNotes)
	return r
}

// cut returns how much of n is left and warns when it is less.
func (r *Result) cut(n, limit int) int {
	if n <= limit {
		return n
	}
	r.Warnings = append(r.Warnings, truncated)
	return limit
}

// Kind says what went wrong with a query.
type Kind uint8

// The kinds of Error.
const (
	BadQuery       Kind = iota + 1 // the request is wrong
	Timeout                        // it took too long
	Canceled                       // who asked went away
	TooManySamples                 // it would hold more in memory than it may
	Failed                         // it is right but cannot be evaluated on these series
	Internal                       // the database failed
)

// kindWords are what the Prometheus HTTP API calls them (errorType).
var kindWords = [...]string{
	BadQuery: "bad_data", Timeout: "timeout", Canceled: "canceled",
	TooManySamples: "execution", Failed: "execution", Internal: "internal",
}

// String returns the errorType of the Prometheus HTTP API.
func (k Kind) String() string { return kindWords[k] }

// Error is why a query has no result.
type Error struct {
	Kind Kind

	// Start and End are the bytes of the expression that are wrong, when that is
	// known; otherwise both are 0.
	Start, End int

	err error
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

func badQuery(err error) *Error {
	e := &Error{Kind: BadQuery, err: err}
	var list parser.ParseErrors
	if errors.As(err, &list) && len(list) > 0 {
		e.Start, e.End = int(list[0].PositionRange.Start), int(list[0].PositionRange.End)
	}
	return e
}

// failed sorts the errors of evaluation.
func failed(err error) *Error {
	var (
		tooMany  promql.ErrTooManySamples
		timeout  promql.ErrQueryTimeout
		canceled promql.ErrQueryCanceled
		disk     promql.ErrStorage
	)
	e := &Error{Kind: Failed, err: err}
	switch {
	case errors.As(err, &tooMany):
		e.Kind = TooManySamples
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		e.Kind = Timeout
	case errors.As(err, &canceled), errors.Is(err, context.Canceled):
		e.Kind = Canceled
	case errors.As(err, &disk):
		e.Kind = Internal
	}
	return e
}
