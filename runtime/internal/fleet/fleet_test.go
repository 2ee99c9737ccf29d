package fleet

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

const (
	began = int64(1_763_800_000_000)
	jobID = "0123456789abcdef0123456789abcdef"
)

// recorded is a recording of two tasks that report every 10 s for 60 s, and wait
// for another 30 s.
func recorded(t *testing.T) fstest.MapFS {
	t.Helper()
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	write := func(topic, task, metric string, value map[string]any) {
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(map[string]any{"topic": topic, "partition": 0, "offset": 0, "timestamp": began, "key": task + "\x00" + metric, "value": json.RawMessage(b)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(z, "%s\n", line)
	}
	for seq := range 9 {
		at := began + int64(seq)*10_000
		for _, task := range []string{"t-1", "t-2"} {
			labels := map[string]any{"job_id": jobID, "job_name": "orders-" + task}
			head := map[string]any{"v": 1, "torrent_task_id": task, "report_timestamp": at, "rid": "7f3c9a7f3c9a", "seq": seq + 1}
			with := func(more map[string]any) map[string]any {
				m := maps.Clone(head)
				maps.Copy(m, more)
				return m
			}
			write("flink.native", task, "numRecordsIn", with(map[string]any{"scope": "taskmanager.job.task", "metric": "numRecordsIn", "type": "counter", "labels": labels, "points": []any{map[string]any{"s": 0, "c": seq * 100}, map[string]any{"s": 1, "c": seq * 200}}}))
			write("flink.custom", task, "started", with(map[string]any{"scope": "taskmanager.job.task.operator", "metric": "started", "type": "gauge", "labels": labels, "points": []any{map[string]any{"s": 0, "v": began - 5000}}}))
			write("flink.native", task, record.ReportMetric, with(map[string]any{"metric": record.ReportMetric, "n": 2}))
		}
		write("flink.native", "cluster", "Load", map[string]any{
			"torrent_task_id": "cluster", "report_timestamp": at, "rid": "c1c1c1c1c1c1", "scope": "taskmanager.Status.JVM.CPU", "metric": "Load", "type": "gauge",
			"labels": map[string]any{"host": "h"}, "points": []any{map[string]any{"v": .5}},
		})
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		recordsFile: {Data: text.Bytes()},
		runFile:     {Data: fmt.Appendf(nil, `{"start":%d,"end":%d,"phases":[{"name":"work","start":%d,"end":%d},{"name":"rest","start":%d,"end":%d}]}`, began, began+90_000, began, began+60_000, began+60_000, began+90_000)},
	}
}

// published is a record that a fleet sent, read back.
type published struct {
	at    time.Time
	topic string
	key   string
	value record.Record
	text  string
}

type collect struct{ got []published }

func (c *collect) Publish(_ context.Context, topic string, key, value []byte) error {
	r, err := record.Decode(value)
	if err != nil {
		return err
	}
	c.got = append(c.got, published{time.Now(), topic, string(key), r, string(value)})
	return nil
}

func replay(t *testing.T, o Options, d time.Duration) []published {
	t.Helper()
	o.Recording, o.Native, o.Custom = recorded(t), "in.native", "in.custom"
	var c collect
	synctest.Test(t, func(t *testing.T) {
		f, err := New(o, &c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		if err := f.Run(ctx); err != nil {
			t.Fatal(err)
		}
	})
	return c.got
}

func TestCopiesAreJobsOfTheirOwn(t *testing.T) {
	got := replay(t, Options{Jobs: 5}, 25*time.Second)
	tasks, ids := map[string]int{}, map[string]string{}
	for _, p := range got {
		task := p.value.Task
		tasks[task]++
		if !strings.HasPrefix(p.key, task+"\x00") || strings.Contains(p.text, jobID) {
			t.Fatalf("key %q, record %s", p.key, p.text)
		}
		if want := p.at.UnixMilli(); p.value.Timestamp != want {
			t.Fatalf("report_timestamp %d, the time is %d", p.value.Timestamp, want)
		}
		if p.value.Metric == record.ReportMetric || p.value.Metric == "Load" {
			continue
		}
		if name := p.value.Labels.Get("job_name"); name != "orders-"+task {
			t.Errorf("job %q of task %q", name, task)
		}
		id := p.value.Labels.Get("job_id")
		if other, ok := ids[id]; ok && other != task {
			t.Errorf("tasks %q and %q have the job id %s", task, other, id)
		}
		ids[id] = task
		if custom := p.value.Metric == "started"; custom != (p.topic == "in.custom") {
			t.Errorf("%s went to %s", p.value.Metric, p.topic)
		}
	}
	want := []string{"cluster-001", "cluster-002", "cluster-003", "t-1-001", "t-1-002", "t-1-003", "t-2-001", "t-2-002"}
	if have := slices.Sorted(maps.Keys(tasks)); !slices.Equal(have, want) {
		t.Errorf("tasks %q, want %q", have, want)
	}
	for task, n := range tasks {
		if n < 2*3 && !strings.HasPrefix(task, "cluster") { // two reports at least
			t.Errorf("%s sent %d records in 25 s", task, n)
		}
	}
}

func TestTimesMoveAlong(t *testing.T) {
	for _, p := range replay(t, Options{Jobs: 2}, 15*time.Second) {
		if p.value.Metric == "started" && !p.value.End {
			age := p.value.Timestamp - int64(p.value.Points[0].Value)
			if age < 5000 || age > 65_000 {
				t.Errorf("a job that was started 5 s before the recording is %d ms old: %s", age, p.text)
			}
		}
	}
}

func TestJobsAreSubmittedAgain(t *testing.T) {
	ids, ended := map[string]bool{}, 0
	last := int64(-1)
	for _, p := range replay(t, Options{Jobs: 1}, 3*time.Minute) {
		if p.value.End && p.value.Metric != "Load" {
			ended++
		}
		if p.value.Metric != "numRecordsIn" || p.value.End {
			continue
		}
		id := p.value.Labels.Get("job_id")
		if count := p.value.Points[0].Count; ids[id] && count < last {
			t.Errorf("the counter of one submission goes down from %d to %d", last, count)
		} else {
			last = count
		}
		ids[id] = true
	}
	if len(ids) != 3 && len(ids) != 4 {
		t.Errorf("%d submissions of a tape of 60 s in 3 minutes", len(ids))
	}
	if ended != 2*(len(ids)-1) {
		t.Errorf("%d end records of %d submissions with two metrics each", ended, len(ids))
	}
}

func TestRate(t *testing.T) {
	for _, rate := range []float64{1, 100} {
		n := len(replay(t, Options{Jobs: 10, Rate: rate}, time.Minute))
		if got := float64(n) / 60; got < rate*.7 || got > rate*1.4+1 {
			t.Errorf("%.1f records a second, asked for %g", got, rate)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := recorded(t)
	with := func(file string, data []byte) fstest.MapFS {
		m := maps.Clone(good)
		m[file] = &fstest.MapFile{Data: data}
		return m
	}
	zipped := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		fmt.Fprint(z, text)
		z.Close()
		return b.Bytes()
	}
	for name, o := range map[string]Options{
		"jobs":        {Jobs: -1, Recording: good, Native: "n", Custom: "c"},
		"rate":        {Rate: -1, Recording: good, Native: "n", Custom: "c"},
		"topic":       {Recording: good, Native: "n"},
		"no run":      {Recording: fstest.MapFS{recordsFile: good[recordsFile]}, Native: "n", Custom: "c"},
		"no records":  {Recording: fstest.MapFS{runFile: good[runFile]}, Native: "n", Custom: "c"},
		"not JSON":    {Recording: with(runFile, []byte("{")), Native: "n", Custom: "c"},
		"not gzip":    {Recording: with(recordsFile, []byte("{}")), Native: "n", Custom: "c"},
		"empty":       {Recording: with(recordsFile, zipped("")), Native: "n", Custom: "c"},
		"bad line":    {Recording: with(recordsFile, zipped("{\n")), Native: "n", Custom: "c"},
		"no key":      {Recording: with(recordsFile, zipped(`{"topic":"x","value":{"report_timestamp":1}}`)), Native: "n", Custom: "c"},
		"no stamp":    {Recording: with(recordsFile, zipped(`{"topic":"x","key":"t\u0000m","value":{}}`)), Native: "n", Custom: "c"},
		"ends before": {Recording: with(runFile, []byte(`{"start":1,"end":2}`)), Native: "n", Custom: "c"},
		"cut short":   {Recording: with(recordsFile, good[recordsFile].Data[:len(good[recordsFile].Data)/2]), Native: "n", Custom: "c"},
	} {
		if _, err := New(o, &collect{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
