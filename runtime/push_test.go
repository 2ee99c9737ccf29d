package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// pushing is a request with one file.
func pushing(body string) ApplyRequest {
	return ApplyRequest{Files: map[string]string{"policy.cue": policySet(body)}, Reason: "for the test"}
}

// topicConfig is that of an instance that follows the control topic.
func topicConfig(t *testing.T) Config {
	cfg := testConfig(t, simpleSet)
	cfg.Policies = sourceTopic
	return cfg
}

var pusher = Actor{Name: "ann", Role: RoleOperator, Address: "192.0.2.1:1"}

// startFollowing starts an instance that follows the topic, with a first push.
func startFollowing(t *testing.T, cfg Config) instance {
	t.Helper()
	return startAdjusted(t, cfg, func(r *Runtime) {
		pushed := make(chan error, 1)
		t.Cleanup(func() {
			if err := <-pushed; err != nil && !errors.Is(err, ErrConflict) { // another instance was first
				t.Errorf("the first push: %v", err)
			}
		})
		go func() {
			err := r.awaitControl(t.Context()) // longer than a push would
			if err == nil && len(r.History()) == 0 {
				_, err = r.Apply(t.Context(), Actor{}, pushing(simpleSet))
			}
			pushed <- err
		}()
	})
}

// A push reaches every instance, and one that starts later runs it from its first record on.
func TestPushReachesTheFleet(t *testing.T) {
	t.Parallel()
	cfg := topicConfig(t)
	cfg.Brokers = roomyBroker(t)
	first, second := startFollowing(t, cfg), startInstance(t, cfg)
	before := first.Status().Revision
	out, err := first.Apply(context.Background(), pusher, push(t, first, "a"))
	if err != nil || !out.Changed || out.Before != before || out.Number != 2 || len(out.Waiting) > 0 {
		t.Fatalf("%+v, error %v", out, err)
	}
	second.awaitPolicies(t, "the second instance", func(p *PolicyStatus) bool { return p.Revision == out.Revision })
	third := startInstance(t, cfg)
	for name, i := range map[string]instance{"first": first, "second": second, "third": third} {
		p := i.PolicyStatus()
		if p.Revision != out.Revision || p.Origin.Kind != OriginPush || p.Origin.By != "ann" || p.Origin.Reason != "for the test" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	next, err := third.Apply(context.Background(), pusher, push(t, third, "b"))
	if err != nil {
		t.Fatal(err)
	}
	first.awaitPolicies(t, "the first instance", func(p *PolicyStatus) bool { return p.Revision == next.Revision })
	if _, err := first.Rollback(context.Background(), pusher, out.Revision[:8], "back"); err != nil {
		t.Fatal(err)
	}
	second.awaitPolicies(t, "rolled back", func(p *PolicyStatus) bool {
		return p.Revision == out.Revision && p.Origin.Kind == OriginRollback && p.Origin.Reason == "back"
	})
	history := second.History()
	if len(history) != 4 || history[0].Revision != out.Revision || !history[0].InForce || history[1].Revision != next.Revision || history[2].InForce || history[0].Number != 4 {
		t.Errorf("%+v", history)
	}
	changes, err := first.Diff(next.Revision, "")
	if err != nil || len(changes) != 2 {
		t.Errorf("%+v, error %v", changes, err)
	}
}

// push asks for the topology that the default set has, with one rule more.
func push(t *testing.T, r instance, metric string) ApplyRequest {
	t.Helper()
	text := `package policies
import "github.com/sluice-metrics/sluice/schema"
policy: schema.#Policy & {
	team: "platform"
`
	for name, s := range r.opened().streams() {
		text += fmt.Sprintf("\tstream: %q: %s\n", name, jsonOf(t, s))
	}
	for name, s := range r.opened().sinks() {
		text += fmt.Sprintf("\tsink: %q: %s\n", name, jsonOf(t, s))
	}
	text += fmt.Sprintf("\tcontrol: \"drop-%[1]s\": schema.#Drop & {description: \"for the test\", reason: \"for the test\", tier: \"tenant\", match: metrics: [%[1]q]}\n}\n", metric)
	return ApplyRequest{Files: map[string]string{"policy.cue": text}, Reason: "for the test"}
}

// Of two changes at once one wins, and the other is told.
func TestTwoAppliesAtOnce(t *testing.T) {
	t.Parallel()
	cfg := topicConfig(t)
	cfg.Brokers = roomyBroker(t)
	one, two := startFollowing(t, cfg), startInstance(t, cfg)
	base := one.Status().Revision
	var errs [2]error
	var wait sync.WaitGroup
	for i, r := range []instance{one, two} {
		req := push(t, r, fmt.Sprint("m", i))
		req.Base = base
		wait.Go(func() { _, errs[i] = r.Apply(context.Background(), pusher, req) })
	}
	wait.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs[:]...), ErrConflict) {
		t.Errorf("errors %v", errs)
	}
	eventually(t, func() string {
		if a, b := one.Status().Revision, two.Status().Revision; a != b || a == base {
			return fmt.Sprintf("%s and %s, base %s", a, b, base)
		}
		return ""
	})
	if n := len(one.History()); n != 2 {
		t.Errorf("%d revisions in the history", n)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	r := startFollowing(t, topicConfig(t))
	before := r.Status().Revision
	right := push(t, r, "a")
	with := func(change func(req *ApplyRequest)) ApplyRequest {
		req := right
		change(&req)
		return req
	}
	for name, tt := range map[string]struct {
		by   Actor
		req  ApplyRequest
		want error
		says string
	}{
		"no file":      {pusher, ApplyRequest{}, ErrRejected, "0 files"},
		"a path out":   {pusher, ApplyRequest{Files: map[string]string{"../x.cue": ""}}, ErrRejected, "no path"},
		"a file below": {pusher, ApplyRequest{Files: map[string]string{"a.cue": "", "a.cue/b.cue": ""}}, ErrRejected, "is a file"},
		"no policy":    {pusher, ApplyRequest{Files: map[string]string{"a.cue": "package policies\n"}}, ErrRejected, ""},
		"too much":     {pusher, ApplyRequest{Files: map[string]string{"a.cue": strings.Repeat(" ", MaxCandidateBytes+1)}}, ErrRejected, "at most"},
		"another base": {pusher, with(func(req *ApplyRequest) { req.Base = "f00" }), ErrConflict, "is in force"},
		"another plan": {pusher, with(func(req *ApplyRequest) { req.Plan = &PlanBinding{Revision: "f00", Base: before} }), ErrConflict, "plan again"},
		"another team": {Actor{Name: "bob", Role: RoleOperator, Teams: []string{"billing"}}, right, ErrForeignTeam, "billing"},
		"no stream":    {pusher, ApplyRequest{Files: map[string]string{"policy.cue": policySet(storeSink)}}, ErrRejected, "no stream"},
	} {
		out, err := r.Apply(context.Background(), tt.by, tt.req)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, error %v, want %v %s", name, out, err, tt.want, tt.says)
		}
		if now := r.Status().Revision; now != before {
			t.Fatalf("%s: revision %s runs", name, now)
		}
	}
	var rejected *RejectedError
	_, err := r.Apply(context.Background(), pusher, with(func(req *ApplyRequest) {
		req.Files = map[string]string{"policy.cue": strings.Replace(right.Files["policy.cue"], `"tenant"`, `"boss"`, 1)}
	}))
	if !errors.As(err, &rejected) || len(rejected.Report.Findings) == 0 || rejected.Report.Source("policy.cue") == nil {
		t.Errorf("error %v", err)
	}
	for revision, want := range map[string]error{"": ErrUnknown, "abc": ErrRejected, "zzzzzzzz": ErrRejected, "abcdef01": ErrUnknown} {
		if _, err := r.Rollback(context.Background(), pusher, revision, ""); !errors.Is(err, want) {
			t.Errorf("rollback to %q: error %v, want %v", revision, err, want)
		}
	}
}

// A directory is the only source unless the pusher allows a push, which holds
// until the directory changes.
func TestPushBesideADirectory(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	t.Run("is refused", func(t *testing.T) {
		r := startInstance(t, cfg)
		if _, err := r.Apply(context.Background(), pusher, pushing(dropping("b"))); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "--allow-push") {
			t.Errorf("error %v", err)
		}
		if _, err := r.Rollback(context.Background(), pusher, "", ""); !errors.Is(err, ErrForeign) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("is allowed", func(t *testing.T) {
		cfg.AllowPush = true
		r := startInstance(t, cfg)
		out, err := r.Apply(context.Background(), pusher, pushing(dropping("b")))
		if err != nil {
			t.Fatal(err)
		}
		if p := r.PolicyStatus(); !p.Pushed || p.Revision != out.Revision {
			t.Errorf("%+v", p)
		}
		rewriteSet(t, cfg, policySet(dropping("c")))
		r.awaitPolicies(t, "the directory again", func(p *PolicyStatus) bool { return !p.Pushed && p.Revision != out.Revision })
	})
}

// What was pushed before an instance with a directory began to read the control topic
// is not taken up, however late that is; what is pushed then is.
func TestAnOldPushIsNotTakenUp(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.AllowPush = true
	first := startInstance(t, cfg)
	if _, err := first.Apply(t.Context(), pusher, pushing(dropping("b"))); err != nil {
		t.Fatal(err)
	}
	cfg.Brokers = first.Status().Brokers
	out := &logged{}
	r, _, err := New(t.Context(), cfg, Options{Log: slog.New(slog.NewTextHandler(out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := kafka.NewControl(r.kafka, controlTopic)
	if err != nil {
		t.Fatal(err)
	}
	r.control.Store(topic)
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	follows := make(chan struct{})
	parts.Go(func() { _ = r.followPushes(ctx, func() { close(follows) }) })
	<-follows
	parts.Go(func() { _ = topic.Run(ctx, func() {}) })
	eventually(t, func() string {
		if r.behind(control.Revision{N: 1}) {
			return "the topic is not read, or the push is taken for a new one"
		}
		return ""
	})
	last, err := first.Apply(t.Context(), pusher, pushing(dropping("c")))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if now := r.Revision(); now != last.Revision {
			return "it runs " + now
		}
		return ""
	})
	eventually(t, func() string { // which is said after the fact
		switch n := strings.Count(out.String(), "policies are in force"); {
		case n > 1:
			t.Fatalf("%d sets were put in force:\n%s", n, out)
		case n == 0:
			return "no set was put in force"
		}
		return ""
	})
}

// A pushed set that takes nearly everything away is pushed back for the whole fleet.
func TestRollbackOfAPush(t *testing.T) {
	t.Parallel()
	cfg := topicConfig(t)
	cfg.Probation.For = "50ms"
	r := startFollowing(t, cfg)
	good, err := r.Apply(context.Background(), pusher, push(t, r, "none"))
	if err != nil {
		t.Fatal(err)
	}
	r.awaitPolicies(t, "good", func(p *PolicyStatus) bool { return p.LastGood == good.Revision })
	r.nothingPasses()
	bad, err := r.Apply(context.Background(), pusher, push(t, r, "other"))
	if err != nil {
		t.Fatal(err)
	}
	r.rollBack(context.Background(), r.rev.Load(), "for the test")
	p := r.awaitPolicies(t, "back", func(p *PolicyStatus) bool { return p.Revision == good.Revision })
	if h := r.History(); len(h) != 4 || h[0].Revision != good.Revision || h[0].Base != bad.Revision || h[0].Origin.Kind != OriginRollback {
		t.Errorf("%+v, %+v", p, h)
	}
	r.audited(t, AuditEntry{Operation: "rollBackPolicies", Target: good.Revision, Reason: "for the test", Before: bad.Revision, After: good.Revision})
}

// audited waits until the newest entry of an operation is one that the instance did by itself.
func (r instance) audited(t *testing.T, want AuditEntry) {
	t.Helper()
	want.Actor, want.Result = Actor{Name: "sluice"}, AuditDone
	eventually(t, func() string {
		trail := r.AuditTrail(AuditFilter{Operation: want.Operation})
		if len(trail) == 0 {
			return "no entry of " + want.Operation
		}
		got := trail[0]
		got.ID, got.At, got.Instance = "", time.Time{}, ""
		return cmp.Diff(want, got)
	})
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
