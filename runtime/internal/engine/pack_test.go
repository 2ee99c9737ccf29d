package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func ordered(metrics ...string) policy.Ordered {
	return policy.Ordered{Enabled: true, Order: 100, Match: policy.Match{Metrics: metrics}}
}

func TestProcessedRecordsAreRecords(t *testing.T) {
	b := newBench(t, setup{pack: true, team: &policy.Team{Rewrite: map[string]policy.Rewrite{
		"attempt": {Ordered: ordered("*"), Action: "drop-labels", Labels: []string{"task_attempt_num"}},
		"tm":      {Ordered: ordered("*"), Action: "rename-label", From: "tm_id", To: "tm"},
	}}})
	b.send(strings.Replace(rec(0, "m", "meter", `{"s":0,"a":2,"c":1,"r":0.10},{"s":1,"a":2,"c":9007199254740993,"r":"NaN"}`),
		`"scope"`, `"rid":"7f","seq":8,"cv":42,"scope"`, 1))
	b.want(fmt.Sprintf(`{"v":1,"torrent_task_id":"t-1","report_timestamp":%d,"rid":"7f","seq":8,"cv":42,"origin":"native",`+
		`"metric":"flink_taskmanager_job_task_m","type":"meter","labels":{"job_name":"pay","tm":"tm-1"},`+
		`"points":[{"s":0,"c":1,"r":0.10},{"s":1,"c":9007199254740993,"r":"NaN"}]}`, at(0)))
}

func TestProcessedRecordNamesItsOrigin(t *testing.T) {
	b := newBench(t, setup{pack: true})
	b.offset = 17
	b.send(rec(0, "m", "counter", `{"c":1}`))
	r := b.sink.records[0]
	got := map[string]string{}
	for _, h := range r.Headers {
		got[h.Key] = string(h.Value)
	}
	if got["sluice-src"] != "in/3/17" || got["sluice-rev"] != "r1" {
		t.Errorf("headers %v", got)
	}
	if want := "t-1\x00flink_taskmanager_job_task_m"; string(r.Key) != want || r.Topic != "processed" || r.Partition != 3 {
		t.Errorf("key %q, topic %s, partition %d", r.Key, r.Topic, r.Partition)
	}
}

func TestALabelThatAPolicyTakesAwayStaysAway(t *testing.T) {
	b := newBench(t, setup{pack: true, team: &policy.Team{Rewrite: map[string]policy.Rewrite{
		"few": {Ordered: ordered("*"), Action: "drop-labels", Labels: []string{"torrent_task_id", "subtask_index", "l?"}},
	}}})
	b.send(rec(0, "m", "counter", `{"s":4,"l":{"l1":"x","k":"y"},"c":1}`))
	processed := string(b.sink.records[0].Value)
	if want := `"labels":{"job_name":"pay","tm_id":"tm-1","torrent_task_id":""},"points":[{"l":{"k":"y"},"c":1}]}`; !strings.HasSuffix(processed, want) {
		t.Fatalf("%s\nwant suffix %s", processed, want)
	}
	second := newBench(t, setup{})
	second.send(processed)
	second.want(fmt.Sprintf(`flink_taskmanager_job_task_m{job_name="pay", k="y", tm_id="tm-1"} 1 @%d`, at(0)))
}

func TestPointsThatAPolicyTearsApart(t *testing.T) {
	b := newBench(t, setup{pack: true, team: &policy.Team{Rewrite: map[string]policy.Rewrite{
		"one": {Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Labels: map[string][]string{"subtask_index": {"1"}}}},
			Action: "rename-metric", To: "other"},
	}}})
	b.send(rec(0, "m", "counter", `{"s":0,"c":1},{"s":1,"c":2},{"s":2,"c":3}`))
	if len(b.sink.records) != 2 {
		t.Fatalf("%d records, want 2", len(b.sink.records))
	}
	if first := string(b.sink.records[0].Value); !strings.HasSuffix(first, `"points":[{"s":0,"c":1},{"s":2,"c":3}]}`) {
		t.Error(first)
	}
	if n := b.by(ledger.InFlight); n != 3 {
		t.Errorf("in flight %d, want 3", n)
	}
}

func TestScaleLeavesCountsExact(t *testing.T) {
	b := newBench(t, setup{pack: true, team: &policy.Team{Rewrite: map[string]policy.Rewrite{
		"ms": {Ordered: ordered("*"), Action: "scale", Factor: 0.001},
	}}})
	b.send(rec(0, "g", "gauge", `{"v":1500}`), rec(0, "c", "counter", `{"c":1500}`))
	for i, want := range []string{`[{"v":1.5}]}`, `[{"c":1500}]}`} {
		if got := string(b.sink.records[i].Value); !strings.HasSuffix(got, want) {
			t.Errorf("%s\nwant suffix %s", got, want)
		}
	}
}

func TestEndsGoThroughBothHops(t *testing.T) {
	first := newBench(t, setup{pack: true, team: &policy.Team{}})
	end := strings.Replace(rec(20, "m", "counter", `{"s":0}`), `"scope"`, `"end":true,"scope"`, 1)
	first.send(rec(0, "m", "counter", `{"s":0,"c":1},{"s":1,"c":1}`), end)
	second := newBench(t, setup{})
	for _, r := range first.sink.records {
		second.send(string(r.Value))
	}
	got := second.sink.written
	if want := fmt.Sprintf(` stale @%d`, at(20)); len(got) != 3 || !strings.HasSuffix(got[2], want) || !strings.Contains(got[2], `subtask_index="0"`) {
		t.Errorf("written %v, want the last to be subtask 0 with suffix %s", got, want)
	}
	if sum := second.book.Sum(); sum.SeriesIn != 1 || second.sink.open() != 1 {
		t.Errorf("series %d, refs %d, want 1 each", sum.SeriesIn, second.sink.open())
	}
	first.balanced()
	second.balanced()
}

func TestAnEndWithoutPointsEndsAllSeriesOfTheMetric(t *testing.T) {
	b := newBench(t, setup{})
	b.send(rec(0, "m", "counter", `{"s":0,"c":1},{"s":1,"c":1}`))
	b.sink.written = nil
	b.send(strings.Replace(rec(20, "m", "counter", ``), `"scope"`, `"end":true,"scope"`, 1))
	if len(b.sink.written) != 2 || b.sink.open() != 0 {
		t.Errorf("written %v, refs %d", b.sink.written, b.sink.open())
	}
	b.balanced()
}

// largeError is what a lane says of a record that the broker would not take.
type largeError struct{}

func (largeError) Error() string  { return "1200000 bytes are more than 1000012" }
func (largeError) TooLarge() bool { return true }

func TestAProcessedRecordThatIsTooLargeIsADeadLetter(t *testing.T) {
	b := newBench(t, setup{pack: true})
	b.sink.failWith = largeError{}
	b.send(rec(0, "m", "counter", `{"s":0,"c":1},{"s":1,"c":1}`))
	b.sink.failWith = nil
	b.send(rec(0, "m", "counter", `{"s":0,"c":2},{"s":1,"c":2}`))
	b.flush()
	if out, letters := b.by(ledger.Out), b.by(ledger.DeadLetter); out != 2 || letters != 1 || len(b.letters.records) != 1 {
		t.Errorf("out %d, dead letters %d (%d written), want 2, 1 (1): the neighbour flows", out, letters, len(b.letters.records))
	}
	b.balanced()
}

func TestARecordOfTenThousandPoints(t *testing.T) {
	var points []string
	for i := range 10_000 {
		points = append(points, fmt.Sprintf(`{"s":%d,"c":%d}`, i, i))
	}
	b := newBench(t, setup{pack: true})
	for ts := range 3 {
		b.send(rec(10*ts, "m", "counter", strings.Join(points, ",")))
	}
	if n := b.by(ledger.InFlight); n != 30_000 || len(b.sink.records) != 3 {
		t.Errorf("in flight %d in %d records, want 30000 in 3", n, len(b.sink.records))
	}
	b.balanced()
}

func TestManyEndsAreSeveralRecords(t *testing.T) {
	b := newBench(t, setup{pack: true})
	for from := 0; from < 12_000; from += 4000 {
		var points []string
		for i := range 4000 {
			points = append(points, fmt.Sprintf(`{"s":%d,"c":1}`, from+i))
		}
		b.send(rec(0, "m", "counter", strings.Join(points, ",")))
	}
	b.sink.records = nil
	b.send(strings.Replace(rec(20, "m", "counter", ``), `"scope"`, `"end":true,"scope"`, 1))
	if len(b.sink.records) != 12 || b.book.Sum().SeriesIn != 0 {
		t.Errorf("%d records, %d series left, want 12 and none", len(b.sink.records), b.book.Sum().SeriesIn)
	}
	b.balanced()
}
