package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func thin(pick string) setup {
	return setup{team: &policy.Team{Control: map[string]policy.Control{
		"thin": {Ordered: ordered("*"), Tier: "tenant", Action: "thin", Every: "1m", Pick: pick},
	}}}
}

func TestThinHoldsThePickOfItsInterval(t *testing.T) {
	for pick, want := range map[string]struct{ value, second int }{
		"last": {2, 30}, "max": {9, 20}, "min": {1, 10}, "first": {5, 0},
	} {
		t.Run(pick, func(t *testing.T) {
			b := newBench(t, thin(pick))
			start := 20 // epoch is 20 s before a full minute
			for i, v := range []int{5, 1, 9, 2} {
				b.send(rec(start+10*i, "m", "gauge", fmt.Sprintf(`{"v":%d}`, v)))
			}
			b.balanced()
			b.send(rec(start+60, "m", "gauge", `{"v":7}`))
			line := func(v, s int) string {
				return fmt.Sprintf(`flink_taskmanager_job_task_m{job_name="pay", tm_id="tm-1", torrent_task_id="t-1"} %d @%d`, v, at(start+s))
			}
			if pick == "first" {
				b.want(line(want.value, want.second), line(7, 60))
				return
			}
			b.want(line(want.value, want.second))
			if n := b.by(ledger.Held); n != 1 {
				t.Errorf("held %d, want 1", n)
			}
			if err := b.worker.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.want(line(7, 60))
			if held, thinned := b.by(ledger.Held), b.by(ledger.Thinned); held != 0 || thinned != 3 {
				t.Errorf("held %d, thinned %d, want 0 and 3", held, thinned)
			}
		})
	}
}

func TestAHeldSampleGoesOutWhenItsSeriesFallsSilent(t *testing.T) {
	b := newBench(t, thin("last"))
	b.send(rec(20, "m", "gauge", `{"v":5}`))
	b.want()
	b.now = b.now.Add(3 * time.Minute)
	b.send()
	if len(b.sink.written) != 1 || b.by(ledger.Held) != 0 {
		t.Errorf("written %v, held %d", b.sink.written, b.by(ledger.Held))
	}
	b.balanced()
}

func TestHeldSamplesSurviveInProcessedRecords(t *testing.T) {
	s := thin("last")
	s.pack = true
	b := newBench(t, s)
	b.send(rec(20, "h", "histogram", `{"s":1,"c":4,"n":4,"min":1,"max":9,"mean":5,"sd":2,"q":{"0.5":4}}`), rec(80, "h", "histogram", `{"s":1,"c":5,"n":4,"min":1,"max":9,"mean":5,"sd":2,"q":{"0.5":4}}`))
	b.want(fmt.Sprintf(`{"v":1,"torrent_task_id":"t-1","report_timestamp":%d,"origin":"native","metric":"flink_taskmanager_job_task_h","type":"histogram",`+
		`"labels":{"job_name":"pay","tm_id":"tm-1"},"points":[{"s":1,"c":4,"n":4,"min":1,"max":9,"mean":5,"sd":2,"q":{"0.5":4}}]}`, at(20)))
}

func TestLimitAndSampleAreCounted(t *testing.T) {
	b := newBench(t, setup{team: &policy.Team{Control: map[string]policy.Control{
		"limit":  {Ordered: ordered("*_a", "*_b"), Tier: "tenant", Action: "limit", Rate: 2, Per: "rule"},
		"sample": {Ordered: ordered("*_c"), Tier: "tenant", Action: "sample", Rate: 0.5, By: "record"},
	}}})
	for range 10 {
		b.send(rec(0, "a", "gauge", `{"v":1}`), rec(0, "b", "gauge", `{"v":1}`))
	}
	if n := b.by(ledger.Limited); n != 18 {
		t.Errorf("limited %d of 20 at one instant, want 18: both series share the rule's bucket", n)
	}
	for ts := range 1000 {
		b.send(rec(ts, "c", "gauge", `{"v":1}`))
	}
	if n := b.by(ledger.Sampled); n < 400 || n > 600 {
		t.Errorf("sampled away %d of 1000 at rate 0.5", n)
	}
	b.balanced()
}

func TestALimitKeepsItsCountOverAGeneration(t *testing.T) {
	limit := func(extra bool) *policy.Team {
		team := &policy.Team{Control: map[string]policy.Control{
			"z-limit": {Ordered: ordered("*_a"), Tier: "tenant", Action: "limit", Rate: 2, Per: "task"},
		}}
		if extra { // comes first: every index moves
			team.Control["a-keep"] = policy.Control{Ordered: ordered("*_b"), Tier: "tenant", Action: "keep"}
		}
		return team
	}
	b := newBench(t, setup{team: limit(false)})
	send := func() {
		for range 5 {
			b.send(rec(0, "a", "gauge", `{"v":1}`))
		}
	}
	send()
	b.engine.Apply(b.generation("r2", limit(true)))
	send()
	if n := b.by(ledger.Limited); n != 8 {
		t.Errorf("limited %d of 10 at one instant, want 8", n)
	}
	if n := len(b.worker.buckets); n != 1 {
		t.Errorf("%d buckets, want 1", n)
	}
	b.now = b.now.Add(time.Hour)
	b.send()
	if n := len(b.worker.buckets); n != 0 {
		t.Errorf("%d buckets of tasks that are gone", n)
	}
}
