package runtime

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// The load of the aggregates: each report of each task has a gauge and a counter
// of each subtask, which rise by one.
const (
	mergedTasks    = 5
	mergedSubtasks = 4
	mergedStep     = 100 // milliseconds of event time between reports
	mergedWindow   = 1000
)

// publishMembers publishes reports until stop is closed, and after that one far
// enough behind them to close their windows. It returns how many there were before.
func publishMembers(p *kafka.Publisher, base int64, stop <-chan struct{}) (reports int64, err error) {
	ctx := context.Background()
	report := func(n, at int64) error {
		for task := range mergedTasks {
			for sub := range mergedSubtasks {
				for _, kind := range []string{"gauge", "counter"} {
					name := fmt.Sprint("t-", task)
					line := fmt.Sprintf(`{"torrent_task_id":%q,"report_timestamp":%d,"metric":"%s","type":"%s","value":%d,"labels":{"subtask_index":"%d"}}`,
						name, at, kind, kind, n, sub)
					if err := p.Publish(ctx, "flink.native", []byte(name), []byte(line)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if at := base + reports*mergedStep; reports == 0 || at < time.Now().UnixMilli() { // none is of the future
			if err := report(reports, at); err != nil {
				return reports, err
			}
			reports++
		}
		select {
		case <-stop:
			last := reports - 1
			if err := report(last, base+last*mergedStep+time.Minute.Milliseconds()); err != nil {
				return reports, err
			}
			return reports, p.Flush(ctx)
		case <-tick.C:
		}
	}
}

// An instance that is killed three times while windows are open brings out every
// window as if nothing had happened: each sum of gauges is whole, and the last.
// Totals of counters lose nothing. A window that was out but not committed comes
// out again, and no-loss lets a total, which begins anew, count it twice: four
// windows for each kill at most.
func TestKillWithOpenWindows(t *testing.T) {
	b, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{Topics: []kafka.Topic{{Name: "flink.native", Partitions: 2}, {Name: "sluice.processed", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	cfg := testConfig(t, `
	stream: native: {topics: ["flink.native"], level: "no-loss"}
	sink: store: {type: "store", default: true}
	aggregate: total: {match: metrics: ["gauge", "counter"], drop: ["subtask_index"], gauge: "sum", window: "1s", late: "1s"}`)
	cfg.Brokers, cfg.DataDir, cfg.InstanceID = []string{b.Addr()}, t.TempDir(), "one"

	base := time.Now().Add(-20 * time.Minute).Truncate(time.Second).UnixMilli()
	stop, published := make(chan struct{}), make(chan error, 1)
	var reports int64
	p := publisher(t, cfg.Brokers)
	go func() {
		var err error
		reports, err = publishMembers(p, base, stop)
		published <- err
	}()
	killThrice(t, cfg, "sluice.stream.native", 3000)
	close(stop)
	if err := <-published; err != nil {
		t.Fatal(err)
	}

	r := startInstance(t, cfg)
	windows := (reports*mergedStep + mergedWindow - 1) / mergedWindow
	at := func(labels map[string]string, at int64) string { return fmt.Sprint(labels["torrent_task_id"], " ", at) }
	var gauges map[string]string
	eventually(t, func() string {
		gauges = r.samples(t, `gauge[1h]`, at)
		if int64(len(gauges)) >= windows*mergedTasks {
			return ""
		}
		return fmt.Sprintf("%d windows of %d", len(gauges), windows*mergedTasks)
	})
	checkWindows(t, gauges, base, reports)
	for task, total := range grown(t, r.samples(t, `counter[1h]`, at)) {
		const window = mergedSubtasks * mergedWindow / mergedStep
		if over := total - float64(mergedSubtasks*(reports-1)); over < 0 || over > 3*4*window {
			t.Errorf("the total of %s has grown by %g more than its counters", task, over)
		}
	}
	t.Logf("%d reports, 3 kills: %d windows", reports, len(gauges))
}

// checkWindows compares the sums of gauges with the last value of each window, of
// which every subtask has the same.
func checkWindows(t *testing.T, got map[string]string, base, reports int64) {
	t.Helper()
	for id, text := range got {
		var task string
		var at int64
		if _, err := fmt.Sscan(id, &task, &at); err != nil {
			t.Fatal(err)
		}
		last := min((at-base)/mergedStep, reports) - 1 // before the end of the window, which is its time
		if want := strconv.FormatInt(mergedSubtasks*last, 10); text != want {
			t.Errorf("%s, %d ms after the first report: %s, want %s", task, at-base, text, want)
		}
	}
}

// grown adds up how the totals of each task grew, over resets.
func grown(t *testing.T, samples map[string]string) map[string]float64 {
	t.Helper()
	type point struct {
		at    int64
		value float64
	}
	series := map[string][]point{}
	for id, text := range samples {
		var task string
		var p point
		if _, err := fmt.Sscan(id, &task, &p.at); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(text, &p.value); err != nil {
			t.Fatal(err)
		}
		series[task] = append(series[task], p)
	}
	if len(series) != mergedTasks {
		t.Errorf("totals of %d tasks, want %d", len(series), mergedTasks)
	}
	sums := map[string]float64{}
	for task, points := range series {
		slices.SortFunc(points, func(a, b point) int { return int(a.at - b.at) })
		before := 0.0
		for _, p := range points {
			if sums[task] += p.value; p.value >= before {
				sums[task] -= before
			}
			before = p.value
		}
	}
	return sums
}
