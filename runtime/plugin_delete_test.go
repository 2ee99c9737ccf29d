package runtime

import (
	"errors"
	"strings"
	"testing"
)

// A plugin stays while policies name it that run, are tried, or could come back.
func TestAPluginStaysWhileItCouldRun(t *testing.T) {
	t.Parallel()
	r := startFollowing(t, topicConfig(t))
	p, err := r.PushPlugin(t.Context(), Actor{Name: "ann", Role: RoleAdmin}, renamePlugin(t))
	if err != nil {
		t.Fatal(err)
	}
	with := policySet(simpleSet + `
	transform: users: schema.#Transform & {match: metrics: ["*"], plugin: "` + p.Name + "@" + p.Digest + `"}`)
	plain := map[string]string{"policy.cue": policySet(simpleSet + "\n\t" + `control: d: schema.#Drop & {description: "for the test", reason: "for the test", tier: "tenant", match: metrics: ["old"]}`)}
	candidate := Candidate{Files: map[string]string{"policy.cue": with}, Reason: "for the test"}
	stays := func(why string, force bool, by ...string) {
		t.Helper()
		_, err := r.DeletePlugin(t.Context(), pusher, p.Digest, force)
		if !errors.Is(err, ErrPluginUsed) {
			t.Fatalf("%s: %v", why, err)
		}
		for _, want := range by {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", why, err, want)
			}
		}
	}

	if _, report, err := r.Canary(t.Context(), pusher, CanaryRequest{Candidate: candidate, Share: 0.5}); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	stays("a canary", true, "platform/users of the canary", "abort it")
	if _, err := r.AbortCanary(t.Context(), pusher, "", "enough"); err != nil {
		t.Fatal(err)
	}
	if _, report, err := r.Shadow(t.Context(), pusher, ShadowRequest{Candidate: candidate, For: MaxShadowTime}); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	stays("a shadow", true, "platform/users of the shadow", "end it")
	if _, err := r.EndShadow(pusher); err != nil {
		t.Fatal(err)
	}
	applied, err := r.Apply(t.Context(), pusher, ApplyRequest{Files: candidate.Files, Reason: "for the test"})
	if err != nil {
		t.Fatal(err)
	}
	stays("in force", true, "by platform/users", "apply policies without it")
	if _, err := r.Apply(t.Context(), pusher, ApplyRequest{Files: plain, Reason: "without it"}); err != nil {
		t.Fatal(err)
	}
	stays("the history", false, "revision "+applied.Revision[:12]+" could be rolled back to and names it")
	if _, err := r.Rollback(t.Context(), pusher, applied.Revision, "as the error says"); err != nil {
		t.Fatal(err)
	}
	stays("in force again", true, "by platform/users")
	if _, err := r.Apply(t.Context(), pusher, ApplyRequest{Files: plain, Reason: "without it"}); err != nil {
		t.Fatal(err)
	}
	if gone, err := r.DeletePlugin(t.Context(), pusher, p.Digest, true); err != nil || gone.Digest != p.Digest {
		t.Errorf("by force: %+v, %v", gone, err)
	}
	if _, err := r.Rollback(t.Context(), pusher, applied.Revision, "although it is gone"); !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), "it was deleted by ann") {
		t.Errorf("a revision that names it: %v", err)
	}
	if _, err := r.Plugin(p.Digest); !errors.Is(err, ErrNoPlugin) {
		t.Errorf("after that: %v", err)
	}
}

func TestRevisionsText(t *testing.T) {
	for want, n := range map[string]int{"revision aaaaaaaaaaaa": 1, "revisions aaaaaaaaaaaa, aaaaaaaaaaaa": 2, "revisions aaaaaaaaaaaa, aaaaaaaaaaaa, aaaaaaaaaaaa and 2 more": 5} {
		list := make([]string, n)
		for i := range list {
			list[i] = strings.Repeat("a", 64)
		}
		if got := revisionsText(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
