package runtime

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTopAddsUpWhatComes(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, tapSet+`
	task: pay: schema.#Task & {match: tasks: ["t-1"], tags: team: "payments"}`))
	now := time.Now().UnixMilli()
	var values []string
	for i := range 5 { // every second
		at := now - int64(5-i)*1000
		for s := range 3 {
			values = append(values, fmt.Sprintf(`{"torrent_task_id":"t-1","report_timestamp":%d,"metric":"m","type":"gauge","labels":{"s":"%d"},"value":1}`, at, s))
		}
		values = append(values, flat("t-1", "noise", "gauge", at, "1"), flat("t-2", "noise", "gauge", at, "1"))
	}
	r.publish(t, "flink.native", values...)
	r.settled(t, false, "native", uint64(len(values)))
	top, err := r.Top(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	row := func(l TopList, key string) TopRow {
		t.Helper()
		for _, row := range l.Rows {
			if row.Key == key {
				return row
			}
		}
		t.Fatalf("no row %q in %+v", key, l)
		return TopRow{}
	}
	about := func(what string, got, want float64) {
		t.Helper()
		if got < want*0.99 || got > want*1.01 {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	one := row(top.Tasks, "t-1")
	about("samples/s of t-1", one.Samples, 4)
	about("dropped/s of t-1", one.Dropped, 1)
	if one.Series != 4 || one.Bytes <= 0 || one.Error != 0 || top.Tasks.Keys != 2 || top.Tasks.Full {
		t.Errorf("tasks %+v", top.Tasks)
	}
	about("samples/s of noise", row(top.Metrics, "noise").Samples, 2)
	about("samples/s of the team", row(top.Teams, "payments").Samples, 4)
	about("samples/s in all", top.Total.Samples, 5)
	if top.Total.Series != 5 || top.By != BySamples || top.Tasks.Rows[0].Key != "t-1" {
		t.Errorf("top %+v", top)
	}
	var noise TopRule
	for _, rule := range top.Rules {
		if strings.HasSuffix(rule.Rule, "/noise") {
			noise = rule
		}
	}
	if noise.Disposition != "dropped" || noise.Total != 10 || noise.Series != 2 || noise.Samples <= 0 {
		t.Errorf("rules %+v", top.Rules)
	}
	if again, _ := r.Top(t.Context(), ByDropped, 1); !again.At.Equal(top.At) || len(again.Metrics.Rows) != 1 || again.Metrics.Rows[0].Key != "noise" || again.Metrics.Keys != 2 {
		t.Errorf("the same look in another order: %+v", again)
	}
	for _, wrong := range []error{func() error { _, err := r.Top(t.Context(), "size", 0); return err }(), func() error { _, err := r.Top(t.Context(), "", 1001); return err }()} {
		if !errors.Is(wrong, ErrRejected) {
			t.Errorf("error %v, want a rejection", wrong)
		}
	}
}
