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
	"pgregory.net/rapid"

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

func TestStatsOfNothing(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if st := s.Stats(); st != (Stats{}) {
		t.Errorf("stats %+v", st)
	}
}

// What may come again after a crash: with the window, every sample is stored
// once and the first value stays; without it, the database refuses all but the
// newest.
func TestReplay(t *testing.T) {
	for _, c := range []struct {
		name   string
		window time.Duration
		replay func(i int) float64
		lane   bool // the replay comes through a new lane, as after a restart
		want   map[string]uint64
	}{
		{"same lane", 0, func(i int) float64 { return float64(i) }, false, map[string]uint64{"written": 10, "duplicate": 10}},
		{"new lane", 0, func(i int) float64 { return float64(i) }, true, map[string]uint64{"written": 10, "duplicate": 10}},
		{"other values", 0, func(i int) float64 { return float64(i + 1) }, true, map[string]uint64{"written": 10, "conflict": 10}},
		{"other values, same lane", 0, func(i int) float64 { return float64(i + 1) }, false, map[string]uint64{"written": 10, "conflict": 10}},
		{"no window", -1, func(i int) float64 { return float64(i) }, true, map[string]uint64{"written": 10, "duplicate": 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir(), Options{OutOfOrder: c.window})
			l := openLane(t, s)
			ref := l.Bind(newSeries("a"))
			var want []string
			for i := range 10 {
				write(t, l, engine.Sample{Ref: ref, Time: at(i), Value: float64(i)})
				want = append(want, fmt.Sprintf("%d=%d", i, i))
			}
			if c.lane {
				l = openLane(t, s)
				ref = l.Bind(newSeries("a"))
			}
			var again []engine.Sample
			for i := range 10 {
				again = append(again, engine.Sample{Ref: ref, Time: at(i), Value: c.replay(i)})
			}
			write(t, l, again...)
			equal(t, "samples", map[string][]string{"a": want}, samples(t, s, "a"))
			equal(t, "counts", c.want, counts(s))
			write(t, l, engine.Sample{Ref: ref, Time: at(10), Value: 10}) // and it goes on
			equal(t, "samples", map[string][]string{"a": append(want, "10=10")}, samples(t, s, "a"))
		})
	}
}

func TestOutOfOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		window time.Duration
		want   []string
		counts map[string]uint64
	}{
		{"default window", 0, []string{"-1700=4", "0=1", "50=3", "100=2"}, map[string]uint64{"written": 4, "late": 1, "duplicate": 1}},
		{"small window", time.Minute, []string{"0=1", "50=3", "100=2"}, map[string]uint64{"written": 3, "late": 2, "duplicate": 1}},
		{"none", -1, []string{"0=1", "100=2"}, map[string]uint64{"written": 2, "late": 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir(), Options{OutOfOrder: c.window})
			l := openLane(t, s)
			ref := l.Bind(newSeries("a"))
			write(t, l,
				engine.Sample{Ref: ref, Time: at(0), Value: 1},
				engine.Sample{Ref: ref, Time: at(100), Value: 2},
				engine.Sample{Ref: ref, Time: at(50), Value: 3}, // in between
				engine.Sample{Ref: ref, Time: at(-1700), Value: 4},
				engine.Sample{Ref: ref, Time: at(-1800), Value: 5},
			)
			write(t, l, engine.Sample{Ref: ref, Time: at(50), Value: 3})
			equal(t, "samples", map[string][]string{"a": c.want}, samples(t, s, "a"))
			equal(t, "counts", c.counts, counts(s))
		})
	}
}

// What a series with more labels has does not count for one with fewer.
func TestLateSampleBesideASimilarSeries(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	more, few := l.Bind(newSeries("a", "x", "1")), l.Bind(newSeries("a"))
	write(t, l, engine.Sample{Ref: more, Time: at(5), Value: 2}, engine.Sample{Ref: few, Time: at(10), Value: 1})
	write(t, l, engine.Sample{Ref: few, Time: at(5), Value: 3})
	equal(t, "samples", map[string][]string{"a": {"5=3", "10=1"}, `a{x="1"}`: {"5=2"}}, samples(t, s, "a"))
	equal(t, "counts", map[string]uint64{"written": 3}, counts(s))
}

func TestNewSeriesFarBehind(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	write(t, l, engine.Sample{Ref: l.Bind(newSeries("a")), Time: at(0), Value: 1})
	write(t, l, engine.Sample{Ref: l.Bind(newSeries("b")), Time: at(-70 * 60), Value: 1})
	equal(t, "counts", map[string]uint64{"written": 1, "late": 1}, counts(s))
}

// One clock that is ahead must not make the samples of all others too old.
func TestSamplesAhead(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	ref := l.Bind(newSeries("a"))
	write(t, l, engine.Sample{Ref: ref, Time: time.Now().Add(MaxAhead + time.Hour).UnixMilli(), Value: 1})
	write(t, l, engine.Sample{Ref: ref, Time: at(0), Value: 2})
	equal(t, "samples", map[string][]string{"a": {"0=2"}}, samples(t, s, "a"))
	equal(t, "counts", map[string]uint64{"written": 1, "ahead": 1}, counts(s))
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

// A Ref that is released while a late sample of it waits stays what it was.
func TestReleaseWhileLateSamplesWait(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	a := l.Bind(newSeries("a"))
	write(t, l, engine.Sample{Ref: a, Time: at(10), Value: 10})
	if err := l.Write(context.Background(), []engine.Sample{{Ref: a, Time: at(5), Value: 5}}); err != nil {
		t.Fatal(err)
	}
	l.Release(a)
	b := l.Bind(newSeries("b"))
	write(t, l, engine.Sample{Ref: b, Time: at(7), Value: 7})
	equal(t, "samples", map[string][]string{"a": {"5=5", "10=10"}, "b": {"7=7"}}, samples(t, s, `{__name__=~".+"}`))
	if again := l.Bind(newSeries("c")); again != a {
		t.Errorf("Ref %d, want %d used again", again, a)
	}
}

// Bound again before the late sample was settled, it stays, however often.
func TestBindAgainWhileLateSamplesWait(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	a := l.Bind(newSeries("a"))
	write(t, l, engine.Sample{Ref: a, Time: at(10), Value: 10})
	if err := l.Write(context.Background(), []engine.Sample{{Ref: a, Time: at(5), Value: 5}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l.Release(a)
		if again := l.Bind(newSeries("a")); again != a {
			t.Fatalf("Ref %d, want %d", again, a)
		}
	}
	write(t, l)
	write(t, l, engine.Sample{Ref: a, Time: at(15), Value: 15})
	equal(t, "samples", map[string][]string{"a": {"5=5", "10=10", "15=15"}}, samples(t, s, "a"))
	if b := l.Bind(newSeries("b")); b == a {
		t.Errorf("Ref %d is used for two series", b)
	}
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

func TestSettleEndsWithTheContext(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	l := openLane(t, s)
	a := l.Bind(newSeries("a"))
	write(t, l, engine.Sample{Ref: a, Time: at(1), Value: 1})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Write(ctx, []engine.Sample{{Ref: a, Time: at(0), Value: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
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

// Whatever order samples come in, by whatever lane and however often: each time
// of a series keeps its first value, and the counts add up.
func TestFirstValueStays(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	run, total := 0, uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		run++
		series := newSeries("a", "run", fmt.Sprint(run))
		want := map[int]float64{}
		l := openLane(t, s)
		ref := l.Bind(series)
		for range rapid.IntRange(1, 40).Draw(rt, "samples") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0:
				write(t, l)
				l.Close()
				l = openLane(t, s)
				ref = l.Bind(series)
			default:
				sec, v := rapid.IntRange(0, 20).Draw(rt, "second"), float64(rapid.IntRange(0, 3).Draw(rt, "value"))
				if _, ok := want[sec]; !ok {
					want[sec] = v
				}
				total++
				if err := l.Write(context.Background(), []engine.Sample{{Ref: ref, Time: at(sec), Value: v}}); err != nil {
					rt.Fatal(err)
				}
				if rapid.Bool().Draw(rt, "flush") {
					write(t, l)
				}
			}
		}
		write(t, l)
		got := map[int]float64{}
		for _, list := range samples(t, s, fmt.Sprintf(`a{run="%d"}`, run)) {
			for _, x := range list {
				var sec int
				var v float64
				fmt.Sscanf(x, "%d=%g", &sec, &v)
				got[sec] = v
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("samples (-want +got):\n%s", diff)
		}
		if st := s.Stats(); st.Written+st.Duplicates+st.Conflicts != total {
			rt.Errorf("%+v does not add up to %d", st, total)
		}
	})
}
