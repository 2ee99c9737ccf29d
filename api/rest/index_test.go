package rest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime"
)

func TestPageSaysWhatIsUnusual(t *testing.T) {
	if got := besides(&runtime.Status{Degrade: &runtime.DegradeStatus{Step: "P0"}, Rollout: &runtime.RolloutStatus{}}); got != nil {
		t.Errorf("nothing is unusual, but the page says %q", got)
	}
	got := besides(&runtime.Status{
		Policy:    runtime.PolicyStatus{Refused: &runtime.RefusedPolicy{Error: "policy.cue:3:1: wrong"}},
		Rollout:   &runtime.RolloutStatus{Canary: &runtime.CanaryStatus{Revision: "0123456789abcdef"}},
		Overrides: make([]runtime.Override, 2),
		Degrade:   &runtime.DegradeStatus{Step: "P2"},
		Streams:   map[string]runtime.Hop{"native": {State: runtime.StreamPaused}, "custom": {}},
	})
	want := [][2]string{
		{"refused policies", "policy.cue:3:1: wrong"}, {"canary", "0123456789ab"}, {"overrides", "2"},
		{"step of degradation", "P2"}, {"not read", "native is paused"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
