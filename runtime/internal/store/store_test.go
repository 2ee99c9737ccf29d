package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base is a time that is not in the future and that seconds divide.
var base = time.Now().Add(-2 * time.Hour).Truncate(time.Minute)

// at returns the time of base plus seconds, in milliseconds.
func at(seconds int) int64 { return base.UnixMilli() + int64(seconds)*1000 }

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openLane(t testing.TB, s *Store) *lane {
	t.Helper()
	l, err := s.Lane(engine.Partition{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l.(*lane)
}

func newSeries(name string, pairs ...string) engine.Series {
	var l metric.Labels
	for i := 0; i < len(pairs); i += 2 {
		l = append(l, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return engine.Series{Name: name, Labels: l.Sort()}
}

func write(t testing.TB, l engine.Lane, samples ...engine.Sample) {
	t.Helper()
	if err := l.Write(context.Background(), samples); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// samples returns all samples of a selector as "seconds=value" per series.
func samples(t testing.TB, s *Store, selector string) map[string][]string {
	t.Helper()
	r, err := s.Query(context.Background(), selector+"[6h]", base.Add(3*time.Hour), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, x := range decode[model.Matrix](t, r) {
		for _, p := range x.Values {
			out[x.Metric.String()] = append(out[x.Metric.String()], fmt.Sprintf("%d=%v", (int64(p.Timestamp)-base.UnixMilli())/1000, p.Value))
		}
	}
	return out
}

// decode reads a result as a client of the Prometheus HTTP API does.
func decode[T any](t testing.TB, r *Result) (v T) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := json.Unmarshal(b, &data); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	if err := json.Unmarshal(data.Result, &v); err != nil {
		t.Fatalf("%v in %s", err, data.Result)
	}
	return v
}

// counts are the totals of samples by what became of them.
func counts(s *Store) map[string]uint64 {
	st := s.Stats()
	all := map[string]uint64{"written": st.Written, "duplicate": st.Duplicates, "conflict": st.Conflicts, "late": st.Late, "ahead": st.Ahead, "invalid": st.Invalid}
	for k, n := range all {
		if n == 0 {
			delete(all, k)
		}
	}
	return all
}

func equal(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestWriteAndQuery(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	a, b := l.Bind(newSeries("a", "task", "t1")), l.Bind(newSeries("b", "empty", "", "__name__", "x"))
	write(t, l, engine.Sample{Ref: a, Time: at(0), Value: 1}, engine.Sample{Ref: b, Time: at(0), Value: -2}, engine.Sample{Ref: a, Time: at(10), Value: math.Inf(1)})
	equal(t, "samples", map[string][]string{`a{task="t1"}`: {"0=1", "10=+Inf"}, "b": {"0=-2"}}, samples(t, s, `{__name__=~".+"}`))
	st := s.Stats()
	if st.HeadSeries != 2 || st.Written != 3 || !st.Oldest.Equal(base) || !st.Newest.Equal(base.Add(10*time.Second)) {
		t.Errorf("stats %+v", st)
	}
}

func TestConfigure(t *testing.T) {
	s := open(t, t.TempDir(), Options{OutOfOrder: time.Hour})
	l := openLane(t, s)
	a, b := l.Bind(newSeries("a")), l.Bind(newSeries("b"))
	write(t, l, engine.Sample{Ref: a, Time: at(0), Value: 1}, engine.Sample{Ref: b, Time: at(-1800), Value: 1})
	if err := s.Configure(Options{Retention: 24 * time.Hour, OutOfOrder: time.Minute}); err != nil {
		t.Fatal(err)
	}
	write(t, l, engine.Sample{Ref: b, Time: at(-1900), Value: 1})
	equal(t, "counts", map[string]uint64{"written": 2, "late": 1}, counts(s))
	if err := s.Configure(Options{}); err != nil { // half an hour again
		t.Fatal(err)
	}
	write(t, l, engine.Sample{Ref: b, Time: at(-1700), Value: 1})
	equal(t, "counts", map[string]uint64{"written": 3, "late": 1}, counts(s))
}

// The database stays open while it is read, and then nobody reads it.
func TestCloseWaitsForReaders(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	q, err := s.Querier(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for { // until it is about to close
		more, err := s.Querier(0, 1)
		if err != nil {
			break
		}
		more.Close()
	}
	select {
	case err := <-closed:
		t.Errorf("closed under a reader: %v", err)
	default:
	}
	q.Close()
	q.Close() // once too often
	if err := <-closed; err != nil {
		t.Error(err)
	}
	var failed *Error
	if _, err := s.Query(context.Background(), "a", base, Limits{}); !errors.As(err, &failed) {
		t.Errorf("a query of a closed store: %v", err)
	}
	if _, _, err := s.LabelNames(context.Background(), nil, base, base, 0); !errors.As(err, &failed) {
		t.Errorf("labels of a closed store: %v", err)
	}
}

func TestStatsOfNothing(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if st := s.Stats(); st != (Stats{}) {
		t.Errorf("stats %+v", st)
	}
}

func TestStaleAndNaN(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	ref := l.Bind(newSeries("a"))
	odd := math.Float64frombits(0x7ff8000000abcdef)
	write(t, l, engine.Sample{Ref: ref, Time: at(0), Value: odd})
	write(t, l, engine.Sample{Ref: ref, Time: at(0), Value: math.NaN()}) // the same NaN
	equal(t, "counts", map[string]uint64{"written": 1, "duplicate": 1}, counts(s))

	value := func(seconds int) string {
		r, err := s.Query(context.Background(), "a", base.Add(time.Duration(seconds)*time.Second), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		v := decode[model.Vector](t, r)
		if len(v) == 0 {
			return "nothing"
		}
		return v[0].Value.String()
	}
	if got := value(1); got != "NaN" {
		t.Errorf("before the end: %s", got)
	}
	write(t, l, engine.Sample{Ref: ref, Time: at(10), Value: engine.Stale()})
	if got := value(11); got != "nothing" {
		t.Errorf("after the end: %s", got)
	}
	write(t, l, engine.Sample{Ref: ref, Time: at(20), Value: 5})
	if got := value(21); got != "5" {
		t.Errorf("after it began again: %s", got)
	}
}

// A series that the head of the database has dropped is made anew under the same Ref.
func TestHeadForgetsASeries(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	a, b := l.Bind(newSeries("a")), l.Bind(newSeries("b"))
	write(t, l, engine.Sample{Ref: a, Time: at(-6 * 3600), Value: 1})
	for i := -6 * 3600; i <= 0; i += 600 {
		write(t, l, engine.Sample{Ref: b, Time: at(i), Value: 1})
	}
	if err := s.db.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().HeadSeries; n != 1 {
		t.Fatalf("%d series in the head, want the silent one gone", n)
	}
	write(t, l, engine.Sample{Ref: a, Time: at(10), Value: 2})
	write(t, l, engine.Sample{Ref: a, Time: at(20), Value: 3})
	if n := s.Stats().HeadSeries; n != 2 {
		t.Errorf("%d series in the head, want 2", n)
	}
	r, err := s.Query(context.Background(), "a[12h]", base.Add(time.Minute), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if m := decode[model.Matrix](t, r); len(m) != 1 || len(m[0].Values) != 3 {
		t.Errorf("samples %v, want the old one from its block and two new ones", m)
	}
}

func TestBindTwice(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	one, two := l.Bind(newSeries("a", "x", "1")), l.Bind(newSeries("a", "x", "1"))
	other := l.Bind(newSeries("a", "x", "2"))
	if one != two || one == other {
		t.Fatalf("Refs %d, %d and %d", one, two, other)
	}
	l.Release(one)
	write(t, l, engine.Sample{Ref: two, Time: at(5), Value: 1})
	l.Release(two)
	if again := l.Bind(newSeries("b")); again != one {
		t.Errorf("Ref %d, want %d used again", again, one)
	}
	equal(t, "samples", map[string][]string{`a{x="1"}`: {"5=1"}}, samples(t, s, "a"))
}

func TestUnfitLabels(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	twice := engine.Series{Name: "a", Labels: metric.Labels{{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}}
	write(t, l,
		engine.Sample{Ref: l.Bind(twice), Time: at(0)},
		engine.Sample{Ref: l.Bind(engine.Series{}), Time: at(0)},
		engine.Sample{Ref: l.Bind(newSeries("b", "x", "\xff")), Time: at(0), Value: 1},
	)
	equal(t, "samples", map[string][]string{"b{x=\"\uFFFD\"}": {"0=1"}}, samples(t, s, `{__name__=~".+"}`))
	equal(t, "counts", map[string]uint64{"written": 1, "invalid": 2}, counts(s))
}

// What Flush has acknowledged is there after the process was killed: the copy of
// the directory is what a kill leaves behind.
func TestFlushedSamplesSurviveAKill(t *testing.T) {
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	s := open(t, dir, Options{})
	l := openLane(t, s)
	a := l.Bind(newSeries("a"))
	write(t, l, engine.Sample{Ref: a, Time: at(0), Value: 1}, engine.Sample{Ref: a, Time: at(10), Value: 2})
	write(t, l, engine.Sample{Ref: a, Time: at(5), Value: 3}) // out of order
	if err := l.Write(context.Background(), []engine.Sample{{Ref: a, Time: at(20), Value: 4}}); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	after := open(t, copied, Options{})
	equal(t, "samples", map[string][]string{"a": {"0=1", "5=3", "10=2"}}, samples(t, after, "a"))

	l = openLane(t, after) // the offset was not committed: it all comes again, and goes on
	a = l.Bind(newSeries("a"))
	write(t, l, engine.Sample{Ref: a, Time: at(5), Value: 3}, engine.Sample{Ref: a, Time: at(10), Value: 2}, engine.Sample{Ref: a, Time: at(20), Value: 4})
	equal(t, "samples", map[string][]string{"a": {"0=1", "5=3", "10=2", "20=4"}}, samples(t, after, "a"))
	equal(t, "counts", map[string]uint64{"written": 1, "duplicate": 2}, counts(after))
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("a directory in use: error %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Options{}); err == nil {
		t.Error("a file in place of the directory was opened")
	}
}

func TestWriteFaultsAreReturned(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := openLane(t, s)
	if err := l.Write(context.Background(), []engine.Sample{{Ref: l.Bind(newSeries("a")), Time: at(0)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // the log is closed under the lane
		t.Fatal(err)
	}
	if err := l.Flush(context.Background()); err == nil {
		t.Error("Flush acknowledged what was not written")
	}
}

// Lanes, one series in common, and queries at once; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var wg sync.WaitGroup
	for w := range 3 {
		l := openLane(t, s)
		wg.Go(func() {
			own, common := l.Bind(newSeries("own", "lane", fmt.Sprint(w))), l.Bind(newSeries("common"))
			for i := range 200 {
				write(t, l, engine.Sample{Ref: own, Time: at(i), Value: 1}, engine.Sample{Ref: common, Time: at(i), Value: 1})
				if i%50 == 0 {
					samples(t, s, "own")
				}
			}
		})
	}
	wg.Wait()
	for series, list := range samples(t, s, `{__name__=~".+"}`) {
		if len(list) != 200 {
			t.Errorf("%s has %d samples, want 200", series, len(list))
		}
	}
	if st := s.Stats(); st.Conflicts+st.Late != 0 {
		t.Errorf("stats %+v", st)
	}
}
