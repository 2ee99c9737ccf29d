package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
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
	if _, err := first.PromoteCanary(ctx, pusher, ""); err != nil {
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
	later := c.again()
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

// canaryFleet are two instances of one fleet, and a canary of 20 % that both run.
func canaryFleet(t *testing.T) (first, second instance, begun CanaryStatus) {
	t.Helper()
	cfg := testConfig(t, dropping("a"))
	cfg.AllowPush = true
	cfg.Brokers = roomyBroker(t)
	first, second = startInstance(t, cfg), startInstance(t, cfg)
	begun, _, err := first.Canary(context.Background(), pusher, CanaryRequest{Candidate: candidate("b"), Share: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	second.awaitCanary(t, "begun", func(s *CanaryStatus) bool { return s.Revision == begun.Revision && s.Ended == "" })
	return first, second, begun
}

func (r instance) awaitCanary(t *testing.T, what string, done func(*CanaryStatus) bool) {
	t.Helper()
	eventually(t, func() string {
		if s := r.Rollout().Canary; s == nil || !done(s) {
			return fmt.Sprintf("%s: %+v", what, s)
		}
		return ""
	})
}

// Of two changes of one canary at once, in two instances, one is refused, and both
// instances come to run what the other says.
func TestTwoChangesOfACanaryAtOnce(t *testing.T) {
	first, second, _ := canaryFleet(t)
	ctx := context.Background()
	change := map[string]func(instance) error{
		"grow": func(r instance) error {
			_, _, err := r.Canary(ctx, pusher, CanaryRequest{Share: 0.3})
			return err
		},
		"other steps": func(r instance) error {
			_, _, err := r.Canary(ctx, pusher, CanaryRequest{Share: 0.2, Steps: []float64{0.9}, Every: time.Hour})
			return err
		},
		"abort": func(r instance) error {
			_, err := r.AbortCanary(ctx, pusher, "", "no need")
			return err
		},
	}
	for _, pair := range [][2]string{{"grow", "other steps"}, {"other steps", "grow"}, {"grow", "abort"}} {
		tag := first.Rollout().Tag
		eventually(t, func() string {
			if now := second.Rollout().Tag; now != tag {
				return "tag " + tag + " in the second instance, which is at " + now
			}
			return ""
		})
		var errs [2]error
		var both sync.WaitGroup
		both.Go(func() { errs[0] = change[pair[0]](first) })
		both.Go(func() { errs[1] = change[pair[1]](second) })
		both.Wait()
		switch {
		case errs[0] == nil && errs[1] == nil: // one after the other: the second knew of the first
		case (errs[0] == nil) == (errs[1] == nil), !errors.Is(errors.Join(errs[:]...), ErrConflict) && !errors.Is(errors.Join(errs[:]...), ErrRollout):
			t.Fatalf("%v: %v", pair, errs)
		}
		eventually(t, func() string {
			a, b := first.Rollout(), second.Rollout()
			if a.Tag == tag || a.Tag != b.Tag || a.Canary.Share != b.Canary.Share || !slices.Equal(a.Canary.Steps, b.Canary.Steps) || a.Canary.Ended != b.Canary.Ended {
				return fmt.Sprintf("%v: the same canary in both: %+v and %+v", pair, a.Canary, b.Canary)
			}
			return ""
		})
	}
}

// What an instance has not taken up yet, it does not write over.
func TestAChangeOfACanaryThatIsBehind(t *testing.T) {
	first, second, begun := canaryFleet(t)
	ctx := context.Background()
	second.reloading.Lock() // it takes nothing up
	if _, _, err := first.Canary(ctx, pusher, CanaryRequest{Share: 0.2, Steps: []float64{0.5}, Every: time.Hour}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if now, _ := second.canaries().Newest(); now.N != 2 {
			return "the change on the topic"
		}
		return ""
	})
	late := second.rollouts.canary.Load().again()
	if err := second.share(ctx, late); !errors.Is(err, ErrConflict) {
		t.Errorf("another part: %v", err)
	}
	if err := second.unshare(ctx, late, "aborted", false); !errors.Is(err, ErrConflict) {
		t.Errorf("its end: %v", err)
	}
	second.reloading.Unlock()
	second.awaitCanary(t, "other steps", func(s *CanaryStatus) bool { return len(s.Steps) == 1 && s.Share == 0.2 && s.Ended == "" })

	tag := second.Rollout().Tag
	if _, _, err := second.Canary(ctx, pusher, CanaryRequest{Share: 0.4, Base: tag}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"promoted": func() error { _, err := second.PromoteCanary(ctx, pusher, tag); return err }(),
		"aborted":  func() error { _, err := second.AbortCanary(ctx, pusher, tag, ""); return err }(),
		"grown": func() error {
			_, _, err := second.Canary(ctx, pusher, CanaryRequest{Share: 0.5, Base: tag})
			return err
		}(),
		"nonsense": func() error { _, err := second.AbortCanary(ctx, pusher, "x", ""); return err }(),
	} {
		if !errors.Is(err, ErrConflict) {
			t.Errorf("%s by an old tag: %v", what, err)
		}
	}
	first.awaitCanary(t, "grown", func(s *CanaryStatus) bool { return s.Share == 0.4 })
	if _, err := second.PromoteCanary(ctx, pusher, second.Rollout().Tag); err != nil {
		t.Fatal(err)
	}
	first.awaitPolicies(t, "promoted", func(p *PolicyStatus) bool { return p.Revision == begun.Revision })
	first.awaitCanary(t, "promoted", func(s *CanaryStatus) bool { return strings.HasPrefix(s.Ended, "promoted") })
}

// The canary of the fleet is there before a hop is opened: what is read first is
// governed as it was before the instance ended.
func TestACanaryIsTakenUpBeforeRecords(t *testing.T) {
	first, _, begun := canaryFleet(t)
	r, _, err := New(t.Context(), first.cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.control.Store(first.control.Load())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = r.resumeCanary(ctx, func() {
		if s := r.Rollout().Canary; s == nil || s.Revision != begun.Revision || s.Share != begun.Share || s.Ended != "" {
			t.Errorf("when it is ready: %+v", s)
		}
		cancel()
	})
	if err != nil {
		t.Error(err)
	}
}

// A canary that has left a bound is ended here also while the fleet cannot be told, and
// does not come back; the fleet is told as soon as it can be.
func TestACanaryIsAbortedWhileTheFleetCannotBeTold(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "flink.native"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := testConfig(t, dropping("a"))
	cfg.Brokers = c.ListenAddrs()
	r := startInstance(t, cfg)
	if _, _, err := r.Canary(t.Context(), pusher, CanaryRequest{Candidate: candidate("b"), Share: 0.5}); err != nil {
		t.Fatal(err)
	}
	mute := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: controlTopic, Err: kerr.NotLeaderForPartition, Count: -1})
	in, out := tasksOf(0.5)
	at, lines := time.Now().UnixMilli()-enough, []string(nil)
	for i := range int64(enough) {
		lines = append(lines, flat(in, "b", "gauge", at+i, "1"), flat(out, "b", "gauge", at+i, "1"))
	}
	r.publish(t, "flink.native", lines...)
	r.awaitCanary(t, "aborted", func(s *CanaryStatus) bool { return strings.HasPrefix(s.Ended, "aborted: 0.0 % of its samples") })
	r.joinCanary(t.Context())
	if s := r.Rollout().Canary; s.Ended == "" {
		t.Errorf("it has come back: %+v", s)
	}
	mute.Remove()
	eventually(t, func() string {
		if now, _ := r.canaries().Newest(); now.Ended == "" {
			return fmt.Sprintf("the fleet knows of %+v", now)
		}
		return ""
	})
	r.audited(t, AuditEntry{Operation: "abortCanary", Target: "canary", Reason: r.Rollout().Canary.Unhealthy, Before: r.Status().Revision, After: r.Status().Revision})
}
