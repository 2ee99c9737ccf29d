package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// point is a sample that the database has.
type point struct {
	time  int64
	value float64
}

// settle judges the samples that were not newer than their series: written
// before (the first value stays), or to be put in between. One lookup serves all
// samples of a series and tells the newest it has.
func (l *lane) settle(ctx context.Context) error {
	slices.SortStableFunc(l.late, func(a, b engine.Sample) int {
		return cmp.Or(cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Time, b.Time))
	})
	oldest := int64(math.MaxInt64)
	for _, s := range l.late {
		oldest = min(oldest, s.Time)
	}
	q, err := l.store.db.Querier(oldest, max(oldest, l.store.db.Head().MaxTime()))
	if err != nil {
		return fmt.Errorf("store: look up late samples: %w", err)
	}
	defer q.Close()
	for from := 0; from < len(l.late); {
		to := from + 1
		for to < len(l.late) && l.late[to].Ref == l.late[from].Ref {
			to++
		}
		x := l.series.At(l.late[from].Ref)
		have, err := stored(ctx, q, x.labels, l.late[from].Time)
		if err != nil {
			return fmt.Errorf("store: look up late samples: %w", err)
		}
		if err := l.settleSeries(x, have, l.late[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// settleSeries judges the late samples of one series against what it has since
// the first of them.
func (l *lane) settleSeries(x *series, have []point, late []engine.Sample) error {
	x.newest, x.known = math.MinInt64, false
	if n := len(have); n > 0 {
		x.newest, x.value, x.known = have[n-1].time, have[n-1].value, true
	} else if late[0].Time > math.MinInt64 {
		x.newest = late[0].Time - 1
	}
	for _, s := range late {
		v := canonical(s.Value)
		i, found := slices.BinarySearchFunc(have, s.Time, func(p point, t int64) int { return cmp.Compare(p.time, t) })
		if found {
			l.again(v, have[i].value)
			continue
		}
		if err := l.append(x, s.Time, v, s.Counts); err != nil {
			return err
		}
		have = slices.Insert(have, i, point{s.Time, v})
	}
	return nil
}

// stored returns what the database has of a series from a time on, oldest first.
func stored(ctx context.Context, q storage.Querier, lset labels.Labels, from int64) ([]point, error) {
	var matchers []*labels.Matcher
	lset.Range(func(x labels.Label) {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, x.Name, x.Value))
	})
	set := q.Select(ctx, false, nil, matchers...)
	var have []point
	for set.Next() {
		s := set.At()
		if !labels.Equal(s.Labels(), lset) { // it has more labels
			continue
		}
		it := s.Iterator(nil)
		for typ := it.Seek(from); typ != chunkenc.ValNone; typ = it.Next() {
			t, v := it.At()
			have = append(have, point{t, v})
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
	}
	return have, set.Err()
}
