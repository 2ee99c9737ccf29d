package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// candidate is a set that drops one metric.
func candidate(metric string) Candidate {
	return Candidate{Files: map[string]string{"policy.cue": policySet(dropping(metric))}, Reason: "for the test"}
}

// tasksOf returns a task that a share has, and one that it has not.
func tasksOf(share float64) (in, out string) {
	for i := 0; in == "" || out == ""; i++ {
		if task := fmt.Sprint("t-", i); program.ShareOfTasks(share).Takes(task) {
			in = task
		} else {
			out = task
		}
	}
	return in, out
}

func TestACanaryGovernsItsTasks(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.AllowPush = true
	r := startInstance(t, cfg)
	ctx, admin := context.Background(), Actor{Name: "ann", Role: RoleAdmin}
	in, out := tasksOf(0.5)
	now := time.Now().Truncate(time.Millisecond)
	send := func(at time.Time) {
		for _, task := range []string{in, out} {
			r.publish(t, "flink.native", flat(task, "a", "gauge", at.UnixMilli(), "1"), flat(task, "b", "gauge", at.UnixMilli(), "2"))
		}
	}
	series := func(task, name, by string) string {
		return fmt.Sprintf(`{"__name__":%q,"by":%q,"torrent_task_id":%q}`, name, by, task)
	}
	send(now.Add(-3 * time.Second))
	r.stored(t, `{__name__=~".+"}`, now.Add(-2*time.Second), map[string]string{series(in, "b", "a"): "2", series(out, "b", "a"): "2"})
	base := r.Status().Revision
	before, err := r.Collect(ctx, in, "", never, 0)
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan *Document)
	go func() {
		d, _ := r.Collect(ctx, in, "", func(tag string) bool { return tag == before.Tag }, time.Hour)
		woken <- d
	}()

	s, report, err := r.Canary(ctx, admin, CanaryRequest{Candidate: candidate("b"), Share: 0.5})
	if err != nil || report.Refused() || s.Base != base || s.Revision == base {
		t.Fatalf("%+v, %v, %v", s, report.Findings, err)
	}
	if ids, rev := rulesOf(t, <-woken); !slices.Contains(ids, "platform/drop-b drop") || rev != s.Revision {
		t.Errorf("who waited got rules %v of %s", ids, rev)
	}
	if d, _ := r.Collect(ctx, out, "", never, 0); d.Tag != before.Tag {
		t.Errorf("a task of the rest gets %s", d.JSON)
	}
	send(now.Add(-time.Second))
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{series(in, "a", "b"): "1", series(out, "b", "a"): "2"})
	for task, want := range map[string]string{in: s.Revision, out: base} {
		a, err := r.Explain(explain.Question{Series: fmt.Sprintf(`a{torrent_task_id=%q}`, task)})
		if err != nil || a.Revision != want || a.Canary == "" {
			t.Errorf("%s: explained by %s (%s), error %v, want %s", task, a.Revision, a.Canary, err, want)
		}
	}
	if a, err := r.Explain(explain.Question{Rule: "platform/drop-b"}); err != nil || a.Revision != s.Revision {
		t.Errorf("a rule that only the canary has is explained by %s, error %v", a.Revision, err)
	}
	eventually(t, func() string { // what is stored is counted a little later
		if got := r.Rollout().Canary; got.Canary.Samples != 2 || got.Rest.Samples != 2 || got.Canary.Dispositions["dropped"] != 1 || got.Canary.On != 0.5 {
			return fmt.Sprintf("compared: %+v", got)
		}
		return ""
	})
	if _, _, err := r.Canary(ctx, admin, CanaryRequest{Candidate: candidate("b"), Share: 0.5}); !errors.Is(err, ErrRollout) {
		t.Errorf("a second canary: %v", err)
	}

	if s, err := r.PromoteCanary(ctx, admin, ""); err != nil || !strings.Contains(s.Ended, "promoted by ann") || r.Status().Revision != s.Revision {
		t.Fatalf("%+v, %v, revision %s", s, err, r.Status().Revision)
	}
	send(now)
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{series(in, "a", "b"): "1", series(out, "a", "b"): "1"})
	if _, err := r.AbortCanary(ctx, admin, "", ""); !errors.Is(err, ErrRollout) {
		t.Errorf("aborted after it was promoted: %v", err)
	}
	balanced(t, r.Runtime)
}

func TestACanaryIsAborted(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r := startInstance(t, cfg)
	ctx := context.Background()
	base := r.Status().Revision
	begin := func() {
		t.Helper()
		if _, _, err := r.Canary(ctx, Actor{}, CanaryRequest{Candidate: candidate("b"), Share: 0.2}); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	if s, _, err := r.Canary(ctx, Actor{}, CanaryRequest{Share: 0.6}); err != nil || s.Share != 0.6 {
		t.Fatalf("another part: %+v, %v", s, err)
	}
	if s, err := r.AbortCanary(ctx, Actor{Name: "bob"}, "", "no need"); err != nil || s.Ended != "aborted by bob: no need" || r.Status().Revision != base {
		t.Fatalf("%+v, %v", s, err)
	}
	begin()
	rewriteSet(t, cfg, policySet(dropping("c")))
	if _, err := r.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	if s := r.Rollout().Canary; !strings.HasPrefix(s.Ended, "aborted: another set was put in force") {
		t.Errorf("after a reload: %q", s.Ended)
	}
}

// A canary that loses what the rest does not is ended by the instance itself, which
// says so in the audit.
func TestACanaryThatLosesTooMuchIsAborted(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, dropping("a")))
	ctx, base := context.Background(), r.Status().Revision
	in, out := tasksOf(0.5)
	s, _, err := r.Canary(ctx, Actor{Name: "ann"}, CanaryRequest{Candidate: candidate("b"), Share: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	at, lines := time.Now().UnixMilli()-enough, []string(nil)
	for i := range int64(enough) {
		lines = append(lines, flat(in, "b", "gauge", at+i, "1"), flat(out, "b", "gauge", at+i, "1"))
	}
	r.publish(t, "flink.native", lines[:enough]...) // too few to tell
	r.settled(t, false, "native", enough)
	if got := r.Rollout().Canary; got.Ended != "" {
		t.Fatalf("it ended early: %q", got.Ended)
	}
	r.publish(t, "flink.native", lines[enough:]...)
	eventually(t, func() string {
		if got := r.Rollout().Canary; !strings.HasPrefix(got.Ended, "aborted: 0.0 % of its samples go on, and 100.0 % of the rest") {
			return fmt.Sprintf("%+v", got)
		}
		return ""
	})
	if now := r.Status().Revision; now != base {
		t.Errorf("revision %s, want %s", now, base)
	}
	at += 2 * enough
	r.publish(t, "flink.native", flat(in, "a", "gauge", at, "1"), flat(in, "b", "gauge", at, "1"))
	r.stored(t, fmt.Sprintf(`{__name__=~".+",torrent_task_id=%q}`, in), time.UnixMilli(at),
		map[string]string{fmt.Sprintf(`{"__name__":"b","by":"a","torrent_task_id":%q}`, in): "1"})
	eventually(t, func() string {
		for _, e := range r.AuditTrail(AuditFilter{Operation: "abortCanary", Who: "sluice"}) {
			if e.Before == base && strings.Contains(e.Reason, "0.0 % of its samples go on") && s.Revision != base {
				return ""
			}
		}
		return "the audit does not say so"
	})
}

// A canary takes its steps when their time has come.
func TestACanaryMovesByItself(t *testing.T) {
	t.Parallel()
	r, _, err := New(context.Background(), testConfig(t, dropping("a")), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	q := CanaryRequest{Candidate: candidate("b"), Share: 0.05, Steps: []float64{0.25, 0.5}, Every: time.Minute}
	if _, _, err := r.Canary(ctx, Actor{}, q); err != nil {
		t.Fatal(err)
	}
	c := r.rollouts.canary.Load()
	r.lookAtCanary(ctx)
	if r.rollouts.canary.Load() != c {
		t.Fatal("it took a step before its time")
	}
	c.changed = c.changed.Add(-time.Hour)
	r.lookAtCanary(ctx)
	next := r.rollouts.canary.Load()
	if next == nil || next.share != 0.25 || len(next.steps) != 1 {
		t.Fatalf("next: %+v", next)
	}
	next.changed = next.changed.Add(-time.Hour)
	r.lookAtCanary(ctx)
	if last := r.rollouts.canary.Load(); last == nil || last.share != 0.5 || len(last.steps) != 0 || r.rev.Load().digest != c.base.digest {
		t.Errorf("after its last step: %+v", last)
	}
	if _, err := r.PromoteCanary(ctx, Actor{}, ""); !errors.Is(err, ErrForeign) {
		t.Errorf("promoted where the policies come from elsewhere: %v", err)
	}
	q.Steps[1] = 1
	if _, err := r.AbortCanary(ctx, Actor{}, "", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Canary(ctx, Actor{}, q); !errors.Is(err, ErrForeign) {
		t.Errorf("a last step that cannot be taken: %v", err)
	}
}

func TestAShadowSendsNothing(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, dropping("a")))
	now := time.Now().Truncate(time.Millisecond)
	send := func(at time.Time) {
		r.publish(t, "flink.native", flat("t-1", "a", "gauge", at.UnixMilli(), "1"), flat("t-1", "b", "gauge", at.UnixMilli(), "2"),
			flat("t-1", "c", "gauge", at.UnixMilli(), "3"))
	}
	series := func(name string) string {
		return fmt.Sprintf(`{"__name__":%q,"by":"a","torrent_task_id":"t-1"}`, name)
	}
	send(now.Add(-10 * time.Second))
	r.stored(t, `{__name__=~".+"}`, now.Add(-9*time.Second), map[string]string{series("b"): "2", series("c"): "3"})
	s, report, err := r.Shadow(context.Background(), Actor{Name: "ann"}, ShadowRequest{Candidate: candidate("b")})
	if err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	eventually(t, func() string {
		if r.Rollout().Shadow.Ended == "" {
			return "the end of the shadow"
		}
		return ""
	})
	got := r.Rollout().Shadow
	if got.Ended != "every live series is compared" || got.Compared != 3 || got.Total != 3 || got.Revision != s.Revision {
		t.Errorf("%+v", got)
	}
	var moves []string
	for _, m := range got.Impact.Moves {
		moves = append(moves, fmt.Sprintf("%s to %s: %d", m.From, m.To, m.Series))
	}
	slices.Sort(moves)
	if want := []string{"dropped to kept: 1", "kept to dropped: 1"}; !slices.Equal(moves, want) {
		t.Errorf("moves %q, want %q", moves, want)
	}
	if len(got.Impact.Relabels) != 1 || got.Impact.Relabels[0].Series != 1 {
		t.Errorf("relabels: %+v", got.Impact.Relabels)
	}
	send(now)
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{series("b"): "2", series("c"): "3"})
	if _, err := r.EndShadow(Actor{}); !errors.Is(err, ErrRollout) {
		t.Errorf("ended twice: %v", err)
	}
	balanced(t, r.Runtime)
}

// A shadow is compared with the set in force as it is written, whatever is overridden,
// and ends with it, also where there is little to compare.
func TestAShadowEndsWithTheSetInForce(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r := startInstance(t, cfg)
	now := time.Now().UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", now, "1"), flat("t-1", "b", "gauge", now, "2"))
	r.settled(t, false, "native", 2)
	o := OverrideRequest{Kind: OverrideTask, Target: "t-1", For: time.Hour, Reason: "for the test"}
	eventually(t, func() string {
		if _, err := r.SetOverride(t.Context(), pusher, o); err != nil {
			return err.Error()
		}
		return ""
	})
	if _, report, err := r.Shadow(t.Context(), pusher, ShadowRequest{Candidate: candidate("b"), For: MaxShadowTime}); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	eventually(t, func() string {
		if s := r.Rollout().Shadow; s.Passes == 0 || len(s.Impact.Moves) != 2 {
			return fmt.Sprintf("two series that fare otherwise: %+v", s.Impact)
		}
		return ""
	})
	rewriteSet(t, cfg, policySet(dropping("c")))
	if report, err := r.Reload(t.Context()); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	eventually(t, func() string {
		if s := r.Rollout().Shadow; s.Ended != "another set was put in force" {
			return fmt.Sprintf("the end of the shadow: %q", s.Ended)
		}
		return ""
	})
}

func TestRolloutsRefuse(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, dropping("a")))
	ctx := context.Background()
	good := candidate("b")
	files := func(name, text string) Candidate {
		return Candidate{Files: map[string]string{name: text}, Reason: "for the test"}
	}
	for name, tt := range map[string]struct {
		actor Actor
		q     CanaryRequest
		want  error
	}{
		"no share":          {Actor{}, CanaryRequest{Candidate: good}, ErrRejected},
		"more than all":     {Actor{}, CanaryRequest{Candidate: good, Share: 1.5}, ErrRejected},
		"both":              {Actor{}, CanaryRequest{Candidate: good, Share: 0.5, Partitions: []int32{0}}, ErrRejected},
		"a wrong partition": {Actor{}, CanaryRequest{Candidate: good, Partitions: []int32{-1}}, ErrRejected},
		"steps back":        {Actor{}, CanaryRequest{Candidate: good, Share: 0.5, Steps: []float64{0.2}, Every: time.Minute}, ErrRejected},
		"hasty steps":       {Actor{}, CanaryRequest{Candidate: good, Share: 0.5, Steps: []float64{0.8}, Every: time.Second}, ErrRejected},
		"no steps":          {Actor{}, CanaryRequest{Candidate: good, Share: 0.5, Every: time.Minute}, ErrRejected},
		"nothing to change": {Actor{}, CanaryRequest{Share: 0.5}, ErrRollout},
		"no reason":         {Actor{}, CanaryRequest{Candidate: Candidate{Files: good.Files}, Share: 0.5}, ErrRejected},
		"out of the way":    {Actor{}, CanaryRequest{Candidate: files("../x.cue", ""), Share: 0.5}, ErrRejected},
		"no CUE":            {Actor{}, CanaryRequest{Candidate: files("x.yaml", ""), Share: 0.5}, ErrRejected},
		"the one in force":  {Actor{}, CanaryRequest{Candidate: candidate("a"), Share: 0.5}, ErrRejected},
		"another stream":    {Actor{}, CanaryRequest{Candidate: files("policy.cue", policySet(dropping("b")+"\nstream: more: {topics: [\"more\"]}")), Share: 0.5}, ErrRejected},
		"another team":      {Actor{Name: "ann", Role: RoleOperator, Teams: []string{"pay"}}, CanaryRequest{Candidate: good, Share: 0.5}, ErrForeignTeam},
	} {
		if _, _, err := r.Canary(ctx, tt.actor, tt.q); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if _, report, err := r.Canary(ctx, Actor{}, CanaryRequest{Candidate: files("policy.cue", "package policies\npolicy: {"), Share: 0.5}); err != nil || !report.Refused() {
		t.Errorf("no CUE: %v, %v", err, report.Findings)
	}
	if _, _, err := r.Shadow(ctx, Actor{}, ShadowRequest{Candidate: good, For: time.Millisecond}); !errors.Is(err, ErrRejected) {
		t.Errorf("a moment: %v", err)
	}
	if _, err := r.PromoteCanary(ctx, Actor{}, ""); !errors.Is(err, ErrRollout) {
		t.Errorf("nothing to promote: %v", err)
	}
	if x := r.Rollout(); x.Canary != nil || x.Shadow != nil {
		t.Errorf("something runs: %+v", x)
	}
}

// Whatever partitions a canary governs, reporters leave out only what both sets
// would drop.
func TestACanaryOfPartitions(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, dropping("a")))
	ctx := context.Background()
	if _, _, err := r.Canary(ctx, Actor{}, CanaryRequest{Candidate: candidate("b"), Partitions: []int32{0, 1, 2, 3, 4, 5, 6, 7}}); err != nil {
		t.Fatal(err)
	}
	d, err := r.Collect(ctx, "t-1", "", never, 0)
	if err != nil || bytes.Contains(d.JSON, []byte(`"drop"`)) && strings.Contains(string(d.JSON), "drop-a") {
		t.Errorf("%s, %v", d.JSON, err)
	}
	if a, err := r.Explain(explain.Question{Series: `a{torrent_task_id="t-1"}`}); err != nil || !strings.Contains(a.Canary, "partitions [0 1 2 3 4 5 6 7]") {
		t.Errorf("%q, %v", a.Canary, err)
	}
	if text, err := json.Marshal(r.Rollout()); err != nil || !bytes.Contains(text, []byte(`"partitions":[0,1,2,3,4,5,6,7]`)) {
		t.Errorf("%s, %v", text, err)
	}
	now := time.Now().Truncate(time.Millisecond)
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", now.UnixMilli(), "1"), flat("t-1", "b", "gauge", now.UnixMilli(), "2"))
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{`{"__name__":"a","by":"b","torrent_task_id":"t-1"}`: "1"})
}

// A canary that begins in one instance runs in all of the fleet, with the same
// tasks, and is promoted or aborted in all.
func TestACanaryIsTheFleets(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.AllowPush = true
	cfg.Brokers = roomyBroker(t)
	first, second := startInstance(t, cfg), startInstance(t, cfg)
	ctx := context.Background()
	is := func(r instance, what string, done func(*CanaryStatus) bool) {
		t.Helper()
		eventually(t, func() string {
			if s := r.Rollout().Canary; s == nil || !done(s) {
				return fmt.Sprintf("%s: %+v", what, s)
			}
			return ""
		})
	}
	files := candidate("b").Files
	begun, _, err := first.Canary(ctx, pusher, CanaryRequest{Candidate: Candidate{Files: files, Reason: "for the test"}, Share: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	is(second, "begun", func(s *CanaryStatus) bool {
		return s.Revision == begun.Revision && s.Share == 0.2 && s.By == "ann" && s.Ended == ""
	})
	third := startInstance(t, cfg)
	is(third, "joined", func(s *CanaryStatus) bool { return s.Revision == begun.Revision && s.Ended == "" })
	if _, _, err := second.Canary(ctx, pusher, CanaryRequest{Share: 0.6}); err != nil {
		t.Fatal(err)
	}
	is(first, "grown", func(s *CanaryStatus) bool { return s.Share == 0.6 })
	if _, err := first.AbortCanary(ctx, pusher, "", "no need"); err != nil {
		t.Fatal(err)
	}
	is(second, "aborted", func(s *CanaryStatus) bool { return s.Ended == "aborted by ann: no need" })
	if _, _, err := second.Canary(ctx, pusher, CanaryRequest{Candidate: Candidate{Files: files, Reason: "for the test"}, Share: 0.2}); err != nil {
		t.Fatal(err)
	}
	is(third, "begun again", func(s *CanaryStatus) bool { return s.Ended == "" })
	if _, err := third.PromoteCanary(ctx, pusher, ""); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]instance{"first": first, "second": second, "third": third} {
		r.awaitPolicies(t, name, func(p *PolicyStatus) bool { return p.Revision == begun.Revision })
		is(r, name, func(s *CanaryStatus) bool { return s.Ended != "" })
	}
}
