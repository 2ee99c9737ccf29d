package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	sluice "github.com/sluice-metrics/sluice/plugins/sdk/go"
)

func TestPlugin(t *testing.T) {
	got := plugin.Try(`{"from":"task_name","to":"task","factor":0.001}`,
		sluice.Sample{Name: "latency", Labels: map[string]string{"task_name": "orders"}, Value: 250})
	want := []sluice.Sample{{Name: "latency", Labels: map[string]string{"task": "orders"}, Value: 0.25}}
	if d := cmp.Diff(want, got.Samples); d != "" {
		t.Error(d)
	}
	if got = plugin.Try(`{"from":"a","to":"b"}`); got.Reason != "config: factor: is missing" {
		t.Errorf("a config without a factor: %q", got.Reason)
	}
}
