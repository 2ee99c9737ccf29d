package runtime

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// changesTimed is how often each way of changing policies is timed.
const changesTimed = 10

// told logs how long changes took until every worker ran them.
func told(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	t.Logf("%s: median %v, longest %v of %d", what, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), len(took))
}

// live waits until all workers of the instances run a revision: the one named, or
// another one than before.
func live(t *testing.T, is func(revision string) bool, all ...instance) {
	t.Helper()
	for _, r := range all {
		r.awaitPolicies(t, "a set that is live", func(p *PolicyStatus) bool {
			return is(p.Revision) && p.State != PolicyApplying && len(p.Waiting) == 0
		})
	}
}

// A push is live on three instances, whoever takes it.
func TestPushIsLiveOnThree(t *testing.T) {
	t.Parallel()
	cfg := topicConfig(t)
	cfg.Brokers = roomyBroker(t)
	all := []instance{startFollowing(t, cfg), startInstance(t, cfg), startInstance(t, cfg)}
	var took []time.Duration
	for n := range changesTimed {
		began := time.Now()
		out, err := all[n%3].Apply(context.Background(), pusher, pushing(dropping(fmt.Sprint("m", n))))
		if err != nil || !out.Changed || len(out.Waiting) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		if behind := all[n%3].AwaitFleet(t.Context(), out.Revision); len(behind) > 0 {
			t.Fatalf("%v are behind", behind)
		}
		live(t, func(revision string) bool { return revision == out.Revision }, all...)
		took = append(took, time.Since(began))
	}
	told(t, "push to live on three instances", took)
}

// A file that is saved is live, time after time.
func TestSaveIsLiveEachTime(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r := startInstance(t, cfg)
	var took []time.Duration
	for n := range changesTimed {
		before, began := r.Status().Revision, time.Now()
		rewriteSet(t, cfg, policySet(dropping(fmt.Sprint("m", n))))
		live(t, func(revision string) bool { return revision != before }, r)
		took = append(took, time.Since(began))
	}
	told(t, "save to live", took)
}
