package fleet

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// series names one series of the fleet, without its attempt.
func series(s sent, i int) string {
	p := s.Points[i]
	return fmt.Sprintf("%s %s %s %v %d %v", s.Task, s.Scope, s.Metric, s.Labels, p.Subtask, p.Labels)
}

// TestRestart says that an attempt ends as a whole, that nothing of the job's
// tasks is sent while it is down, and that the next one counts from 0.
func TestRestart(t *testing.T) {
	all := watch(t, Options{Jobs: 4, Interval: 2 * time.Second}, 30*time.Second)
	job := all[0].Task // the second job is the one that the first restart takes
	for _, s := range all {
		if s.Task != job {
			job = s.Task
			break
		}
	}
	old, ended, again := map[string]int64{}, map[string]bool{}, map[string]int64{}
	var failed, back time.Duration
	for _, s := range all {
		if s.Task != job {
			continue
		}
		for i, p := range s.Points {
			name := series(s, i)
			switch {
			case p.Attempt < 0:
			case s.End:
				failed = s.at
				if _, ok := old[name]; !ok || p.Attempt != 0 {
					t.Fatalf("end of attempt %d of a series that was not there: %s", p.Attempt, name)
				}
				ended[name] = true
			case p.Attempt == 0 && failed > 0:
				t.Fatalf("attempt 0 goes on after its end: %s", name)
			case p.Attempt == 0:
				old[name] = p.Count
			case back == 0 || back == s.at:
				back = s.at
				again[name] = p.Count
			}
		}
	}
	if len(old) == 0 || len(ended) != len(old) || len(again) != len(old) {
		t.Fatalf("%d series before, %d ended, %d in the next attempt", len(old), len(ended), len(again))
	}
	if failed < 4*time.Second || back < failed {
		t.Errorf("failed at %s, back at %s", failed, back)
	}
	less := 0
	for name, count := range again {
		if old[name] > 1000 {
			less++
			if count >= old[name] {
				t.Errorf("%d before and %d after the restart: %s", old[name], count, name)
			}
		}
	}
	if less == 0 {
		t.Error("no count to compare")
	}
}

// levels returns the values of one metric of one series over time, by report.
func curve(all []sent, task, name string) (values []float64, at []time.Duration) {
	for _, s := range all {
		if s.Task == task && s.Metric == name && len(s.Points) > 0 && !s.End {
			values, at = append(values, s.Points[0].Value), append(at, s.at)
		}
	}
	return values, at
}

func TestLagIncident(t *testing.T) {
	all := watch(t, Options{Jobs: 1, Interval: 5 * time.Second}, 230*time.Second)
	for name, factor := range map[string]float64{"records-lag-max": 50, "currentEmitEventTimeLag": 50, "pendingRecords": 50, "currentSendTime": 10} {
		values, at := curve(all, all[0].Task, name)
		before, top, peak := values[0], 0.0, time.Duration(0)
		for i, v := range values {
			if v > top {
				top, peak = v, at[i]
			}
		}
		if top < factor*max(before, 1) || peak > 90*time.Second {
			t.Errorf("%s: %g before, %g at most, at %s", name, before, top, peak)
		}
		if last := values[len(values)-1]; last > top/5 {
			t.Errorf("%s: still %g of %g three and a half minutes later", name, last, top)
		}
	}
}

// TestMetersAgreeWithCounters: a meter is what its counter gained in a minute.
func TestMetersAgreeWithCounters(t *testing.T) {
	type point struct {
		at    time.Duration
		count int64
	}
	past, compared := map[string][]point{}, 0
	for _, s := range watch(t, Options{Jobs: 3}, 3*time.Minute) {
		if s.Metric != "numRecordsInPerSecond" || s.End {
			continue
		}
		for i, p := range s.Points {
			name := fmt.Sprint(series(s, i), p.Attempt)
			for _, before := range past[name] {
				if (s.at - before.at).Round(time.Millisecond) != time.Minute {
					continue
				}
				compared++
				if want := float64(p.Count-before.count) / 60; math.Abs(want-p.Value) > .1+.001*want {
					t.Errorf("meter says %g, its count %g: %s", p.Value, want, name)
				}
			}
			past[name] = append(past[name], point{s.at, p.Count})
		}
	}
	if compared < 50 {
		t.Errorf("compared %d meters", compared)
	}
}

// TestTaskTimeAddsUp: a task is busy, idle or held back, and nothing else.
func TestTaskTimeAddsUp(t *testing.T) {
	sums, n := map[string]float64{}, 0
	for _, s := range watch(t, Options{Jobs: 12}, 70*time.Second) {
		switch s.Metric {
		case "busyTimeMsPerSecond", "idleTimeMsPerSecond", "backPressuredTimeMsPerSecond":
			for i, p := range s.Points {
				s.Metric = ""
				sums[fmt.Sprint(series(s, i), s.at)] += p.Value
			}
		}
	}
	for name, sum := range sums {
		if math.IsNaN(sum) { // busy time of a source of the old kind
			continue
		}
		n++
		if math.Abs(sum-1000) > .01 {
			t.Errorf("%g ms of a second: %s", sum, name)
		}
	}
	if n < 100 {
		t.Errorf("%d tasks", n)
	}
}

// TestDuplicatesAgree: what Flink reports twice has the same value twice.
func TestDuplicatesAgree(t *testing.T) {
	values := map[string]int64{}
	pairs := 0
	for _, s := range watch(t, Options{Jobs: 4}, 5*time.Second) {
		scope, old := strings.CutSuffix(s.Scope, ".Shuffle.Netty.Input")
		if !old && s.Scope != "taskmanager.job.task" || !strings.HasPrefix(s.Metric, "numB") {
			continue
		}
		s.Scope = scope
		for i, p := range s.Points {
			name := fmt.Sprint(series(s, i), s.at)
			if v, ok := values[name]; ok {
				pairs++
				if v != p.Count {
					t.Errorf("%d and %d: %s", v, p.Count, name)
				}
			}
			values[name] = p.Count
		}
	}
	if pairs < 20 {
		t.Errorf("%d pairs", pairs)
	}
}

// TestRateAndPace: the fleet keeps the rate it is asked for, evenly.
func TestRateAndPace(t *testing.T) {
	for _, rate := range []float64{0, 300, 6000} {
		o := options(t, Options{Jobs: 20, Rate: rate})
		f, err := New(o, &topic{})
		if err != nil {
			t.Fatal(err)
		}
		records, _ := f.Size()
		want := rate
		if rate == 0 {
			want = float64(records) / defaultInterval.Seconds()
		}
		counter := &tally{perSecond: map[int]int{}}
		synctest.Test(t, func(t *testing.T) {
			counter.began = time.Now()
			f, err := New(o, counter)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
			defer stop()
			if err := f.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		total := counter.total - records // the first reports come on top
		if got := float64(total) / 30; math.Abs(got-want) > .1*want {
			t.Errorf("%g records/s, want %g", got, want)
		}
		top := 0
		for second, n := range counter.perSecond {
			if second >= int(firstRound/time.Second) {
				top = max(top, n)
			}
		}
		if float64(top) > 3*want+1000 { // a report of a job is not divided
			t.Errorf("asked for %g records/s, %d in one second", want, top)
		}
	}
}

// tally counts records and forgets them.
type tally struct {
	began     time.Time
	total     int
	perSecond map[int]int
}

func (c *tally) Publish(context.Context, string, []byte, []byte) error {
	c.total++
	c.perSecond[int(time.Since(c.began)/time.Second)]++
	return nil
}

// TestSlowPublisher: what was held up is not made good in a burst.
func TestSlowPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &stalled{tally: tally{began: time.Now(), perSecond: map[int]int{}}}
		f, err := New(options(t, Options{Jobs: 2, Interval: time.Second}), p)
		if err != nil {
			t.Fatal(err)
		}
		records, _ := f.Size()
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Second)
		defer stop()
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
		if most := 45 * records; p.total > most { // 60 of the 100 seconds are lost
			t.Errorf("%d records in 40 seconds of service, want at most %d", p.total, most)
		}
	})
}

// stalled blocks for a minute, once.
type stalled struct{ tally }

func (s *stalled) Publish(ctx context.Context, topic string, key, value []byte) error {
	if s.total == 500 {
		time.Sleep(time.Minute)
	}
	return s.tally.Publish(ctx, topic, key, value)
}

func BenchmarkReport(b *testing.B) {
	f, err := New(options(b, Options{}), &tally{perSecond: map[int]int{}})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	for _, j := range f.jobs {
		j.begin(now)
	}
	records, samples := f.Size()
	b.ReportMetric(float64(records)/float64(len(f.jobs)), "records/op")
	b.ReportMetric(float64(samples)/float64(len(f.jobs)), "samples/op")
	n := 0
	for b.Loop() {
		now = now.Add(250 * time.Millisecond)
		if err := f.report(b.Context(), f.jobs[n%len(f.jobs)], now); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
