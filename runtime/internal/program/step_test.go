package program

import (
	"hash/fnv"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// feed offers samples to a window and returns the indexes that go on, in order,
// and how many were thinned.
func feed(w *Window, s *Step, ts []int64, values []float64) (out []int, thinned int) {
	held := -1
	for i := range ts {
		switch w.Offer(s, ts[i], values[i]) {
		case Pass:
			out = append(out, i)
		case Stop:
			thinned++
		case Hold:
			held = i
		case Replace:
			held, thinned = i, thinned+1
		case Rotate:
			out = append(out, held)
			held = i
		}
	}
	if w.Flush() {
		out = append(out, held)
	}
	return out, thinned
}

func TestWindowPicks(t *testing.T) {
	ts := []int64{0, 4_000, 9_999, 10_000, 15_000, 40_000}
	values := []float64{3, 9, 1, 5, math.NaN(), 2}
	for pick, want := range map[Pick][]int{First: {0, 3, 5}, Last: {2, 4, 5}, Max: {1, 3, 5}, Min: {2, 3, 5}} {
		s := &Step{Kind: ThinStep, Every: 10 * time.Second, Pick: pick}
		got, thinned := feed(&Window{}, s, ts, values)
		if !slices.Equal(got, want) || thinned != 3 {
			t.Errorf("pick %d lets %v through and thins %d, want %v and 3", pick, got, thinned, want)
		}
	}
}

// Whatever arrives: every sample has one fate, in-order samples give one per
// interval, and it is the one that the pick asks for.
func TestWindowAgainstGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Step{Kind: ThinStep, Every: time.Duration(rapid.IntRange(1, 50).Draw(t, "every")) * time.Millisecond,
			Pick: rapid.SampledFrom([]Pick{First, Last, Max, Min}).Draw(t, "pick")}
		ts := rapid.SliceOfN(rapid.Int64Range(-500, 500), 0, 60).Draw(t, "ts")
		slices.Sort(ts)
		values := make([]float64, len(ts))
		for i := range values {
			values[i] = float64(rapid.IntRange(0, 5).Draw(t, "value"))
		}
		var want []int
		for i := 0; i < len(ts); {
			j, best := i, i
			for ; j < len(ts) && floorDiv(ts[j], s.Every.Milliseconds()) == floorDiv(ts[i], s.Every.Milliseconds()); j++ {
				if s.Pick == Last || s.Pick == Max && values[j] > values[best] || s.Pick == Min && values[j] < values[best] {
					best = j
				}
			}
			want = append(want, best)
			i = j
		}
		got, thinned := feed(&Window{}, s, ts, values)
		if !slices.Equal(got, want) || thinned+len(got) != len(ts) {
			t.Fatalf("got %v and %d thinned, want %v of %d", got, thinned, want, len(ts))
		}
	})
}

func TestWindowLateAndWrongClock(t *testing.T) {
	s := &Step{Kind: ThinStep, Every: time.Second, Pick: First}
	var w Window
	for _, x := range []struct {
		ts   int64
		want Move
	}{
		{100_000, Pass},
		{99_000, Stop},      // late
		{86_500_000, Pass},  // a clock a day ahead
		{101_000, Pass},     // corrected
		{101_500, Stop},     //
		{101_500 - 1, Stop}, //
		{102_000, Pass},     //
		{92_000, Stop},      // as late as may be
		{91_999, Pass},      // further back
		{92_000, Pass},      //
		{-1, Pass},          // before the epoch
		{0, Pass},           //
		{0, Stop},           //
		{math.MaxInt64, Pass},
	} {
		if got := w.Offer(s, x.ts, 0); got != x.want {
			t.Fatalf("Offer(%d) = %d, want %d", x.ts, got, x.want)
		}
	}
}

func TestWindowFlushedEarly(t *testing.T) {
	s := &Step{Kind: ThinStep, Every: time.Minute, Pick: Max}
	var w Window
	if w.Flush() {
		t.Error("an empty window holds a sample")
	}
	if got := w.Offer(s, 1_000, 7); got != Hold || w.Ends(s) != 60_000 {
		t.Fatalf("Offer = %d, Ends = %d", got, w.Ends(s))
	}
	if !w.Flush() || w.Flush() {
		t.Error("Flush does not give the held sample once")
	}
	if got := w.Offer(s, 2_000, 3); got != Hold {
		t.Errorf("after a flush Offer = %d, want Hold", got)
	}
	if got := w.Offer(s, 61_000, 1); got != Rotate {
		t.Errorf("in the next interval Offer = %d, want Rotate", got)
	}
}

func TestBucket(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		ts   []int64
		want []bool
	}{
		{2, []int64{1000, 1000, 1000, 1500, 1500, 3000, 3000, 3000}, []bool{true, true, false, true, false, true, true, false}},
		{0.1, []int64{0, 5_000, 10_000, 19_000, 20_000, 90_000, 90_001}, []bool{true, false, true, false, true, true, false}},
		{1, []int64{5000, 4500, 5500, 6000}, []bool{true, false, false, true}},
		{1, []int64{86_400_000, 1000, 1500, 2000}, []bool{true, false, false, true}}, // a clock a day ahead
	} {
		s := &Step{Kind: LimitStep, Rate: tt.rate}
		var b Bucket
		for i, ts := range tt.ts {
			if got := b.Take(s, ts); got != tt.want[i] {
				t.Errorf("rate %v: sample %d at %d passes: %t, want %t", tt.rate, i, ts, got, tt.want[i])
			}
		}
	}
}

// A bucket lets through the burst and the rate, and wastes at most one token of it.
func TestBucketKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Step{Kind: LimitStep, Rate: rapid.Float64Range(0.01, 50).Draw(t, "rate")}
		var b Bucket
		ts, passed := int64(1_000_000), 0
		start := ts
		n := rapid.IntRange(1, 200).Draw(t, "n")
		for range n {
			ts += rapid.Int64Range(0, 500).Draw(t, "gap")
			if b.Take(s, ts) {
				passed++
			}
		}
		if most := max(s.Rate, 1) + float64(ts-start)/1000*s.Rate; float64(passed) > most+1e-6 {
			t.Fatalf("%d of %d passed in %d ms, at most %v may", passed, n, ts-start, most)
		}
	})
}

func TestSplit(t *testing.T) {
	task := Step{Kind: LimitStep, Rate: 12, Per: PerTask}
	series := Step{Kind: LimitStep, Rate: 12, Per: PerSeries}
	if got := task.Split(4).Rate; got != 3 {
		t.Errorf("one of 4 partitions has rate %v, want 3", got)
	}
	if got := series.Split(4).Rate; got != 12 {
		t.Errorf("a rate per series is split into %v", got)
	}
	if got := task.Split(0).Rate; got != 12 {
		t.Errorf("Split(0) gives %v", got)
	}
}

func TestSampleShare(t *testing.T) {
	s := Step{Kind: SampleStep, Share: 1 << 62, Seed: 1}
	passed := 0
	for ts := range int64(40_000) {
		if s.Passes(ts * 10_000) {
			passed++
		}
	}
	if passed < 9_500 || passed > 10_500 {
		t.Errorf("a share of a quarter lets %d of 40,000 samples through", passed)
	}
}

// Instances and reporters of different versions must sample alike.
func TestHashNeverChanges(t *testing.T) {
	f := fnv.New64a()
	f.Write([]byte("t-1\xffflink_x\xffa\xff1\xffb\xff2\xff"))
	labels := labelsOf("a", "1", "b", "2", "host", "h", "job_id", "j", "task_attempt_id", "i", "task_attempt_num", "0", "tm_id", "t")
	if got, want := hashSeries("t-1", "flink_x", labels), mix(f.Sum64()); got != want {
		t.Errorf("hashSeries = %#x, want FNV-1a of the parts, mixed: %#x", got, want)
	}
	if got, want := mix(1), uint64(0xb456bcfc34c2cb2c); got != want {
		t.Errorf("mix(1) = %#x, want %#x", got, want)
	}
	s := Step{Seed: 42, Share: 1 << 63}
	var got []bool
	for ts := int64(1_763_800_000_000); ts < 1_763_800_080_000; ts += 10_000 {
		got = append(got, s.Passes(ts))
	}
	if want := []bool{false, false, true, false, true, true, false, true}; !slices.Equal(got, want) {
		t.Errorf("Passes gives %v, want %v", got, want)
	}
}

func TestStepsDoNotAllocate(t *testing.T) {
	thin, limit := &Step{Kind: ThinStep, Every: time.Second}, &Step{Kind: LimitStep, Rate: 3}
	var w Window
	var b Bucket
	ts := int64(0)
	if n := testing.AllocsPerRun(100, func() {
		ts += 300
		w.Offer(thin, ts, 1)
		b.Take(limit, ts)
		thin.Passes(ts)
	}); n != 0 {
		t.Errorf("%v allocations per sample", n)
	}
}
