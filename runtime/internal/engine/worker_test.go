package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func TestEveryKindBecomesItsSeries(t *testing.T) {
	b := newBench(t, setup{})
	b.send(
		rec(0, "numRecordsIn", "counter", `{"s":0,"c":9007199254740993}`),
		rec(0, "busy", "gauge", `{"s":0,"v":1.5},{"s":1,"b":true},{"s":2,"v":"NaN"}`),
		rec(0, "GC_Time", "gauge", `{"v":7}`),
		rec(0, "rate", "meter", `{"s":0,"c":10,"r":0.5}`),
		rec(0, "latency", "histogram", `{"s":0,"c":4,"n":4,"min":1,"max":9,"mean":5,"sd":2,"q":{"0.5":4,"0.99":9}}`),
		rec(0, "state", "gauge", `{"s":0,"t":"RUNNING"}`),
		rec(0, "watermark", "gauge", `{"s":0,"v":-9223372036854775808}`),
	)
	p := "flink_taskmanager_job_task_"
	l := func(extra string) string {
		return `{job_name="pay", ` + extra + `tm_id="tm-1", torrent_task_id="t-1"}`
	}
	s0 := l(`subtask_index="0", `)
	now := fmt.Sprint(" @", at(0))
	b.want(
		p+"numRecordsIn"+s0+" 9.007199254740992e+15"+now,
		p+"busy"+s0+" 1.5"+now,
		p+"busy"+l(`subtask_index="1", `)+" 1"+now,
		p+"busy"+l(`subtask_index="2", `)+" NaN"+now,
		p+"GC_Time"+l("")+" 7"+now,
		p+"rate"+s0+" 0.5"+now,
		p+"rate_count"+s0+" 10"+now,
		p+"latency_count"+s0+" 4"+now,
		p+"latency_min"+s0+" 1"+now, p+"latency_max"+s0+" 9"+now,
		p+"latency_mean"+s0+" 5"+now, p+"latency_stddev"+s0+" 2"+now,
		p+"latency"+l(`quantile="0.5", subtask_index="0", `)+" 4"+now,
		p+"latency"+l(`quantile="0.99", subtask_index="0", `)+" 9"+now,
		p+"state_info"+`{job_name="pay", subtask_index="0", tm_id="tm-1", torrent_task_id="t-1", value="RUNNING"} 1`+now,
	)
	if n := b.by(ledger.NoValue); n != 1 {
		t.Errorf("no-value = %d, want 1: the missing watermark is no sample", n)
	}
}

func TestATextThatChangesEndsTheOldSeries(t *testing.T) {
	b := newBench(t, setup{})
	b.send(rec(0, "state", "gauge", `{"s":0,"t":"A"}`), rec(10, "state", "gauge", `{"s":0,"t":"B"}`))
	got := strings.Join(b.sink.written, "\n")
	for _, want := range []string{`value="A"} stale @` + fmt.Sprint(at(10)), `value="B"} 1 @` + fmt.Sprint(at(10))} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
	if n := b.sink.open(); n != 1 {
		t.Errorf("%d refs are bound, want 1", n)
	}
}

func TestAcknowledgedOnlyAfterFlush(t *testing.T) {
	b := newBench(t, setup{})
	if got := b.worker.Acked(); got != -1 {
		t.Fatalf("acked = %d before the first flush, want -1", got)
	}
	b.flush()
	if got := b.worker.Acked(); got != -1 {
		t.Fatalf("acked = %d after a flush of nothing, want -1", got)
	}
	b.offset = 40
	b.send(rec(0, "m", "counter", `{"c":1}`), `nonsense`)
	if got, pending := b.worker.Acked(), b.worker.Pending(); got != -1 || pending != 2 {
		t.Fatalf("acked = %d, pending = %d, want -1 and 2", got, pending)
	}
	if got := b.by(ledger.InFlight); got != 2 {
		t.Errorf("in flight = %d, want 2", got)
	}
	b.flush()
	if got := b.worker.Acked(); got != 42 {
		t.Errorf("acked = %d, want 42", got)
	}
	if out, letters := b.by(ledger.Out), b.by(ledger.DeadLetter); out != 1 || letters != 1 {
		t.Errorf("out %d, dead letters %d, want 1 and 1", out, letters)
	}
	b.balanced()
}

func TestAFailedSinkLeavesTheOffset(t *testing.T) {
	b := newBench(t, setup{})
	b.sink.failWith = errors.New("sink is gone")
	err := b.worker.Process(t.Context(), []Message{{Value: []byte(rec(0, "m", "counter", `{"c":1}`)), Offset: 7}})
	if !errors.Is(err, b.sink.failWith) {
		t.Fatalf("err = %v, want the sink's", err)
	}
	if got := b.worker.Acked(); got != -1 {
		t.Errorf("acked = %d", got)
	}
	b.worker.Close()
	if sum := b.book.Sum(); sum.In != 0 || sum.Imbalance() != 0 || sum.SeriesIn != 0 {
		t.Errorf("after close: in %d, imbalance %d, series %d; the next owner reads it again", sum.In, sum.Imbalance(), sum.SeriesIn)
	}
}

func TestDeadLettersKeepTheRecordAndSayWhy(t *testing.T) {
	b := newBench(t, setup{})
	future := rec(25*3600, "m", "counter", `{"c":1}`)
	b.send(`{"torrent_task_id":`, future, rec(0, "m", "counter", `{"c":1}`))
	want := []struct{ value, reason string }{{`{"torrent_task_id":`, "not-json"}, {future, "future-timestamp"}}
	for i, r := range b.letters.records {
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		if string(r.Value) != want[i].value || headers["sluice-reason"] != want[i].reason {
			t.Errorf("letter %d: %q, %v", i, r.Value, headers)
		}
		if src := fmt.Sprintf("in/3/%d", i); headers["sluice-src"] != src || headers["sluice-stage"] != "test" || headers["sluice-detail"] == "" {
			t.Errorf("letter %d: headers %v, want src %s, a stage and a detail", i, headers, src)
		}
	}
	if len(b.letters.records) != 2 || len(b.sink.written) != 1 {
		t.Errorf("%d letters, %d samples, want 2 and 1: the neighbour flows", len(b.letters.records), len(b.sink.written))
	}
}

func TestAnOlderAttemptDoesNotDisturb(t *testing.T) {
	b := newBench(t, setup{})
	p := func(ts, attempt, c int) string {
		return rec(ts, "m", "counter", fmt.Sprintf(`{"s":0,"a":%d,"c":%d}`, attempt, c))
	}
	b.send(p(0, 0, 100), p(10, 1, 1), p(11, 0, 101), p(20, 1, 2))
	if n := b.by(ledger.Superseded); n != 1 {
		t.Errorf("superseded = %d, want 1: attempt 0 reported after attempt 1", n)
	}
	b.send(p(70, 0, 5))
	if n := b.by(ledger.Superseded); n != 1 {
		t.Errorf("superseded = %d: a lower attempt long after is a new incarnation", n)
	}
	b.balanced()
}

func TestRoutedSamplesAreNotTaken(t *testing.T) {
	b := newBench(t, setup{takes: func(to []string) bool { return len(to) == 1 && to[0] == "archive" }})
	b.send(rec(0, "m", "counter", `{"c":1}`),
		strings.Replace(rec(0, "n", "counter", `{"c":2}`), `"points"`, `"to":["archive"],"points"`, 1))
	if n := b.by(ledger.NotRouted); n != 1 || len(b.sink.written) != 1 || !strings.Contains(b.sink.written[0], "_n{") {
		t.Errorf("not routed %d, written %v", n, b.sink.written)
	}
}

func TestANewGenerationDecidesAgain(t *testing.T) {
	b := newBench(t, setup{team: &policy.Team{}})
	b.send(rec(0, "m", "counter", `{"c":1}`))
	b.engine.Apply(b.generation("r2", &policy.Team{Control: map[string]policy.Control{
		"no-m": {Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*_m"}}}, Tier: "tenant", Action: "drop"},
	}}))
	b.sink.written = nil
	b.send(rec(10, "m", "counter", `{"c":2}`))
	b.want(`flink_taskmanager_job_task_m{job_name="pay", tm_id="tm-1", torrent_task_id="t-1"} stale @` + fmt.Sprint(at(10)))
	if got := b.book.Sum().Rules[ledger.Rule{ID: "platform/no-m", Disposition: ledger.Dropped}]; got != 1 {
		t.Errorf("rule count = %d, want 1", got)
	}
	if sum := b.book.Sum(); sum.SeriesIn != 1 || sum.SeriesOut != 0 {
		t.Errorf("series in %d, out %d, want 1 and 0", sum.SeriesIn, sum.SeriesOut)
	}
}

func TestSilentSeriesLeave(t *testing.T) {
	b := newBench(t, setup{})
	b.send(rec(0, "m", "counter", `{"s":0,"c":1},{"s":1,"c":1}`))
	for i := 1; i <= 40; i++ { // subtask 1 is gone, subtask 0 goes on for 400 s
		b.now = b.now.Add(10 * time.Second)
		b.send(rec(10*i, "m", "counter", `{"s":0,"c":1}`))
	}
	if sum := b.book.Sum(); sum.SeriesIn != 1 || sum.Evicted[evictedSilent] != 1 {
		t.Errorf("series %d, evicted %v, want 1 and 1 silent", sum.SeriesIn, sum.Evicted)
	}
	if n := b.sink.open(); n != 1 {
		t.Errorf("%d refs bound, want 1", n)
	}
	b.now = b.now.Add(10 * time.Minute)
	b.send()
	if sum := b.book.Sum(); sum.SeriesIn != 0 || len(b.worker.cache.sources) != 0 || len(b.worker.cache.names) != 0 {
		t.Errorf("series %d, sources %d, names %d, want none", sum.SeriesIn, len(b.worker.cache.sources), len(b.worker.cache.names))
	}
	b.balanced()
}

func TestAFloodOfSeriesStaysWithinTheCap(t *testing.T) {
	shapes := map[string]func(i int) string{
		"labels": func(i int) string {
			return strings.Replace(rec(0, "m", "counter", `{"c":1}`), "tm-1", fmt.Sprint("tm-", i), 1)
		},
		"metrics":      func(i int) string { return rec(0, fmt.Sprint("m", i), "counter", `{"c":1}`) },
		"point labels": func(i int) string { return rec(0, "m", "counter", fmt.Sprintf(`{"l":{"k":"%d"},"c":1}`, i)) },
		"texts":        func(i int) string { return rec(0, "m", "gauge", fmt.Sprintf(`{"s":0,"t":"%d"}`, i)) },
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, setup{cache: minCacheBytes})
			for i := range 20_000 {
				b.send(shape(i))
				b.sink.written = nil
			}
			if size := b.worker.cache.size; size > minCacheBytes {
				t.Errorf("cache holds %d bytes, cap %d", size, minCacheBytes)
			}
			if n, in := b.sink.open(), b.book.Sum().SeriesIn; int64(n) != in {
				t.Errorf("%d refs bound for %d series", n, in)
			}
			b.balanced()
		})
	}
}

// More hops leave each of them less room, also those that are full.
func TestTheCapChangesWhileItRuns(t *testing.T) {
	b := newBench(t, setup{cache: 8 * minCacheBytes})
	for i := range 20_000 {
		b.send(rec(0, fmt.Sprint("m", i), "counter", `{"c":1}`))
		b.sink.written = nil
	}
	if size := b.worker.cache.size; size < 2*minCacheBytes {
		t.Fatalf("cache holds %d bytes, too few for this test", size)
	}
	b.engine.Bound(2 * minCacheBytes)
	b.send(rec(0, "m", "counter", `{"c":1}`))
	if size := b.worker.cache.size; size > 2*minCacheBytes {
		t.Errorf("cache holds %d bytes, cap %d", size, 2*minCacheBytes)
	}
	b.balanced()
}

func TestARestartIsOneSeriesInTheBooks(t *testing.T) {
	b := newBench(t, setup{})
	for attempt := range 4 {
		b.now = b.now.Add(time.Minute)
		b.send(rec(60*attempt, "m", "counter", fmt.Sprintf(`{"s":0,"a":%d,"c":1}`, attempt)))
	}
	if sum := b.book.Sum(); sum.SeriesIn != 1 || sum.SeriesOut != 1 {
		t.Errorf("series in %d, out %d, want 1 and 1", sum.SeriesIn, sum.SeriesOut)
	}
	got := b.sink.written
	if n := len(got); n != 7 || !strings.Contains(got[n-1], `task_attempt_num="3"`) || !strings.Contains(got[n-2], `task_attempt_num="2"`) || !strings.Contains(got[n-2], "stale") {
		t.Errorf("written %q: each new attempt ends the series of the one before, where the label is kept", got)
	}
	b.balanced()
}

func TestLongTextsCountAsMemory(t *testing.T) {
	b := newBench(t, setup{cache: minCacheBytes})
	for i := range 20 {
		text := strings.Repeat("x", 200_000)
		b.send(rec(0, fmt.Sprint("m", i), "gauge", fmt.Sprintf(`{"s":0,"t":%q}`, text)))
		if size := b.worker.cache.size; size > minCacheBytes {
			t.Fatalf("cache holds %d bytes, cap %d", size, minCacheBytes)
		}
	}
	if b.book.Sum().Evicted[evictedSpace] == 0 {
		t.Error("4 MB of texts fit into 1 MiB")
	}
	b.balanced()
}

func TestOtherQuantilesLeaveTheRestAlone(t *testing.T) {
	b := newBench(t, setup{})
	hist := func(ts int, q string) string {
		return rec(ts, "h", "histogram", `{"s":0,"c":4,"min":1,"q":{`+q+`}}`)
	}
	b.send(hist(0, `"0.5":1,"0.9":2`), hist(10, `"0.5":1,"0.99":3`))
	var stale []string
	for _, line := range b.sink.written {
		if strings.Contains(line, "stale") {
			stale = append(stale, line)
		}
	}
	if len(stale) == 0 || !slices.ContainsFunc(stale, func(l string) bool { return strings.Contains(l, `quantile="0.9"`) }) {
		t.Errorf("ended %q, want the quantile that is gone", stale)
	}
	if b.sink.open() != 7 { // count, min, max, mean, stddev and two quantiles
		t.Errorf("%d refs bound, want 7", b.sink.open())
	}
}

func TestAnIdleWorkerForgets(t *testing.T) {
	b := newBench(t, setup{})
	b.send(rec(0, "m", "counter", `{"c":1}`))
	b.now = b.now.Add(time.Hour)
	b.sink.written = nil
	b.send()
	if len(b.sink.written) != 1 || !strings.Contains(b.sink.written[0], "stale") || b.book.Sum().SeriesIn != 0 {
		t.Errorf("written %q, series %d", b.sink.written, b.book.Sum().SeriesIn)
	}
}

// flaky fails once, in the middle of a record of many points.
type flaky struct {
	*wire
	fail bool
}

func (f *flaky) Lane(Partition) (Lane, error) { return f, nil }

func (f *flaky) Write(ctx context.Context, s []Sample) error {
	if f.fail {
		return errors.New("sink is gone")
	}
	return f.wire.Write(ctx, s)
}

func TestAnErrorWithinABatchLeavesTheBooksBalanced(t *testing.T) {
	b := newBench(t, setup{})
	sink := &flaky{wire: b.sink, fail: true}
	b.engine.opts.Samples = sink
	for range 3 {
		w, err := b.engine.Open(Partition{Topic: "in", Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		var batch []Message
		for i := range 2500 { // more than are handed over at once
			batch = append(batch, Message{Value: []byte(rec(i, "m", "counter", `{"c":1}`)), Offset: int64(i)})
		}
		if err := w.Process(t.Context(), batch); err == nil {
			t.Fatal("no error")
		}
		w.Close()
		if sum := b.book.Sum(); sum.Imbalance() != 0 || sum.In != 0 {
			t.Errorf("imbalance %d, in %d after a worker that failed, want 0 and 0", sum.Imbalance(), sum.In)
		}
	}
}
