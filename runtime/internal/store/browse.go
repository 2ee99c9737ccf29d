package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// A zero start or end of the methods in this file means from the first or to the
// last sample. Each matcher is a selector such as up{job="a"}; what any of them
// matches counts. A limit of 0 means all. Their errors are *Error.

// LabelSet is the labels of a series, its name among them as __name__. As JSON it
// is an object.
type LabelSet labels.Labels

// Series returns the series that any of the matchers selects and that have a
// sample between start and end, and warnings about the result. There must be a
// matcher.
func (s *Store) Series(ctx context.Context, matchers []string, start, end time.Time, limit int) ([]LabelSet, []string, error) {
	if len(matchers) == 0 {
		return nil, nil, badQuery(errors.New("no match[] parameter provided"))
	}
	q, sets, err := s.browse(matchers, start, end)
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	from, to := span(start, end)
	hints := &storage.SelectHints{Start: from, End: to, Func: "series", Limit: hint(limit)} // "series": without samples
	var parts []storage.SeriesSet
	for _, m := range sets {
		parts = append(parts, q.Select(ctx, true, hints, m...))
	}
	all := storage.NewMergeSeriesSet(parts, 0, storage.ChainedSeriesMerge)
	out := []LabelSet{}
	for all.Next() {
		if err := ctx.Err(); err != nil {
			return nil, nil, failed(err)
		}
		out = append(out, LabelSet(all.At().Labels().Copy())) // they belong to the querier
		if limit > 0 && len(out) > limit {
			break
		}
	}
	if err := all.Err(); err != nil {
		return nil, nil, failed(err)
	}
	r := newResult(all.Warnings(), "")
	if limit > 0 {
		out = out[:r.cut(len(out), limit)]
	}
	return out, r.Warnings, nil
}

// LabelNames returns the names of all labels, in order; with matchers, those of
// the series they select.
func (s *Store) LabelNames(ctx context.Context, matchers []string, start, end time.Time, limit int) ([]string, []string, error) {
	return s.names(matchers, start, end, limit, func(q storage.Querier, m []*labels.Matcher) ([]string, error) {
		names, _, err := q.LabelNames(ctx, &storage.LabelHints{Limit: hint(limit)}, m...)
		return names, err
	})
}

// LabelValues returns the values of one label, in order; with matchers, those on
// the series they select.
func (s *Store) LabelValues(ctx context.Context, name string, matchers []string, start, end time.Time, limit int) ([]string, []string, error) {
	if name == "" {
		return nil, nil, badQuery(errors.New(`invalid label name: ""`))
	}
	return s.names(matchers, start, end, limit, func(q storage.Querier, m []*labels.Matcher) ([]string, error) {
		values, _, err := q.LabelValues(ctx, name, &storage.LabelHints{Limit: hint(limit)}, m...)
		return values, err
	})
}

// names collects what ask returns for each matcher, each text once.
func (s *Store) names(matchers []string, start, end time.Time, limit int, ask func(storage.Querier, []*labels.Matcher) ([]string, error)) ([]string, []string, error) {
	q, sets, err := s.browse(matchers, start, end)
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	out := []string{}
	for _, m := range sets {
		texts, err := ask(q, m)
		if err != nil {
			return nil, nil, failed(err)
		}
		for _, t := range texts {
			out = append(out, strings.Clone(t)) // those of a block are gone with the querier
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	r := &Result{}
	if limit > 0 {
		out = out[:r.cut(len(out), limit)]
	}
	return out, r.Warnings, nil
}

// browse opens a querier and reads the matchers.
func (s *Store) browse(matchers []string, start, end time.Time) (storage.Querier, [][]*labels.Matcher, error) {
	sets, err := s.parser.ParseMetricSelectors(matchers)
	if err != nil {
		return nil, nil, badQuery(err)
	}
	for i, set := range sets {
		if !slices.ContainsFunc(set, func(m *labels.Matcher) bool { return !m.Matches("") }) {
			return nil, nil, badQuery(fmt.Errorf("match[] %q must have at least one matcher that an empty value does not satisfy", matchers[i]))
		}
	}
	q, err := s.Querier(span(start, end))
	if err != nil {
		return nil, nil, failed(err)
	}
	return q, sets, nil
}

func span(start, end time.Time) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if !start.IsZero() {
		from = start.UnixMilli()
	}
	if !end.IsZero() {
		to = end.UnixMilli()
	}
	return from, to
}

// hint asks for one more than the limit, which shows that there are more.
func hint(limit int) int {
	if limit > 0 {
		return limit + 1
	}
	return 0
}
