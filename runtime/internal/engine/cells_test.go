package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// summing is a team with one aggregate that drops the subtask.
func summing(change func(*policy.Aggregate)) *policy.Team {
	a := policy.Aggregate{
		Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}},
		Drop:    []string{"subtask_index"}, Gauge: "sum", Window: "10s", Late: "5s", Members: "drop",
	}
	if change != nil {
		change(&a)
	}
	return &policy.Team{Aggregate: map[string]policy.Aggregate{"sum": a}}
}

const (
	cellLabels = `{job_name="pay", tm_id="tm-1", torrent_task_id="t-1"}`
	inScope    = "flink_taskmanager_job_task_"
)

func sample(name, value string, ts int) string {
	return fmt.Sprintf("%s%s%s %s @%d", inScope, name, cellLabels, value, at(ts))
}

// ended is the end of a cell whose last sample was of a time.
func ended(name string, ts int) string {
	return fmt.Sprintf("%s%s%s stale @%d", inScope, name, cellLabels, at(ts)+1)
}

// tick moves the clock to a time, sends records and closes what is over.
func (b *bench) tick(ts int, records ...string) {
	b.t.Helper()
	b.now = time.UnixMilli(at(ts))
	b.send(records...)
}

func TestEveryKindIsAggregated(t *testing.T) {
	b := newBench(t, setup{team: summing(func(a *policy.Aggregate) { a.Quantiles = "max" })})
	b.tick(15,
		rec(1, "in", "counter", `{"s":0,"c":9007199254740993},{"s":1,"c":4}`),
		rec(1, "queue", "gauge", `{"s":0,"v":1.5},{"s":1,"v":2},{"s":2,"v":"NaN"},{"s":3,"t":"RUNNING"},{"s":4,"b":true}`),
		rec(1, "rate", "meter", `{"s":0,"c":10,"r":0.5},{"s":1,"c":5,"r":2}`),
		rec(1, "latency", "histogram", `{"s":0,"c":4,"min":1,"max":9,"mean":5,"sd":2,"q":{"0.5":4,"0.99":9}},{"s":1,"c":12,"min":2,"max":7,"mean":1,"sd":2,"q":{"0.5":6,"0.99":7}}`),
		rec(15, "tick", "counter", `{"c":1}`),
	)
	b.want(
		sample("in", "9.007199254740996e+15", 10),
		sample("queue", "4.5", 10),
		sample("rate", "2.5", 10),
		sample("rate_count", "15", 10),
		sample("latency_count", "16", 10),
		sample("latency_min", "1", 10), sample("latency_max", "9", 10), sample("latency_mean", "2", 10),
		inScope+`latency{job_name="pay", quantile="0.5", tm_id="tm-1", torrent_task_id="t-1"} 6 @`+fmt.Sprint(at(10)),
		inScope+`latency{job_name="pay", quantile="0.99", tm_id="tm-1", torrent_task_id="t-1"} 9 @`+fmt.Sprint(at(10)),
	)
	if n, none := b.by(ledger.Aggregated), b.by(ledger.NoValue); n != 10 || none != 2 {
		t.Errorf("aggregated %d, no value %d; want 10, and 2: NaN and a text", n, none)
	}
	sum := b.book.Sum()
	if sum.Made != 4 || sum.Rules[ledger.Rule{ID: "platform/sum", Disposition: ledger.Aggregated}] != 10 {
		t.Errorf("made %d, by rule %v", sum.Made, sum.Rules)
	}
}

func TestGaugeFunctions(t *testing.T) {
	for f, want := range map[string]string{"sum": "9", "avg": "3", "min": "1", "max": "7", "last": "5", "count": "3"} {
		t.Run(f, func(t *testing.T) {
			b := newBench(t, setup{team: summing(func(a *policy.Aggregate) { a.Gauge = f })})
			b.tick(15,
				rec(1, "g", "gauge", `{"s":0,"v":7},{"s":1,"v":3}`),
				rec(5, "g", "gauge", `{"s":0,"v":1}`),
				rec(6, "g", "gauge", `{"s":2,"v":5}`),
				rec(15, "tick", "counter", `{"c":1}`))
			b.want(sample("g", want, 10))
		})
	}
}

func TestCountersSurviveResetsAndLeavers(t *testing.T) {
	b := newBench(t, setup{team: summing(nil)})
	b.tick(15, rec(1, "in", "counter", `{"s":0,"a":0,"c":100},{"s":1,"a":0,"c":50}`), rec(15, "tick", "counter", `{"c":1}`))
	b.want(sample("in", "150", 10))
	// Subtask 0 begins anew with a higher attempt, and counts past where it was.
	b.tick(25, rec(16, "in", "counter", `{"s":0,"a":1,"c":120},{"s":1,"a":0,"c":51}`), rec(25, "tick", "counter", `{"c":2}`))
	b.want(sample("in", "271", 20), sample("tick", "1", 20))
	// Subtask 1 counts down, and a straggler of the old attempt says nothing.
	b.tick(35, rec(26, "in", "counter", `{"s":1,"a":0,"c":7},{"s":0,"a":0,"c":101}`), rec(35, "tick", "counter", `{"c":3}`))
	b.want(sample("in", "278", 30), sample("tick", "2", 30))
	if n := b.by(ledger.Superseded); n != 1 {
		t.Errorf("superseded %d, want 1", n)
	}
	// Subtask 0 ends; its count stays.
	b.tick(45, strings.Replace(rec(36, "in", "counter", `{"s":0,"a":1}`), `"points"`, `"end":true,"points"`, 1),
		rec(37, "in", "counter", `{"s":1,"a":0,"c":10}`), rec(45, "tick", "counter", `{"c":4}`))
	b.want(sample("in", "281", 40), sample("tick", "3", 40))
}

func TestAReporterThatDriftsLeavesNoDent(t *testing.T) {
	b := newBench(t, setup{team: summing(nil)})
	b.tick(25, rec(1, "g", "gauge", `{"s":0,"v":1},{"s":1,"v":2}`), rec(9, "g", "gauge", `{"s":0,"v":10}`),
		rec(12, "g", "gauge", `{"s":1,"v":3}`), rec(25, "tick", "counter", `{"c":1}`))
	b.want(sample("g", "12", 10), sample("g", "13", 20)) // subtask 0 counts with 10 once more
	b.tick(35, rec(26, "g", "gauge", `{"s":1,"v":4}`), rec(35, "tick", "counter", `{"c":1}`))
	b.want(sample("g", "4", 30), sample("tick", "1", 30)) // and then no more
}

func TestLateSamples(t *testing.T) {
	b := newBench(t, setup{team: summing(nil)})
	b.tick(14, rec(1, "g", "gauge", `{"s":0,"v":1}`), rec(14, "g", "gauge", `{"s":0,"v":5}`), rec(9, "g", "gauge", `{"s":1,"v":2}`),
		rec(3, "g", "gauge", `{"s":0,"v":9}`), rec(14, "g", "gauge", `{"s":0,"v":9}`))
	b.want() // the window waits five seconds
	b.tick(16, rec(16, "g", "gauge", `{"s":0,"v":6}`), rec(8, "g", "gauge", `{"s":2,"v":100}`))
	b.want(sample("g", "3", 10))
	if n := b.by(ledger.Late); n != 3 {
		t.Errorf("late %d, want 3: two that were not newer than their member's newest, one whose window was over", n)
	}
	// A clock that is a day ahead, minus a second, neither closes windows nor silences a member.
	b.tick(17, rec(86400, "g", "gauge", `{"s":0,"v":1}`), rec(17, "g", "gauge", `{"s":0,"v":7}`))
	b.tick(26, rec(26, "tick", "counter", `{"c":1}`))
	b.want(sample("g", "9", 20)) // 7, and 2 from the window before
}

func TestACellEndsWhenItsMembersDo(t *testing.T) {
	end := func(ts int, points string) string {
		return strings.Replace(rec(ts, "g", "gauge", points), `"points"`, `"end":true,"points"`, 1)
	}
	for _, pack := range []bool{false, true} {
		b := newBench(t, setup{team: summing(nil), pack: pack})
		b.tick(15, rec(1, "g", "gauge", `{"s":0,"v":1},{"s":1,"v":2}`), rec(15, "tick", "counter", `{"c":1}`))
		b.tick(25, end(16, `{"s":0},{"s":1}`), rec(25, "tick", "counter", `{"c":1}`))
		head := `{"v":1,"torrent_task_id":"t-1","report_timestamp":` + fmt.Sprint(at(10))
		tail := `,"origin":"native","metric":"` + inScope + `g","type":"gauge","labels":{"job_name":"pay","tm_id":"tm-1","torrent_task_id":"t-1"},"points":[`
		tick := `{"v":1,"torrent_task_id":"t-1","report_timestamp":` + fmt.Sprint(at(20)) + strings.Replace(strings.Replace(tail, "task_g", "task_tick", 1), "gauge", "counter", 1) + `{"c":1}]}`
		if pack {
			b.want(head+tail+`{"v":3}]}`, head[:len(head)-1]+`1,"end":true`+tail+`{}]}`, tick)
		} else {
			b.want(sample("g", "3", 10), ended("g", 10), sample("tick", "1", 20))
		}
	}
}

func TestASilentCellEnds(t *testing.T) {
	b := newBench(t, setup{team: summing(nil)})
	b.tick(15, rec(1, "g", "gauge", `{"s":0,"v":1}`), rec(15, "tick", "counter", `{"c":1}`))
	b.want(sample("g", "1", 10))
	for ts := 30; ts < 330; ts += 10 {
		b.tick(ts, rec(ts, "tick", "counter", `{"c":1}`))
	}
	got := strings.Join(b.sink.written, "\n")
	if !strings.Contains(got, "task_g"+cellLabels+" stale") || strings.Contains(got, "task_tick"+cellLabels+" stale") {
		t.Errorf("g has been silent for five minutes, tick has not:\n%s", got)
	}
	if n := b.sink.open(); n != 1 {
		t.Errorf("%d refs are bound, want 1", n)
	}
}

func TestAnIdlePartitionClosesItsWindows(t *testing.T) {
	b := newBench(t, setup{team: summing(nil)})
	b.tick(1, rec(1, "g", "gauge", `{"s":0,"v":1}`))
	b.tick(60)
	b.want()
	b.tick(140)
	b.want(sample("g", "1", 10))
}

func TestMembersAreKept(t *testing.T) {
	b := newBench(t, setup{team: summing(func(a *policy.Aggregate) {
		a.Members, a.Into, a.Match.Metrics = "keep", "flink_all", []string{"*_g"}
	})})
	b.tick(15, rec(1, "g", "gauge", `{"s":0,"v":1},{"s":1,"v":2}`), rec(15, "tick", "counter", `{"c":1}`))
	own := func(s, v string) string {
		return fmt.Sprintf(`%sg{job_name="pay", subtask_index="%s", tm_id="tm-1", torrent_task_id="t-1"} %s @%d`, inScope, s, v, at(1))
	}
	b.want(own("0", "1"), own("1", "2"), sample("tick", "1", 15), "flink_all"+cellLabels+" 3 @"+fmt.Sprint(at(10)))
	b.flush()
	if out, into := b.by(ledger.Out), b.by(ledger.Aggregated); out != 3 || into != 0 {
		t.Errorf("out %d, aggregated %d; want 3 and 0", out, into)
	}
}

// A rule that has not changed keeps its cells over a generation; one with another
// window begins anew, and skips the windows that it has not seen whole.
func TestCellsMoveOverGenerations(t *testing.T) {
	b := newBench(t, setup{team: summing(nil)})
	b.tick(5, rec(1, "in", "counter", `{"s":0,"c":100}`))
	next := summing(nil)
	next.Control = map[string]policy.Control{"noise": {Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"noise"}}}, Tier: "tenant", Action: "drop"}}
	b.engine.Apply(b.generation("r2", next))
	b.tick(16, rec(6, "in", "counter", `{"s":0,"c":103}`), rec(16, "in", "counter", `{"s":0,"c":104}`))
	b.want(sample("in", "103", 10))
	b.engine.Apply(b.generation("r3", summing(func(a *policy.Aggregate) { a.Window = "5s" })))
	for ts := 17; ts <= 31; ts++ {
		b.tick(ts, rec(ts, "in", "counter", fmt.Sprintf(`{"s":0,"c":%d}`, 90+ts)))
	}
	b.want(sample("in", "104", 20), ended("in", 20))
	b.tick(36, rec(36, "in", "counter", `{"s":0,"c":200}`))
	b.want(sample("in", "5", 30)) // from the first window that is whole
}

// An aggregate that is out of force for a while has gaps, also where a rule of another
// section has its name and stays.
func TestAnAggregateIsNotTakenForARuleOfItsName(t *testing.T) {
	written := map[string][]string{}
	for _, name := range []string{"other", "sum"} {
		with := func(team *policy.Team) *policy.Team {
			team.Control = map[string]policy.Control{name: {
				Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"never"}}}, Tier: "tenant", Action: "drop", Reason: "a reason",
			}}
			return team
		}
		b := newBench(t, setup{team: with(summing(nil))})
		b.tick(1, rec(1, "g", "gauge", `{"s":0,"v":1},{"s":1,"v":2}`))
		b.engine.Apply(b.generation("r2", with(&policy.Team{})))
		b.tick(3, rec(3, "g", "gauge", `{"s":0,"v":7},{"s":1,"v":9}`))
		b.engine.Apply(b.generation("r3", with(summing(nil))))
		b.tick(5, rec(5, "g", "gauge", `{"s":0,"v":3}`))
		b.tick(40, rec(40, "tick", "counter", `{"c":1}`))
		b.balanced()
		written[name] = b.sink.written
	}
	if diff := cmp.Diff(written["other"], written["sum"]); diff != "" {
		t.Error(diff)
	}
}

// Whatever is killed when, what the next owner reads again gives the same windows;
// totals begin at 0 then, and grow by the same.
func TestARestartGivesTheSameWindows(t *testing.T) {
	const reports = 60
	records := make([]string, 0, 2*reports)
	for i := range reports {
		records = append(records,
			rec(5*i, "g", "gauge", fmt.Sprintf(`{"s":0,"v":%d},{"s":1,"v":%d}`, i, 2*i)),
			rec(5*i+1, "in", "counter", fmt.Sprintf(`{"s":0,"a":%d,"c":%d},{"s":1,"c":%d}`, i/25, 1000+i*i, 20_000+i)))
	}
	run := func(killed int) []string {
		b := newBench(t, setup{team: summing(nil)})
		b.engine.opts.Hold = true
		b.now = time.UnixMilli(at(10 * reports))
		for i := 0; i < len(records); i++ {
			if i == killed {
				killed = -1
				b.restart()
				i = int(b.offset)
			}
			b.send(records[i])
			b.flush()
		}
		b.balanced()
		return increases(b.sink.written)
	}
	want := run(-1)
	if len(want) < 50 {
		t.Fatalf("only %d samples", len(want))
	}
	for killed := range records {
		if got := run(killed); !slices.Equal(got, want) {
			t.Fatalf("killed after %d records (-want +got):\n%s", killed, cmp.Diff(want, got))
		}
	}
}

// restart kills the worker and opens another one at the offset that is committed.
func (b *bench) restart() {
	b.t.Helper()
	b.worker.Close()
	b.offset = max(b.worker.Acked(), 0)
	var err error
	if b.worker, err = b.engine.Open(b.worker.partition); err != nil {
		b.t.Fatal(err)
	}
}

// increases are the samples as a store has them, the first of a time: a gauge as
// it is, a counter by what it grew since the one before, from 0 after a reset.
func increases(written []string) (out []string) {
	seen, last := map[string]bool{}, 0.0
	for _, line := range written {
		fields := strings.Fields(line)
		value, at := fields[len(fields)-2], fields[len(fields)-1]
		name := line[:strings.Index(line, "{")]
		if value == "stale" || seen[name+at] {
			continue
		}
		seen[name+at] = true
		if strings.HasSuffix(name, "_in") {
			v, _ := strconv.ParseFloat(value, 64)
			grown := v - last
			if v < last {
				grown = v
			}
			value, last = fmt.Sprint(grown), v
		}
		out = append(out, name+" "+value+" "+at)
	}
	slices.Sort(out)
	return out
}

func TestTheOffsetWaitsForOpenWindows(t *testing.T) {
	for _, hold := range []bool{true, false} {
		b := newBench(t, setup{team: summing(nil)})
		b.engine.opts.Hold = hold
		var got []int64
		for i := range 10 {
			b.tick(5*i+1, rec(5*i, "g", "gauge", `{"s":0,"v":1}`))
			b.flush()
			got = append(got, b.worker.Acked())
		}
		want := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
		if hold {
			want = []int64{0, 0, 0, 0, 0, 0, 0, 2, 2, 4} // two windows before the oldest open one
		}
		if !slices.Equal(got, want) {
			t.Errorf("hold %v: acked %v, want %v", hold, got, want)
		}
	}
}

// Whoever comes back, or is new, in the first minutes after a restart has been
// counted before, as far as anybody can know; later, what is new counts in full.
func TestWhatIsNewAfterARestart(t *testing.T) {
	b := newBench(t, setup{team: summing(nil)})
	b.engine.opts.Hold = true
	send := func(from, to int, points string) {
		for ts := from; ts < to; ts += 5 {
			b.tick(ts, rec(ts, "in", "counter", fmt.Sprintf(points, ts)))
			b.flush()
		}
	}
	send(0, 50, `{"s":0,"c":%d},{"s":1,"c":5000}`)
	b.restart()
	send(int(b.offset)*5, 100, `{"s":0,"c":%d}`)
	send(100, 150, `{"s":0,"c":%d},{"s":1,"c":5001},{"s":2,"c":7}`)
	send(150, 500, `{"s":0,"c":%d},{"s":1,"c":5002},{"s":2,"c":8}`)
	b.tick(506, rec(506, "in", "counter", `{"s":0,"c":506}`))
	// From 40 on, the first window that was not written before: 455 of the first, one each of the others.
	if got, want := b.sink.written[len(b.sink.written)-1], sample("in", "462", 500); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.tick(516, rec(508, "in", "counter", `{"s":3,"c":1000}`), rec(516, "in", "counter", `{"s":0,"c":516}`))
	if got, want := b.sink.written[len(b.sink.written)-1], sample("in", "1473", 510); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Labels that explode where they are kept make cells; those have a bound, and what
// has no room is said in the ledger.
func TestCellsAreBounded(t *testing.T) {
	b := newBench(t, setup{team: summing(nil), cache: 4 << 20})
	var records []string
	for i := range 20_000 {
		records = append(records, strings.Replace(rec(1, "g", "gauge", `{"s":0,"v":1}`), `"tm-1"`, fmt.Sprintf(`"tm-%d"`, i), 1))
	}
	for part := range slices.Chunk(records, 1000) {
		b.tick(1, part...)
		if w := b.worker; w.cells.size > w.cache.limit*6/10 || w.cache.size > w.cache.limit {
			t.Fatalf("%d bytes of cells, %d in all, the cap is %d", w.cells.size, w.cache.size, w.cache.limit)
		}
	}
	b.balanced()
	if shed := b.by(ledger.Shed); shed == 0 || shed+b.by(ledger.Aggregated) != 20_000 {
		t.Errorf("shed %d, aggregated %d", shed, b.by(ledger.Aggregated))
	}
}
