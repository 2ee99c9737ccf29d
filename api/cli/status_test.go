package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// What is wrong, and what holds for now, stands out on a terminal and is said
// without colours, too.
func TestStatusText(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := runtime.Status{
		Version: "v1", Revision: strings.Repeat("a", 64), Policies: "git", Started: now.Add(-26 * time.Hour), Ready: false, Waiting: "not ready: the broker",
		Policy:  runtime.PolicyStatus{State: runtime.PolicyProbation, Origin: runtime.Origin{Commit: strings.Repeat("c", 40)}, Refused: &runtime.RefusedPolicy{Error: "policy.cue:3:1: wrong", Findings: []diag.Diagnostic{{}}}},
		Brokers: []string{"k:9092"},
		Degrade: &runtime.DegradeStatus{Step: "P2", Hand: &runtime.DegradeHand{Until: now.Add(90 * time.Minute), Reason: "moving"}},
		Streams: map[string]runtime.Hop{"native": {Imbalance: 3, Gaps: 1, Error: "the sink is full", Partitions: []runtime.Partition{{Topic: "t", ID: 1, Lag: 12_345, Error: "gone"}}},
			"custom": {State: runtime.StreamPaused, Halt: &runtime.Halt{By: "ann", Reason: "the store moves", Since: now.Add(-time.Hour), Until: now.Add(5 * time.Minute)}}},
		Overrides: make([]runtime.Override, 2),
		Rollout:   &runtime.RolloutStatus{Canary: &runtime.CanaryStatus{Revision: strings.Repeat("b", 64), Share: .05}, Shadow: &runtime.ShadowStatus{Revision: strings.Repeat("d", 64)}},
	}
	plain := (&statusText{url: "http://h", now: now}).draw(&s)
	for _, want := range []string{
		"http://h  not ready: the broker, up 1d2h, sluice v1\n", "revision  aaaaaaaaaaaa, commit cccccccccccc, probation\n",
		"canary    bbbbbbbbbbbb on 5 % of the tasks; see", "shadow    dddddddddddd; see", "override  2 overrides in force; ",
		"not read  custom is paused: the store moves, by ann, for 1h, goes on in 5m\n",
		"degrade   step P2, by hand for another 1h30m: moving\n", "native        0        0    0       0  0 ms   12.3k\n",
		"\nwrong\n  policies: the source has a set that does not run: policy.cue:3:1: wrong\n", "  native: the sink is full\n", "  native: t/1: gone\n",
		"  native: the ledger does not account for 3 samples\n", "  native: gone before they could be read: 1 record\n",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("there is no %q in\n%s", want, plain)
		}
	}
	if strings.Contains(plain, "\x1b") {
		t.Error("there are colours")
	}
	for line := range strings.Lines(plain) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	painted := (&statusText{url: "http://h", now: now, color: true}).draw(&s)
	if !strings.Contains(painted, "\x1b[31mwrong\x1b[0m") || !strings.Contains(painted, "\x1b[33mnot ready") {
		t.Errorf("there are no colours in\n%q", painted)
	}
	fine := (&statusText{url: "http://h", now: now, color: true}).draw(&runtime.Status{Ready: true})
	if strings.Contains(plain, "every sample is accounted for") {
		t.Error("samples that are not accounted for are")
	}
	one := (&statusText{url: "http://h", now: now}).draw(&runtime.Status{Streams: map[string]runtime.Hop{"native": {SamplesIn: 1, DeadLetters: map[string]uint64{"not-json": 1}}}})
	if !strings.Contains(one, "every sample is accounted for\n\nwrong\n  native: 1 record that cannot be read: not-json\n") {
		t.Errorf("what is wrong hides that the ledger is right:\n%s", one)
	}
	if strings.Contains(fine, "wrong") || !strings.Contains(fine, "\x1b[32mready") || !strings.Contains(fine, "every sample is accounted for") {
		t.Errorf("%q", fine)
	}
}
