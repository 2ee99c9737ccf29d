package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// batch is how many samples wait for a commit at most.
const batch = 5000

// lane writes the series of one worker. The database decides what is out of
// order, but it does not tell a sample that is written again from one that has
// another value, except for the newest of a series. So a lane remembers the
// newest of each series, and looks up the few samples that are not newer.
type lane struct {
	store   *Store
	series  engine.Bound[series]
	refs    map[uint64]engine.Ref // by hash of the labels
	refused [len(refusals)]int    // samples that count, since Refused was called
	builder labels.ScratchBuilder // of Bind
	late    []engine.Sample       // not newer than their series
	app     storage.Appender      // nil: nothing waits
	pending uint64                // samples in app
}

// series is a bound series. Binding it again gives the same Ref.
type series struct {
	labels   labels.Labels
	ref      storage.SeriesRef // 0: the database had no such series
	newest   int64             // no sample of it in the database is newer
	value    float64           // of the sample at newest, when there is one
	resolved bool              // newest means something
	known    bool              // value means something
}

func newLane(s *Store) *lane {
	return &lane{store: s, refs: map[uint64]engine.Ref{}, builder: labels.NewScratchBuilder(16)}
}

// Bind implements engine.Lane.
func (l *lane) Bind(s engine.Series) engine.Ref {
	l.store.meta.add(s)
	l.builder.Reset()
	l.builder.Add(model.MetricNameLabel, valid(s.Name))
	for _, x := range s.Labels {
		if x.Value != "" && x.Name != model.MetricNameLabel {
			l.builder.Add(valid(x.Name), valid(x.Value))
		}
	}
	l.builder.Sort()
	lset := l.builder.Labels()
	hash := lset.Hash()
	ref, taken := l.refs[hash]
	if taken && labels.Equal(l.series.At(ref).labels, lset) {
		l.series.Again(ref)
		return ref
	}
	ref = l.series.Add(series{labels: lset})
	if !taken { // two label sets with one hash: the second is found by its Ref only
		l.refs[hash] = ref
	}
	return ref
}

// Release implements engine.Lane. The samples of the series may be among the late ones.
func (l *lane) Release(ref engine.Ref) {
	if l.series.Release(ref, len(l.late) > 0) {
		l.forget(ref)
	}
}

func (l *lane) forget(ref engine.Ref) {
	hash := l.series.At(ref).labels.Hash()
	if bound, ok := l.refs[hash]; ok && bound == ref {
		delete(l.refs, hash)
	}
	l.series.Free(ref)
}

// Write implements engine.Lane.
func (l *lane) Write(ctx context.Context, samples []engine.Sample) error {
	limit := time.Now().Add(MaxAhead).UnixMilli()
	for i := range samples {
		s := &samples[i]
		x := l.series.At(s.Ref)
		if !x.resolved {
			l.resolve(x)
		}
		switch {
		case s.Time > limit:
			l.store.ahead.Add(1)
			l.refuse(refusedAhead, s.Counts)
		case s.Time > x.newest:
			if err := l.append(x, s.Time, canonical(s.Value), s.Counts); err != nil {
				return err
			}
		case s.Time == x.newest && x.known:
			l.again(canonical(s.Value), x.value)
		default:
			l.late = append(l.late, *s)
		}
	}
	if l.pending >= batch || len(l.late) >= batch {
		return l.commit(ctx)
	}
	return nil
}

// Flush implements engine.Lane: what is written survives the death of the
// process when it returns.
func (l *lane) Flush(ctx context.Context) error { return l.commit(ctx) }

// Close implements engine.Lane.
func (l *lane) Close() {
	if l.app != nil {
		_ = l.app.Rollback() // nothing was promised, nothing can be done about an error
	}
	*l = *newLane(l.store)
}

// resolve finds out whether the database has the series. One that it has may
// have any sample up to the newest of all.
func (l *lane) resolve(x *series) {
	x.resolved, x.newest = true, math.MinInt64
	if g, ok := l.appender().(storage.GetRef); ok {
		if ref, lset := g.GetRef(x.labels, x.labels.Hash()); ref != 0 {
			x.ref, x.labels, x.newest = ref, lset, l.store.db.Head().MaxTime()
		}
	}
}

func (l *lane) appender() storage.Appender {
	if l.app == nil {
		l.app = l.store.db.Appender(context.Background())
	}
	return l.app
}

// append hands a sample to the database; what the database refuses is counted.
// The labels go with the reference, since the database may have dropped a series
// that was silent and makes it anew then.
func (l *lane) append(x *series, at int64, v float64, counts bool) error {
	ref, err := l.appender().Append(x.ref, x.labels, at, v)
	switch {
	case err == nil:
		l.pending++
		x.ref = ref
		if at > x.newest {
			x.newest, x.value, x.known = at, v, true
		}
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp): // another lane was first
		l.store.conflicts.Add(1)
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds):
		l.store.late.Add(1)
		l.refuse(refusedLate, counts)
	case errors.Is(err, tsdb.ErrInvalidSample):
		l.store.invalid.Add(1)
		l.refuse(refusedInvalid, counts)
	default:
		return fmt.Errorf("store: append: %w", err)
	}
	return nil
}

// Why the store refuses samples.
const (
	refusedLate = iota
	refusedAhead
	refusedInvalid
)

var refusals = [...]string{refusedLate: "too-old", refusedAhead: "too-new", refusedInvalid: "invalid"}

func (l *lane) refuse(reason int, counts bool) {
	if counts {
		l.refused[reason]++
	}
}

// Refused implements engine.Refuser.
func (l *lane) Refused(report func(sink, reason string, samples int)) {
	for reason, n := range l.refused {
		if n > 0 {
			report("", refusals[reason], n)
		}
	}
	l.refused = [len(refusals)]int{}
}

// again counts a sample for whose time its series already has the value old.
func (l *lane) again(v, old float64) {
	if math.Float64bits(v) == math.Float64bits(old) {
		l.store.duplicates.Add(1)
	} else {
		l.store.conflicts.Add(1)
	}
}

// commit writes everything that waits to the database's log, and then what was
// late, which can only be judged after that.
func (l *lane) commit(ctx context.Context) error {
	if err := l.commitAppender(); err != nil {
		return err
	}
	if len(l.late) == 0 {
		return nil
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	l.late = l.late[:0]
	for _, ref := range l.series.Left() {
		l.forget(ref)
	}
	return l.commitAppender()
}

func (l *lane) commitAppender() error {
	if l.app == nil {
		return nil
	}
	app, n := l.app, l.pending
	l.app, l.pending = nil, 0
	if err := app.Commit(); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	l.store.written.Add(n)
	return nil
}

// canonical returns v with the one NaN that the query language knows; the marker
// of the end stays as it is.
func canonical(v float64) float64 {
	if v != v && !engine.IsStale(v) {
		return math.Float64frombits(value.NormalNaN)
	}
	return v
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
