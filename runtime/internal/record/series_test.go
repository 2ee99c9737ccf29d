package record

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestSeriesLabels(t *testing.T) {
	for _, c := range []struct {
		doc, labels, task, own string
		subtask, attempt       int32
		want                   string
	}{
		{"nothing but the task", ``, `t-1`, ``, -1, -1, `{torrent_task_id="t-1"}`},
		{"numbers", `{"host":"a"}`, `t\u002d1`, ``, 0, 3, `{host="a", subtask_index="0", task_attempt_num="3", torrent_task_id="t-1"}`},
		{"what is spelt out wins", `{"torrent_task_id":"mine","subtask_index":"7"}`, `t-1`, ``, 0, -1, `{subtask_index="7", torrent_task_id="mine"}`},
		{"an empty label is none", `{"torrent_task_id":"","host":"","subtask_index":""}`, `t-1`, ``, 0, -1, `{}`},
		{"own labels win over all", `{"host":"a"}`, `t-1`, `{"host":"b","subtask_index":"9","<x>":"y"}`, 0, -1, `{host="b", subtask_index="9", torrent_task_id="t-1", x="y"}`},
		{"own labels take away", `{"host":"a"}`, `t-1`, `{"host":""}`, -1, -1, `{torrent_task_id="t-1"}`},
	} {
		t.Run(c.doc, func(t *testing.T) {
			raw := []byte(c.labels)
			if c.labels == "" {
				raw = nil
			}
			common, err := SourceLabels(raw, []byte(c.task))
			if err != nil {
				t.Fatal(err)
			}
			before := slices.Clone(common)
			got, err := PointLabels(common, c.subtask, c.attempt, []byte(c.own))
			if err != nil || got.String() != c.want {
				t.Errorf("%s, error %v; want %s", got, err, c.want)
			}
			if d := cmp.Diff(before, common); d != "" {
				t.Errorf("the common labels changed: %s", d)
			}
		})
	}
	if _, err := SourceLabels([]byte(`{"a":1}`), nil); err == nil {
		t.Error("a number is no label")
	}
	if _, err := PointLabels(metric.Labels{}, 0, 0, []byte(`[]`)); err == nil {
		t.Error("a list is no label")
	}
}
