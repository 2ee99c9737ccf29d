package runtime

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// went lists what of a report went on: task, metric and the set that it names.
func (r instance) went(t *testing.T, at int64) (out []string) {
	t.Helper()
	for _, rec := range everything(t, r.Status().Brokers, "sluice.processed") {
		var x struct {
			Task   string `json:"torrent_task_id"`
			At     int64  `json:"report_timestamp"`
			Metric string
			Labels map[string]string
			End    bool
		}
		if err := json.Unmarshal(rec.Value, &x); err != nil {
			t.Fatal(err)
		}
		if x.At == at && !x.End {
			out = append(out, x.Task+" "+x.Metric+" by "+x.Labels["by"])
		}
	}
	slices.Sort(out)
	return out
}

// What is switched off during a canary is off in both of its sets, be it a task, a rule
// that both have, or one of the canary only; a canary that begins under an override is
// under it, too. The canary goes on as it was.
func TestOverridesHoldOnBothSidesOfACanary(t *testing.T) {
	t.Parallel()
	both := "\n\tcontrol: \"drop-c\": schema.#Drop & {description: \"for the test\", reason: \"for the test\", tier: \"tenant\", match: metrics: [\"c\"]}"
	r := startInstance(t, testConfig(t, dropping("a")+both))
	in, out := tasksOf(0.5)
	records, at := uint64(0), time.Now().Add(-time.Minute).UnixMilli()
	want := func(step string, want ...string) {
		t.Helper()
		at += 1000
		for _, task := range []string{in, out} {
			r.publish(t, "flink.native", flat(task, "a", "gauge", at, "1"), flat(task, "b", "gauge", at, "2"), flat(task, "c", "gauge", at, "3"))
		}
		records += 6
		r.settled(t, false, "native", records)
		slices.Sort(want)
		if diff := cmp.Diff(want, r.went(t, at)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	off := func(kind, target string) (end func()) {
		t.Helper()
		o, err := r.SetOverride(t.Context(), operator, OverrideRequest{Kind: kind, Target: target, For: time.Hour, Reason: "for the test"})
		if err != nil || o.Idle != "" {
			t.Fatalf("%+v, %v", o, err)
		}
		return func() {
			t.Helper()
			if err := r.EndOverride(t.Context(), operator, o.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	dropsC := off(OverrideRule, "drop-c")
	want("before the canary", in+" b by a", in+" c by a", out+" b by a", out+" c by a")
	set := Candidate{Files: map[string]string{"policy.cue": policySet(dropping("b") + both)}, Reason: "for the test"}
	begun, _, err := r.Canary(t.Context(), pusher, CanaryRequest{Candidate: set, Share: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	was := r.rollouts.canary.Load()
	want("begun under an override", in+" a by b", in+" c by b", out+" b by a", out+" c by a")
	dropsC()
	want("a rule of both is on again", in+" a by b", out+" b by a")
	dropsC = off(OverrideRule, "drop-c")
	want("a rule of both is off", in+" a by b", in+" c by b", out+" b by a", out+" c by a")
	governed := off(OverrideTask, in)
	want("a task of the canary is off", out+" b by a", out+" c by a")
	rest := off(OverrideTask, out)
	want("both tasks are off")
	governed()
	rest()
	dropsC()
	dropsB := off(OverrideRule, "drop-b")
	want("a rule of the canary only is off", in+" a by b", in+" b by b", out+" b by a")
	dropsB()
	want("all is as it was", in+" a by b", out+" b by a")

	is := r.rollouts.canary.Load()
	if !is.shared || is.compare != was.compare || is.share != was.share || !is.changed.Equal(was.changed) || is.by.Name != pusher.Name {
		t.Errorf("the canary is %+v, and was %+v", is, was)
	}
	eventually(t, func() string {
		if s := r.Rollout().Canary; s.Revision != begun.Revision || s.Canary.Samples != 21 || s.Rest.Samples != 21 {
			return "compared since the canary began: " + jsonOf(t, s)
		}
		return ""
	})
	balanced(t, r.Runtime)
}

// A canary that the fleet knows stays the fleet's while something is overridden: it ends
// in every instance.
func TestAnOverriddenCanaryIsSharedStill(t *testing.T) {
	t.Parallel()
	first, second, begun := canaryFleet(t)
	fleet := map[string]instance{"first": first, "second": second}
	for _, target := range []string{"before", "drop-b"} { // of both sets, and of the canary's
		o, err := second.SetOverride(t.Context(), operator, OverrideRequest{Kind: OverrideRule, Target: target, For: time.Hour, Reason: "for the test"})
		if err != nil {
			t.Fatal(target, err)
		}
		for name, r := range fleet {
			eventually(t, func() string {
				if r.overriding.count() == 0 {
					return name + " does not know of " + target
				}
				return ""
			})
			if list := r.Overrides(); len(list) != 1 || list[0].Idle != "" {
				t.Errorf("%s: %+v", name, list)
			}
			if s := r.Rollout().Canary; s.Revision != begun.Revision || s.Ended != "" || !r.rollouts.canary.Load().shared {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if err := first.EndOverride(t.Context(), operator, o.ID); err != nil {
			t.Fatal(err)
		}
		for name, r := range fleet {
			eventually(t, func() string {
				if r.overriding.count() != 0 {
					return name + " does not know of the end of " + target
				}
				return ""
			})
		}
	}
	if _, err := second.AbortCanary(t.Context(), pusher, "", "no need"); err != nil {
		t.Fatal(err)
	}
	for name, r := range fleet {
		r.awaitCanary(t, name, func(s *CanaryStatus) bool { return s.Ended == "aborted by ann: no need" })
	}
}
