package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// bounded is a team with one budget per task.
func bounded(change func(*policy.Budget)) *policy.Team {
	b := policy.Budget{
		Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}}, Per: "task", Series: 2, Overflow: "merge",
	}
	if change != nil {
		change(&b)
	}
	return &policy.Team{Budget: map[string]policy.Budget{"small": b}}
}

// counter makes a record of one counter.
func counter(task string, ts int, user string, count int) string {
	return fmt.Sprintf(`{"torrent_task_id":%q,"report_timestamp":%d,"metric":"calls","type":"counter","value":%d,"labels":{"user":%q}}`,
		task, at(ts), count, user)
}

func (b *bench) usage() string {
	var out []string
	for _, s := range b.engine.opts.Budgets.Status(b.now.UnixMilli(), b.engine.gen.Load().rules) {
		out = append(out, fmt.Sprintf("%s: %d series of %d keys, %d refused, worst %v", s.Budget, s.Series, s.Keys, s.Refused, s.Worst))
	}
	return strings.Join(out, "; ")
}

func TestABudgetMergesWhatItHasNoRoomFor(t *testing.T) {
	b := newBench(t, setup{team: bounded(nil)})
	for ts := 0; ts < 75; ts += 10 {
		b.tick(ts+1, counter("t-1", ts, "a", ts), counter("t-1", ts, "b", ts), counter("t-1", ts, "c", 10+ts), counter("t-1", ts, "d", 7), counter("t-2", ts, "a", 1))
	}
	b.flush()
	got := slices.DeleteFunc(slices.Clone(b.sink.written), func(s string) bool { return !strings.Contains(s, "overflow") })
	want := []string{fmt.Sprintf(`calls{sluice_overflow="platform/small", torrent_task_id="t-1"} 27 @%d`, at(20))} // the end of the minute
	if !slices.Equal(got, want) {
		t.Errorf("overflow %q, want %q", got, want)
	}
	for who, n := range map[string]int{`torrent_task_id="t-1", user="a"`: 8, `user="b"`: 8, `user="c"`: 0, `user="d"`: 0, `torrent_task_id="t-2", user="a"`: 8} {
		if got := strings.Count(strings.Join(b.sink.written, "\n"), who); got != n {
			t.Errorf("%s came out %d times, want %d", who, got, n)
		}
	}
	b.balanced()
	if out, merged := b.by(ledger.Out), b.by(ledger.Merged); out != 24 || merged != 16 {
		t.Errorf("out %d, merged %d", out, merged)
	}
	if got := b.usage(); got != "platform/small: 3 series of 2 keys, 2 refused, worst [{t-1 2 2} {t-2 1 2}]" {
		t.Error(got)
	}
}

func TestABudgetDrops(t *testing.T) {
	b := newBench(t, setup{team: bounded(func(b *policy.Budget) { b.Overflow = "drop" })})
	b.tick(1, counter("t-1", 0, "a", 1), counter("t-1", 0, "b", 1), counter("t-1", 0, "c", 1))
	sum := b.book.Sum()
	if n := sum.Rules[ledger.Rule{ID: "platform/small", Disposition: ledger.OverBudget}]; n != 1 || len(b.sink.written) != 2 {
		t.Errorf("%v, written %v", sum.Rules, b.sink.written)
	}
	b.balanced()
}

func TestASeriesKeepsItsPlaceWhileItLives(t *testing.T) {
	b := newBench(t, setup{team: bounded(nil)})
	live := func(ts int, users ...string) {
		t.Helper()
		var records []string
		for _, u := range users {
			records = append(records, counter("t-1", ts, u, ts))
		}
		b.sink.written = nil
		b.tick(ts, records...)
		b.balanced()
	}
	out := func() (users []string) {
		for _, s := range b.sink.written {
			if _, u, ok := strings.Cut(s, `user="`); ok && !strings.Contains(s, "stale") {
				users = append(users, u[:1])
			}
		}
		return users
	}
	live(0, "a", "b", "c")
	live(10, "c", "b", "a")
	if got := out(); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%v went out, want those that were first", got)
	}
	// A lower bound takes nothing away, a higher one lets in who was refused.
	b.engine.Apply(b.generation("r2", bounded(func(b *policy.Budget) { b.Series = 1 })))
	if live(20, "a", "b", "c"); len(out()) != 2 {
		t.Errorf("%v went out after the bound was lowered", out())
	}
	b.engine.Apply(b.generation("r3", bounded(func(b *policy.Budget) { b.Series = 3 })))
	if live(30, "a", "b", "c", "d"); !slices.Equal(out(), []string{"a", "b", "c"}) {
		t.Errorf("%v went out after the bound was raised", out())
	}
	// Who falls silent makes room for the next new one.
	for ts := 40; ts <= 400; ts += 20 {
		live(ts, "a", "b", "d")
	}
	if live(410, "e", "d"); !slices.Equal(out(), []string{"e"}) {
		t.Errorf("%v went out, want the new one", out())
	}
	b.worker.Close()
	if got := b.usage(); !strings.Contains(got, " 0 series") {
		t.Errorf("after close: %s", got)
	}
}

func TestASeriesThatHadToMakeRoomComesBack(t *testing.T) {
	b := newBench(t, setup{team: bounded(nil)})
	b.tick(0, counter("t-1", 0, "a", 1), counter("t-1", 0, "b", 1))
	b.worker.cache.limit = 0
	b.tick(10) // everything leaves the cache
	b.worker.cache.limit = 1 << 30
	if got := b.usage(); !strings.Contains(got, " 2 series") {
		t.Fatal(got)
	}
	b.sink.written = nil
	b.tick(20, counter("t-1", 20, "c", 1), counter("t-1", 20, "a", 1))
	if len(b.sink.written) != 1 || !strings.Contains(b.sink.written[0], `user="a"`) {
		t.Errorf("%v", b.sink.written)
	}
	b.sink.written = nil
	b.tick(400, counter("t-1", 400, "d", 1)) // b has not come back in five minutes
	if len(b.sink.written) == 0 || !strings.Contains(strings.Join(b.sink.written, " "), `user="d"`) {
		t.Errorf("%v", b.sink.written)
	}
}

func TestGrowthAndRate(t *testing.T) {
	b := newBench(t, setup{team: bounded(func(b *policy.Budget) {
		b.Series, b.SamplesPerSecond, b.Growth = 0, 0.5, &policy.Growth{Series: 1, Within: "1m"}
	})})
	// While it learns, everything comes in; each sample takes from the rate.
	b.tick(0, counter("t-1", 0, "a", 1), counter("t-1", 2, "b", 1), counter("t-1", 3, "c", 1))
	if out, over := len(b.sink.written), b.by(ledger.OverBudget); out != 2 || over != 1 {
		t.Errorf("%d went out, %d were over", out, over)
	}
	b.tick(100, counter("t-1", 100, "d", 1), counter("t-1", 102, "e", 1))
	if merged := b.by(ledger.Merged); merged != 1 {
		t.Errorf("merged %d, want 1: one new series a minute", merged)
	}
	b.tick(180, counter("t-1", 180, "f", 1))
	if merged := b.by(ledger.Merged); merged != 1 {
		t.Errorf("merged %d, want 1: a minute later there is room", merged)
	}
	b.balanced()
}

// A bound that partitions share is divided by the part that the instance owns;
// what lives on one partition is not.
func TestInstancesShareABudget(t *testing.T) {
	for _, c := range []struct {
		per, key string
		want     int
	}{{"task", "task-metric", 2}, {"task", "task", 4}, {"metric", "task-metric", 4}, {"metric", "process", 2}, {"team", "task", 2}} {
		team := bounded(func(b *policy.Budget) { b.Series, b.Per, b.Overflow = 4, c.per, "drop" })
		team.Stream = map[string]policy.Stream{"in": {Topics: []string{"in"}, Key: c.key}}
		b := newBench(t, setup{team: team})
		w, err := b.engine.Open(Partition{Topic: "in", ID: 5, Count: 4}) // with the bench's own, two of four
		if err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(time.Minute)
		for i := range 6 {
			m := Message{Value: []byte(counter("t-1", 1, fmt.Sprint(i), 1)), Offset: int64(i)}
			if err := w.Process(t.Context(), []Message{m}); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(b.sink.written); got != c.want {
			t.Errorf("per %s, keyed by %s: %d series went out, want %d", c.per, c.key, got, c.want)
		}
	}
}

// All that match apply, and all of them or none is charged.
func TestTheTightestBudgetDecides(t *testing.T) {
	team := bounded(func(b *policy.Budget) { b.Series = 3 })
	tight := team.Budget["small"]
	tight.Per, tight.Series, tight.Overflow, tight.Order = "team", 1, "drop", 1
	team.Budget["tight"] = tight
	b := newBench(t, setup{team: team})
	b.tick(0, counter("t-1", 0, "a", 1), counter("t-1", 0, "b", 1), counter("t-1", 0, "c", 1))
	want := "platform/small: 1 series of 1 keys, 0 refused, worst [{t-1 1 3}]; platform/tight: 1 series of 1 keys, 2 refused, worst [{ 1 1}]"
	if got := b.usage(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// What came in has gone out, was merged or was dropped, whatever leaves the cache
// when, and the overflow has the true total.
func TestNothingIsLostByABudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, setup{team: bounded(func(b *policy.Budget) {
			b.Series = rapid.IntRange(1, 4).Draw(rt, "series")
			b.Per = rapid.SampledFrom([]string{"task", "metric", "team"}).Draw(rt, "per")
		})})
		counts, merged := map[string]int{}, map[string]int{}
		clock := 0
		for range rapid.IntRange(1, 60).Draw(rt, "batches") {
			clock += rapid.IntRange(1, 20).Draw(rt, "step")
			var records []string
			var keys []string
			for range rapid.IntRange(0, 4).Draw(rt, "records") {
				task, user := fmt.Sprint("t-", rapid.IntRange(1, 2).Draw(rt, "task")), fmt.Sprint(rapid.IntRange(0, 6).Draw(rt, "user"))
				if slices.Contains(keys, task+" "+user) {
					continue
				}
				counts[task+" "+user] += rapid.IntRange(0, 5).Draw(rt, "grown")
				keys = append(keys, task+" "+user)
				records = append(records, counter(task, clock, user, counts[task+" "+user]))
			}
			if rapid.IntRange(0, 9).Draw(rt, "room") == 9 {
				b.worker.cache.limit = int64(rapid.IntRange(3000, 20000).Draw(rt, "cap")) // also of cells: half of it
			}
			for i, r := range records {
				before := b.by(ledger.Merged)
				b.tick(clock, r)
				if b.by(ledger.Merged) > before {
					merged[keys[i]] = counts[keys[i]]
				}
			}
			b.balanced()
			b.flush()
		}
		sum := b.book.Sum()
		if sum.In != sum.By[ledger.Out]+sum.By[ledger.Merged]+sum.By[ledger.Shed] {
			rt.Fatalf("in %d, by %v", sum.In, sum.By)
		}
		if sum.By[ledger.Shed] > 0 {
			return // no memory to tell members apart: said in the ledger
		}
		b.tick(clock + 200)
		b.tick(clock + 400)
		total := map[string]int{}
		for key, n := range merged {
			total[key[:3]] += n
		}
		for task, want := range total {
			got := ""
			for _, s := range b.sink.written {
				if strings.Contains(s, "overflow") && strings.Contains(s, task) && !strings.Contains(s, "stale") {
					got = strings.Fields(strings.SplitAfter(s, "} ")[1])[0]
				}
			}
			if got != fmt.Sprint(want) {
				rt.Fatalf("the overflow of %s is %s, want %d:\n%s", task, got, want, strings.Join(b.sink.written, "\n"))
			}
		}
	})
}

// Names of metrics explode: the overflow has a bound, too.
func TestAnOverflowIsBounded(t *testing.T) {
	b := newBench(t, setup{team: bounded(nil)})
	var records []string
	for i := range maxOverflow + 500 {
		records = append(records, strings.Replace(counter("t-1", 1, "a", 1), "calls", fmt.Sprint("calls_", i), 1))
	}
	b.tick(1, records...)
	b.balanced()
	if merged, over := b.by(ledger.Merged), b.by(ledger.OverBudget); merged != maxOverflow || over != 498 {
		t.Errorf("merged %d, over budget %d", merged, over)
	}
}

// A label explodes: a million new series in a minute on one task.
func TestABudgetUnderAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("a million series")
	}
	const million, size, limit = 1_000_000, 10_000, 128 << 20
	b := newBench(t, setup{team: bounded(func(b *policy.Budget) { b.Series = 100 }), cache: limit})
	b.engine.opts.Samples = &null{}
	w, err := b.engine.Open(Partition{Topic: "in", Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	made := &tail{}
	w.lane = made
	before := heap()
	var peak int64
	total, offset := 0, int64(0)
	batch := make([]Message, 0, size+10)
	add := func(r string) {
		batch = append(batch, Message{Value: []byte(r), Offset: offset})
		offset++
	}
	for n := 0; n < million; n += size {
		batch = batch[:0]
		ts := n * 60 / million
		b.now = time.UnixMilli(at(ts))
		for i := range size {
			add(counter("t-1", ts, fmt.Sprint("user-", n+i), i%7))
			if n+i >= 100 {
				total += i % 7
			}
		}
		for i := range 10 {
			add(counter("t-2", ts, fmt.Sprint(i), n+i)) // another task, as ever
		}
		if err := w.Process(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.cache.size > limit {
			t.Fatalf("%d bytes in the cache, which may have %d", w.cache.size, limit)
		}
		if n%(20*size) == 0 {
			peak = max(peak, heap()-before)
		}
	}
	peak = max(peak, heap()-before)
	if peak > limit {
		t.Errorf("the heap grew by %d MB, the cap is %d MB", peak>>20, limit>>20)
	}
	t.Logf("heap %d MB, accounted %d MB, of it cells %d MB, evicted %v", peak>>20, w.cache.size>>20, w.cells.size>>20, b.book.Sum().Evicted)
	b.now = time.UnixMilli(at(200))
	if err := w.Process(t.Context(), []Message{{Value: []byte(counter("t-2", 200, "0", million)), Offset: offset}}); err != nil {
		t.Fatal(err)
	}
	if got := made.last[`calls{sluice_overflow="platform/small", torrent_task_id="t-1"}`]; got != float64(total) {
		t.Errorf("the overflow is %v, want %d", got, total)
	}
	if n := made.samples["t-2"]; n != 10*million/size+1 {
		t.Errorf("%d samples of the other task went out, want %d", n, 10*million/size+1)
	}
	if n := len(made.series["t-1"]); n != 100+1 {
		t.Errorf("%d series of the task went out, want 100 and the overflow", n)
	}
	if n := len(made.series["t-2"]); n != 10 {
		t.Errorf("%d series of the other task went out, want 10", n)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	sum := b.book.Sum()
	want := map[ledger.Disposition]int64{ledger.Out: 100 + 10*million/size + 1, ledger.Merged: million - 100}
	got := map[ledger.Disposition]int64{}
	for d, n := range sum.By {
		if n != 0 {
			got[ledger.Disposition(d)] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || sum.Imbalance() != 0 {
		t.Errorf("imbalance %d\n%s", sum.Imbalance(), diff)
	}
	runtime.KeepAlive(w)
}

// tail is a lane that remembers the last value of each overflow and which series
// of a task there were.
type tail struct {
	null
	bound   []string
	task    []string
	last    map[string]float64
	samples map[string]int
	series  map[string]map[string]bool
}

func (l *tail) Bind(s Series) Ref {
	if l.last == nil {
		l.last, l.samples, l.series = map[string]float64{}, map[string]int{}, map[string]map[string]bool{}
	}
	task := s.Labels.Get("torrent_task_id")
	l.bound, l.task = append(l.bound, s.Name+s.Labels.String()), append(l.task, task)
	if l.series[task] == nil {
		l.series[task] = map[string]bool{}
	}
	l.series[task][s.Name+s.Labels.String()] = true
	return Ref(len(l.bound) - 1)
}

func (l *tail) Write(_ context.Context, samples []Sample) error {
	for _, s := range samples {
		if IsStale(s.Value) {
			continue
		}
		l.samples[l.task[s.Ref]]++
		if strings.Contains(l.bound[s.Ref], program.OverflowLabel) {
			l.last[l.bound[s.Ref]] = s.Value
		}
	}
	return nil
}

// Workers share budgets: together they let in no more than the bound.
func TestWorkersShareABudget(t *testing.T) {
	b := newBench(t, setup{team: bounded(func(b *policy.Budget) { b.Series, b.Per, b.Overflow = 50, "team", "drop" })})
	b.engine.opts.Samples = &null{}
	var done sync.WaitGroup
	for p := range int32(4) {
		w, err := b.engine.Open(Partition{Topic: "in", ID: p, Count: 4})
		if err != nil {
			t.Fatal(err)
		}
		w.lane = &null{}
		done.Go(func() {
			for i := range 40 {
				m := Message{Value: []byte(counter(fmt.Sprint("t-", p), 1, fmt.Sprint(i), 1)), Offset: int64(i)}
				if err := w.Process(t.Context(), []Message{m}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	if got, want := b.usage(), "platform/small: 50 series of 1 keys, 110 refused, worst [{ 50 50}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.balanced()
}
