package runtime

import (
	"context"
	"fmt"
	"testing"
)

// Where the policies come from the control topic, a canary that is promoted is the
// next revision of the history: each instance runs it, be it promoted by hand or by
// its last step, and one that starts later, too.
func TestAPromotedCanaryIsPushed(t *testing.T) {
	t.Parallel()
	cfg := topicConfig(t)
	cfg.Brokers = roomyBroker(t)
	first := startFollowing(t, cfg)
	second := startInstance(t, cfg)
	ctx := context.Background()
	ended := func(r instance) {
		t.Helper()
		eventually(t, func() string {
			if s := r.Rollout().Canary; s == nil || s.Ended == "" {
				return fmt.Sprintf("the end of the canary: %+v", s)
			}
			return ""
		})
	}
	base := first.Revision()
	begun, _, err := first.Canary(ctx, pusher, CanaryRequest{Candidate: Candidate{Files: push(t, first, "a").Files, Reason: "for the test"}, Share: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.PromoteCanary(ctx, pusher); err != nil {
		t.Fatal(err)
	}
	second.awaitPolicies(t, "promoted by hand", func(p *PolicyStatus) bool { return p.Revision == begun.Revision && p.Origin.By == "ann" })
	if h := second.History(); len(h) != 2 || h[0].Revision != begun.Revision || h[0].Base != base || !h[0].InForce {
		t.Errorf("%+v", h)
	}
	ended(second)

	q := CanaryRequest{
		Candidate: Candidate{Files: push(t, first, "b").Files, Reason: "for the test"}, Share: 0.5, Steps: []float64{1}, Every: MaxCanaryStep,
	}
	next, _, err := second.Canary(ctx, pusher, q)
	if err != nil {
		t.Fatal(err)
	}
	second.reloading.Lock() // a day later
	c := second.rollouts.canary.Load()
	later := c.with(c.rev)
	later.changed = c.changed.Add(-2 * MaxCanaryStep)
	second.rollouts.canary.Store(later)
	second.reloading.Unlock()
	for name, r := range map[string]instance{"first": first, "second": second, "third": startInstance(t, cfg)} {
		r.awaitPolicies(t, name, func(p *PolicyStatus) bool { return p.Revision == next.Revision })
	}
	ended(first)
	second.audited(t, AuditEntry{
		Operation: "promoteCanary", Target: "canary", Reason: "its last step, as ann asked for", Before: begun.Revision, After: next.Revision,
	})
	if _, _, err := first.Canary(ctx, pusher, CanaryRequest{Candidate: Candidate{Files: push(t, first, "c").Files, Reason: "one more"}, Share: 0.5}); err != nil {
		t.Errorf("another canary: %v", err)
	}
}
