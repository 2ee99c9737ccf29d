package policy

import (
	"testing"
	"time"
)

func TestPluginBounds(t *testing.T) {
	for _, tt := range []struct {
		in   PluginBounds
		want PluginLimits
		bad  string
	}{
		{PluginBounds{}, PluginLimits{}, ""},
		{PluginBounds{Pages: 1024, Batch: "10s"}, PluginLimits{1024, 10 * time.Second}, ""},
		{PluginBounds{Pages: 1, Batch: "1ms"}, PluginLimits{1, time.Millisecond}, ""},
		{PluginBounds{Pages: -1}, PluginLimits{}, "pages: -1 is not from 1 to 1024"},
		{PluginBounds{Pages: 1025}, PluginLimits{}, "pages: 1025 is not from 1 to 1024"},
		{PluginBounds{Batch: "11s"}, PluginLimits{}, "batch: 11s is not from 1ms to 10s"},
		{PluginBounds{Batch: "10us"}, PluginLimits{}, "batch: "},
		{PluginBounds{Batch: "soon"}, PluginLimits{}, "batch: "},
	} {
		got, err := tt.in.Limits()
		switch {
		case tt.bad == "" && (err != nil || got != tt.want):
			t.Errorf("%+v: %+v, %v", tt.in, got, err)
		case tt.bad != "" && (err == nil || len(err.Error()) < len(tt.bad) || err.Error()[:len(tt.bad)] != tt.bad):
			t.Errorf("%+v: %v, want %s", tt.in, err, tt.bad)
		}
	}
}
