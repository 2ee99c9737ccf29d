package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func live(t *testing.T, e *Engine, within time.Duration) (out []Live) {
	t.Helper()
	if err := e.Live(t.Context(), within, func(l *Live) error { out = append(out, *l); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLiveIsWhatCame(t *testing.T) {
	b := newBench(t, setup{})
	if got := live(t, b.engine, time.Hour); got != nil {
		t.Errorf("before anything came: %v", got)
	}
	first := rec(0, "numRecordsIn", "counter", `{"s":0,"a":0,"c":1},{"s":1,"a":2,"c":2}`)
	b.send(first)
	b.send(rec(10, "numRecordsIn", "counter", `{"s":0,"a":0,"c":3},{"s":1,"a":2,"c":4}`),
		rec(20, "numRecordsIn", "counter", `{"s":0,"a":0,"c":3}`), rec(20, "load", "gauge", `{"s":0,"a":0,"v":1,"l":{"cpu":"0"}}`))
	labels := func(more ...metric.Label) metric.Labels {
		return append(metric.Labels{{Name: "job_name", Value: "pay"}, {Name: "tm_id", Value: "tm-1"}, {Name: "torrent_task_id", Value: "t-1"}}, more...).Sort()
	}
	want := []Live{
		{program.Load{Input: program.Input{Task: "t-1", Name: "flink_taskmanager_job_task_numRecordsIn", Kind: metric.Counter, Origin: metric.Native,
			Labels: labels(metric.Label{Name: "subtask_index", Value: "0"}, metric.Label{Name: "task_attempt_num", Value: "0"})}, Samples: 3, Seconds: 30},
			"taskmanager.job.task", "numRecordsIn", at(20)},
		{program.Load{Input: program.Input{Task: "t-1", Name: "flink_taskmanager_job_task_numRecordsIn", Kind: metric.Counter, Origin: metric.Native,
			Labels: labels(metric.Label{Name: "subtask_index", Value: "1"}, metric.Label{Name: "task_attempt_num", Value: "2"})}, Samples: 2, Seconds: 30},
			"taskmanager.job.task", "numRecordsIn", at(10)},
		{program.Load{Input: program.Input{Task: "t-1", Name: "flink_taskmanager_job_task_load", Kind: metric.Gauge, Origin: metric.Native,
			Labels: labels(metric.Label{Name: "cpu", Value: "0"}, metric.Label{Name: "subtask_index", Value: "0"}, metric.Label{Name: "task_attempt_num", Value: "0"})},
			Samples: 1, Seconds: 30}, "taskmanager.job.task", "load", at(20)},
	}
	got := live(t, b.engine, time.Hour)
	for i := range got {
		if n := got[i].Bytes / got[i].Samples; n < 50 || n > uint64(len(first)) {
			t.Errorf("%s: %d bytes a sample", got[i].Name, n)
		}
		got[i].Bytes = 0
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := live(t, b.engine, 5*time.Second); len(got) != 2 {
		t.Errorf("within 5 s of the last report: %d series, want 2", len(got))
	}
	b.now = b.now.Add(time.Minute)
	if got := live(t, b.engine, 59*time.Second); got != nil {
		t.Errorf("a minute later: %v", got)
	}
	b.flush()
	b.worker.Close()
	if got := live(t, b.engine, time.Hour); got != nil {
		t.Errorf("after the worker closed: %v", got)
	}
}

// Every series is visited once, however many slices it takes.
func TestLiveIsComplete(t *testing.T) {
	b := newBench(t, setup{team: rules(10)})
	records, want := []string{}, []string{}
	for task := range 7 {
		for m := range 150 {
			for s := range 5 {
				records = append(records, fmt.Sprintf(`{"torrent_task_id":"t-%d","report_timestamp":%d,"scope":"s","metric":"m%d","type":"gauge","labels":{},"points":[{"s":%d,"v":1}]}`,
					task, at(0), m, s))
				want = append(want, fmt.Sprintf("t-%d flink_s_m%d %d", task, m, s))
			}
		}
	}
	b.send(records...)
	got := []string{}
	for _, l := range live(t, b.engine, time.Hour) {
		got = append(got, fmt.Sprintf("%s %s %s", l.Task, l.Name, l.Labels.Get(metric.SubtaskLabel)))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d series, want %d", len(got), len(want))
	}
}

// What is counted tells of the last minutes, and the time it stands for with it.
func TestLiveCountsFade(t *testing.T) {
	b := newBench(t, setup{})
	for s := 0; s <= 3600; s += 10 {
		b.now = epoch.Add(time.Duration(s) * time.Second)
		b.send(rec(s, "load", "gauge", `{"s":0,"a":0,"v":1}`))
	}
	got := live(t, b.engine, time.Hour)
	if len(got) != 1 || got[0].Seconds > countFor/1000+60 || got[0].Seconds < countFor/2000 {
		t.Fatalf("%+v", got)
	}
	if rate := float64(got[0].Samples) / got[0].Seconds; rate < 0.095 || rate > 0.105 {
		t.Errorf("%d samples in %g s, want one in ten seconds", got[0].Samples, got[0].Seconds)
	}
}

func TestLiveEnds(t *testing.T) {
	b := newBench(t, setup{})
	b.send(rec(0, "load", "gauge", `{"s":0,"a":0,"v":1}`))
	enough := errors.New("enough")
	if err := b.engine.Live(t.Context(), time.Hour, func(*Live) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
	b.worker.turn.take() // a batch that takes its time
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.engine.Live(ctx, time.Hour, func(*Live) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	b.worker.turn.give()
}

// Who looks disturbs nobody; the race detector watches.
func TestLiveBesideBatches(t *testing.T) {
	b := newBench(t, setup{team: rules(10), cache: 1 << 20})
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		var err error
		for err == nil {
			err = b.engine.Live(ctx, time.Hour, func(l *Live) error {
				if l.Task == "" || l.Labels.Get(metric.TaskLabel) != l.Task {
					return fmt.Errorf("series %+v", l)
				}
				return nil
			})
		}
		done <- err
	}()
	for i, m := range workload(60) {
		b.send(string(m.Value))
		if i%500 == 0 {
			b.flush()
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.flush()
	b.balanced()
}

// A worker that closes waits for who looks: it changes what they read.
func TestAWorkerThatClosesWaitsForWhoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, setup{team: bounded(nil)})
		b.send(rec(1, "g", "gauge", `{"s":0,"v":1}`))
		b.flush()
		b.worker.turn.take()
		closed := false
		go func() {
			b.worker.Close()
			closed = true
		}()
		synctest.Wait()
		if closed {
			t.Error("the worker has closed while its cache was looked at")
		}
		b.worker.turn.give()
		synctest.Wait()
		if !closed {
			t.Error("the worker has not closed")
		}
	})
}

// BenchmarkLive reads 200,000 series, and reports how long the worker waited at most.
func BenchmarkLive(b *testing.B) {
	s := newBench(&testing.T{}, setup{team: rules(10), cache: 1 << 40})
	batch := workload(2000)
	if err := s.worker.Process(context.Background(), batch); err != nil {
		b.Fatal(err)
	}
	longest, n := time.Duration(0), 0
	for b.Loop() {
		n = 0
		l := liveReader{worker: s.worker, within: 1 << 40, visit: func(*Live) error { n++; return nil }}
		for more := true; more; {
			began := time.Now()
			more = l.slice()
			longest = max(longest, time.Since(began))
			if err := l.pass(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(n), "series")
	b.ReportMetric(float64(longest.Microseconds()), "µs-longest-wait")
}
