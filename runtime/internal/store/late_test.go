package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// What may come again after a crash: every sample is stored once and the first
// value stays, with the out-of-order window and without.
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
