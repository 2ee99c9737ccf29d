package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// shedding is a team that gives a* up at P3, b* at P2 and everything but v* at P1.
func shedding() *policy.Team {
	rule := func(priority string, match, unless string) policy.Degrade {
		r := policy.Degrade{
			Ordered:  policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{match}}},
			Priority: priority, Action: "drop", When: policy.DegradeWhen{Lag: "30s"}, Back: "1m",
		}
		if unless != "" {
			r.Unless = &policy.Match{Metrics: []string{unless}}
		}
		return r
	}
	return &policy.Team{Degrade: map[string]policy.Degrade{
		"first": rule("P3", "*_a*", ""), "second": rule("P2", "*_b*", ""), "last": rule("P1", "*", "*_v*"),
	}}
}

// degraded is a bench whose step can be set.
func degraded(t *testing.T, s setup) (*bench, *ladder.Step) {
	t.Helper()
	b, step := newBench(t, s), new(ladder.Step)
	b.engine.opts.Step = func() ladder.Step { return *step }
	return b, step
}

func TestAStepGivesUpWhatHasItsPriority(t *testing.T) {
	for _, pack := range []bool{false, true} {
		b, step := degraded(t, setup{team: shedding(), pack: pack})
		written := func() string {
			var names []string
			for _, line := range b.sink.written {
				name, _, _ := strings.Cut(strings.TrimPrefix(line, "flink_taskmanager_job_task_"), "{")
				names = append(names, name)
			}
			for _, r := range b.sink.records {
				_, rest, _ := strings.Cut(string(r.Value), `"metric":"flink_taskmanager_job_task_`)
				name, _, _ := strings.Cut(rest, `"`)
				names = append(names, name)
			}
			b.sink.written, b.sink.records = nil, nil
			return strings.Join(names, " ")
		}
		for i, tt := range []struct {
			step ladder.Step
			want string
		}{
			{ladder.P0, "a b c v"}, {ladder.P3, "b c v"}, {ladder.P2, "c v"}, {ladder.P1, "v"},
			{ladder.P2, "c v"}, {ladder.P3, "b c v"}, {ladder.P0, "a b c v"},
		} {
			*step = tt.step
			for _, name := range []string{"a", "b", "c", "v"} {
				b.send(rec(10*i, name, "counter", fmt.Sprintf(`{"c":%d}`, i)))
			}
			if got := written(); got != tt.want {
				t.Errorf("at %v: %q goes out, want %q", tt.step, got, tt.want)
			}
			b.balanced()
		}
		b.flush()
		sum := b.book.Sum()
		for rule, want := range map[string]uint64{"platform/first": 5, "platform/second": 3, "platform/last": 1} {
			if got := sum.Rules[ledger.Rule{ID: rule, Disposition: ledger.Shed}]; got != want {
				t.Errorf("%s gave up %d samples, want %d", rule, got, want)
			}
		}
		if sum.By[ledger.Shed] != 9 || sum.By[ledger.Out] != 19 {
			t.Errorf("by disposition: %v", sum.By)
		}
	}
}

// Time goes on for a series while it is given up: it keeps its place and its clock,
// and its end goes out.
func TestASeriesIsNotForgottenWhileItIsGivenUp(t *testing.T) {
	b, step := degraded(t, setup{team: shedding()})
	b.send(rec(0, "a", "counter", `{"s":0,"c":1}`))
	*step = ladder.P3
	b.send(rec(10, "a", "counter", `{"s":0,"c":2},{"s":1,"c":2}`)) // one that goes out, one that is new
	if bound := b.sink.open(); bound != 2 {
		t.Errorf("%d series are bound, want 2", bound)
	}
	end := strings.Replace(rec(20, "a", "counter", `{"s":0}`), `"labels"`, `"end":true,"labels"`, 1)
	b.send(end)
	line := `flink_taskmanager_job_task_a{job_name="pay", subtask_index="0", tm_id="tm-1", torrent_task_id="t-1"} `
	b.want(line+"1 @"+fmt.Sprint(at(0)), line+"stale @"+fmt.Sprint(at(20)))
}

// A sample that a thin rule holds goes out although its series is given up meanwhile.
func TestAHeldSampleGoesOut(t *testing.T) {
	team := shedding()
	team.Control = map[string]policy.Control{"thin": {
		Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*_a"}}}, Tier: "tenant", Action: "thin", Every: "1m", Pick: "last",
	}}
	b, step := degraded(t, setup{team: team})
	b.send(rec(0, "a", "gauge", `{"v":1}`))
	*step = ladder.P3
	b.send(rec(10, "a", "gauge", `{"v":2}`))
	b.now = b.now.Add(3 * time.Minute)
	b.send()
	b.flush()
	b.want(`flink_taskmanager_job_task_a{job_name="pay", tm_id="tm-1", torrent_task_id="t-1"} 1 @` + fmt.Sprint(at(0)))
	if got := b.by(ledger.Shed); got != 1 {
		t.Errorf("%d samples given up, want 1", got)
	}
}

// Whatever the steps, generations and failures are, every sample has one disposition.
func TestTheLedgerBalancesUnderChangingSteps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b, step := degraded(t, setup{team: shedding(), pack: rapid.Bool().Draw(rt, "pack")})
		want := int64(0)
		for i := range rapid.IntRange(1, 40).Draw(rt, "batches") {
			*step = ladder.Step(rapid.IntRange(0, 3).Draw(rt, "step"))
			if rapid.IntRange(0, 9).Draw(rt, "reload") == 0 {
				b.engine.Apply(b.generation(fmt.Sprint("r", i), shedding()))
			}
			for range rapid.IntRange(0, 5).Draw(rt, "records") {
				name := rapid.SampledFrom([]string{"a", "b", "c", "v"}).Draw(rt, "metric")
				b.send(rec(i, name, "gauge", `{"s":0,"v":1},{"s":1,"v":1},{"s":2,"v":null}`))
				want += 3
			}
			if rapid.Bool().Draw(rt, "flush") {
				b.flush()
			}
			if sum := b.book.Sum(); sum.Imbalance() != 0 || sum.In != want {
				rt.Fatalf("imbalance %d, in %d of %d: %v", sum.Imbalance(), sum.In, want, sum.By)
			}
		}
	})
}

func TestSheddingAllocatesNothing(t *testing.T) {
	for _, records := range []bool{false, true} {
		b, step := degraded(t, setup{team: shedding(), pack: records})
		batch := workload(20)
		b.engine.opts.Samples, b.engine.opts.Records = &null{}, nil
		if records {
			b.engine.opts.Samples, b.engine.opts.Records = nil, &null{}
		}
		w, err := b.engine.Open(Partition{Topic: "in", Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		pass := func() {
			*step = (*step + 1) % ladder.Steps
			if err := errors.Join(w.Process(t.Context(), batch), w.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		for range 8 {
			pass()
		}
		if n := testing.AllocsPerRun(20, pass); n > 0 {
			t.Errorf("records=%v: %g allocations for %d records, want 0", records, n, len(batch))
		}
		if b.by(ledger.Shed) == 0 {
			t.Error("nothing was given up")
		}
	}
}

func TestLagIsTheMedianAndGrowsWhileOutputsAreWaitedFor(t *testing.T) {
	b, _ := degraded(t, setup{})
	report := func(task string, age time.Duration) string {
		return fmt.Sprintf(`{"torrent_task_id":%q,"report_timestamp":%d,"metric":"m","type":"gauge","value":1}`,
			task, b.now.Add(-age).UnixMilli())
	}
	want := func(what string, lag time.Duration) {
		t.Helper()
		if got := b.engine.Lag(); got != lag {
			t.Errorf("%s: lag %v, want %v", what, got, lag)
		}
	}
	want("at first", 0)
	b.send(report("t-1", 5*time.Second), report("t-2", 4*time.Second), report("t-3", time.Hour))
	want("two tasks in time, one far behind", 5*time.Second)
	b.now = b.now.Add(7 * time.Second)
	want("7 s later, nothing is acknowledged", 12*time.Second)
	b.send(report("t-1", 20*time.Second))
	want("a batch later", 27*time.Second)
	b.flush()
	want("acknowledged", 20*time.Second)
	b.send(report("t-4", -time.Minute))
	b.flush()
	want("of a clock that is ahead", 0)
	b.send(report("t-5", 3*time.Second))
	b.flush()
	b.send()
	want("without records", 0)

	var many []string
	for i := range 1000 {
		many = append(many, report(fmt.Sprint("u-", i), time.Duration(i)*time.Millisecond))
	}
	b.send(many...)
	b.flush()
	want("of a thousand reports, the last 64", 968*time.Millisecond)
	b.worker.Close()
	want("closed", 0)
}

func BenchmarkShedding(b *testing.B) {
	bench := newBench(&testing.T{}, setup{team: shedding(), cache: 1 << 40})
	bench.engine.opts.Samples, bench.engine.opts.Step = &null{}, func() ladder.Step { return ladder.P1 }
	w, err := bench.engine.Open(Partition{Topic: "in", Count: 8})
	if err != nil {
		b.Fatal(err)
	}
	batch, ctx := workload(200)[:2000], context.Background()
	if err := w.Process(ctx, batch); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := errors.Join(w.Process(ctx, batch), w.Flush(ctx)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
}
