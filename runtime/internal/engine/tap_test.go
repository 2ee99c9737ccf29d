package engine

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func tapTeam() *policy.Team {
	return &policy.Team{
		Control: map[string]policy.Control{
			"noise": {Ordered: ordered("*_noise"), Tier: "tenant", Action: "drop"},
			"slow":  {Ordered: ordered("*_slow"), Tier: "tenant", Action: "thin", Every: "1m", Pick: "last"},
		},
		Rewrite: map[string]policy.Rewrite{
			"attempt": {Ordered: ordered("*"), Action: "drop-labels", Labels: []string{"task_attempt_num"}},
		},
	}
}

func (b *bench) tap(o TapOptions) *Tap {
	b.t.Helper()
	if o.PerSecond == 0 {
		o.PerSecond = 1000
	}
	tap, err := b.engine.opts.Taps.Open(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return tap
}

// lines are what a tap has, in short.
func (t *Tap) lines() (out []string) {
	for _, x := range t.Read(nil) {
		to := "-"
		if x.NewName != "" {
			to = x.NewName + x.NewLabels.String()
		}
		out = append(out, fmt.Sprintf("%s/%d@%d %s %s%s > %s = %g %q %v rule=%s %s", x.Topic, x.Partition, x.Offset,
			x.Task, x.Name, x.Labels, to, x.Value, x.Text, x.Disposition, x.Rule, x.Reason))
	}
	return out
}

func TestTapShowsWhatWasDecidedAndWhy(t *testing.T) {
	b := newBench(t, setup{team: tapTeam()})
	tap := b.tap(TapOptions{})
	b.send(
		rec(0, "m", "gauge", `{"s":0,"a":1,"v":2.5}`),
		rec(0, "noise", "gauge", `{"s":0,"v":1}`),
		rec(0, "slow", "gauge", `{"s":0,"v":1}`),
		rec(10, "slow", "gauge", `{"s":0,"v":2}`),
		rec(0, "state", "gauge", `{"s":0,"t":"RUN\"NING"}`),
		rec(1, "m", "gauge", `{"s":0,"a":0,"v":3}`),
		rec(1, "m", "gauge", `{"s":0,"a":1,"v":null}`),
		`{"not json`,
		rec(70, "slow", "gauge", `{"s":0,"v":9}`),
	)
	const l = `job_name="pay", subtask_index="0"`
	const task = `tm_id="tm-1", torrent_task_id="t-1"}`
	series := func(name, attempt string) string {
		return "flink_taskmanager_job_task_" + name + "{" + l + attempt + ", " + task
	}
	line := func(offset int, name, attempt, value, rest string) string {
		after := series(name, "")
		if strings.Contains(rest, "dropped") || strings.Contains(rest, "superseded") || strings.Contains(rest, "no-value") {
			after = "-"
		}
		return fmt.Sprintf("in/3@%d t-1 %s > %s = %s %s ", offset, series(name, attempt), after, value, rest)
	}
	want := []string{
		line(0, "m", `, task_attempt_num="1"`, `2.5 ""`, "out rule="),
		line(1, "noise", "", `1 ""`, "dropped rule=platform/noise"),
		line(2, "slow", "", `1 ""`, "held rule=platform/slow"),
		line(3, "slow", "", `2 ""`, "held rule=platform/slow"),
		line(4, "state", "", `0 "RUN\"NING"`, "out rule="),
		line(5, "m", `, task_attempt_num="1"`, `3 ""`, "superseded rule="),
		line(6, "m", `, task_attempt_num="1"`, `0 ""`, "no-value rule="),
		`in/3@7  {} > - = 0 "" dead-letter rule= not-json`,
		line(-1, "slow", "", `2 ""`, "out rule=platform/slow"),
		line(8, "slow", "", `9 ""`, "held rule=platform/slow"),
	}
	if got := tap.lines(); !slices.Equal(got, want) {
		t.Errorf("tapped:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	b.balanced()
	b.engine.opts.Taps.Close(tap)
	b.send(rec(2, "m", "gauge", `{"s":0,"a":1,"v":2.5}`))
	if got := tap.lines(); got != nil || b.worker.tapping != nil {
		t.Errorf("a closed tap shows %q", got)
	}
}

func TestTapFilters(t *testing.T) {
	picker := func(m policy.Match) *program.Picker {
		k, err := program.NewPicker(&m)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for name, c := range map[string]struct {
		opts TapOptions
		want []string
	}{
		"metric":      {TapOptions{Pick: picker(policy.Match{Metrics: []string{"*_noise"}})}, []string{"flink_taskmanager_job_task_noise"}},
		"other task":  {TapOptions{Pick: picker(policy.Match{Tasks: []string{"t-2"}})}, nil},
		"job":         {TapOptions{Pick: picker(policy.Match{Tasks: []string{"pay"}, Metrics: []string{"*_m"}})}, []string{"flink_taskmanager_job_task_m"}},
		"subtask":     {TapOptions{Pick: picker(policy.Match{Labels: map[string][]string{"subtask_index": {"1"}}})}, []string{"flink_taskmanager_job_task_m"}},
		"rule":        {TapOptions{Rule: func(id string) bool { return id == "platform/noise" }}, []string{"flink_taskmanager_job_task_noise"}},
		"disposition": {TapOptions{Dispositions: []ledger.Disposition{ledger.Dropped, ledger.Held}}, []string{"flink_taskmanager_job_task_noise", "flink_taskmanager_job_task_slow"}},
		"letters":     {TapOptions{Dispositions: []ledger.Disposition{ledger.DeadLetter}}, []string{""}},
	} {
		b := newBench(t, setup{team: tapTeam()})
		tap := b.tap(c.opts)
		b.send(rec(0, "noise", "gauge", `{"s":0,"v":1}`), rec(0, "m", "gauge", `{"s":1,"v":1}`), rec(0, "slow", "gauge", `{"s":0,"v":1}`), `[`)
		var got []string
		for _, x := range tap.Read(nil) {
			got = append(got, x.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: tapped %q, want %q", name, got, c.want)
		}
		if matched, _ := tap.Counts(); int(matched) != len(c.want) {
			t.Errorf("%s: %d matched, want %d", name, matched, len(c.want))
		}
	}
}

func TestTapIsBoundedAndCountsWhatItLeavesOut(t *testing.T) {
	b := newBench(t, setup{team: tapTeam()})
	tap := b.tap(TapOptions{PerSecond: 50})
	sent := 0
	for i := range 20 { // two seconds
		for j := range 40 {
			b.send(rec(i, "m", "gauge", fmt.Sprintf(`{"s":%d,"v":1},{"s":%d,"v":1}`, 2*j, 2*j+1)))
			sent += 2
		}
		b.now = b.now.Add(tapSlot * time.Millisecond)
	}
	got := tap.Read(nil)
	matched, lost := tap.Counts()
	if len(got) != 100 || matched != uint64(sent) || lost != 0 {
		t.Errorf("%d of %d taken, %d lost; want 100 of %d in two seconds", len(got), matched, lost, sent)
	}
	late := 0
	for _, x := range got {
		if x.Labels.Get(metric.SubtaskLabel) > "3" {
			late++
		}
	}
	if late < 40 { // of 100: those of the end of a slot are seen, too
		t.Errorf("only %d of 100 samples are of the second half of a slot", late)
	}
	for range 30 { // nobody reads
		b.now = b.now.Add(time.Second)
		b.send(rec(0, "m", "gauge", points(60)))
	}
	if got := tap.Read(nil); len(got) != 110 {
		t.Errorf("%d wait to be read, want the 110 that there is room for", len(got))
	}
	if _, lost := tap.Counts(); lost == 0 {
		t.Error("what was lost is not counted")
	}
}

// Samples that come in bursts are shown up to the rate, not only those that a tenth
// of a second has room for.
func TestTapShowsBursts(t *testing.T) {
	for _, rate := range []int{5, 50} {
		b := newBench(t, setup{team: tapTeam()})
		tap := b.tap(TapOptions{PerSecond: rate})
		for second := range 5 {
			b.send(rec(0, "m", "gauge", points(60)))
			shown := len(tap.Read(nil))
			if shown != rate && second != 1 || shown > rate { // the second one comes before a second is over
				t.Errorf("%d of 60 samples are shown in second %d, want %d", shown, second, rate)
			}
			b.now = b.now.Add(time.Second)
		}
	}
}

// points are those of n subtasks.
func points(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"s":%d,"v":1}`, i))
	}
	return strings.Join(list, ",")
}

func TestTapsAreFew(t *testing.T) {
	var taps Taps
	var open []*Tap
	for range MaxTaps {
		tap, err := taps.Open(TapOptions{PerSecond: 1})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, tap)
	}
	if n := taps.Count(); n != MaxTaps {
		t.Errorf("%d are open, want %d", n, MaxTaps)
	}
	if _, err := taps.Open(TapOptions{PerSecond: 1}); !errors.Is(err, ErrTaps) {
		t.Errorf("error %v for one too many", err)
	}
	for _, tap := range open {
		taps.Close(tap)
		taps.Close(tap)
	}
	if taps.list() != nil || taps.Count() != 0 {
		t.Error("taps are left open")
	}
}

func TestTapForgetsSeriesThatLeave(t *testing.T) {
	b := newBench(t, setup{team: tapTeam()})
	tap := b.tap(TapOptions{Pick: func() *program.Picker {
		k, err := program.NewPicker(&policy.Match{Metrics: []string{"*_m"}})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}()})
	b.send(rec(0, "m", "gauge", `{"s":0,"v":1}`))
	b.send(`{"v":1,"torrent_task_id":"t-1","report_timestamp":` + fmt.Sprint(at(1)) + `,"scope":"taskmanager.job.task","metric":"m","type":"gauge","labels":{"job_name":"pay","tm_id":"tm-1"},"end":true}`)
	if n := len(b.worker.tapping.picks); n != 0 {
		t.Errorf("%d series are remembered that have ended", n)
	}
	b.send(rec(2, "other", "gauge", `{"s":0,"v":1}`)) // it takes the place of the one that ended
	got := tap.Read(nil)
	if len(got) != 2 || !got[1].End || got[0].End {
		t.Errorf("tapped %+v, want the sample and the end", got)
	}
}

// Workers and a reader share a tap; the race detector looks on.
func TestTapIsSafeForWorkersAndReader(t *testing.T) {
	var taps Taps
	tap, err := taps.Open(TapOptions{PerSecond: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	const each, workers = 5000, 4
	var writers sync.WaitGroup
	var given [workers]int
	for w := range workers {
		writers.Go(func() {
			p := pace{every: 1}
			for i := range each {
				p.slot = int64(i / 500)
				if p.takes(tap) {
					given[w]++
					tap.put(&Tapped{Form: record.Number})
				}
			}
			tap.matched.Add(p.matched)
		})
	}
	done := make(chan int)
	stop := make(chan struct{})
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n + len(tap.Read(nil))
				return
			default:
				n += len(tap.Read(nil))
				runtime.Gosched()
			}
		}
	}()
	writers.Wait()
	close(stop)
	read := <-done
	matched, lost := tap.Counts()
	sum := 0
	for _, n := range given {
		sum += n
	}
	if matched != each*workers || read+int(lost) != sum {
		t.Errorf("matched %d of %d; %d read and %d lost of %d taken", matched, each*workers, read, lost, sum)
	}
}
