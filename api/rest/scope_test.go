package rest

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/sluice-metrics/sluice/runtime"
)

// TestTeamScope has who is bound to a team ask for everything that changes
// something: what is of another team, or of all, is refused, whatever the role.
func TestTeamScope(t *testing.T) {
	const mayAll, mayOwn, mayNone = "all", "own", "none" // who is bound may do it: always, with what is of its team, never
	scopes := map[string]string{
		"applyPolicies": mayOwn, "rollBackPolicies": mayOwn, "setCanary": mayOwn, "promoteCanary": mayOwn, "abortCanary": mayOwn,
		"reload": mayNone, "setDegrade": mayNone, "endDegrade": mayNone, "replayDeadLetters": mayNone,
		"pauseStream": mayNone, "resumeStream": mayNone, "drainStream": mayNone, "pushPlugin": mayNone, "deletePlugin": mayNone,
		"setOverride": mayNone, "endOverride": mayNone, "setTaskEnabled": mayNone, // of the examples; TestOverridesStayWithinTheTeamsOfTheActor has those of a team
		"startShadow": mayAll, "endShadow": mayAll, // nothing that is sent changes
	}
	s := start(t)
	x := &conformance{site: s, doc: loadDocument(t, openAPI), handler: s.asRoles(t)}
	changing := 0
	for _, o := range operations() {
		if !o.changes {
			continue
		}
		changing++
		scope, known := scopes[o.id]
		if !known {
			t.Errorf("%s changes something: enter in scopes who may, of those that are bound to a team", o.id)
			continue
		}
		described := x.doc.Paths.Find(prefix + o.path).GetOperation(o.method)
		ask := func(team string) int {
			r := x.example(t, o.method, prefix+o.path, described)
			switch o.id {
			case "applyPolicies":
				text, err := json.Marshal(runtime.ApplyRequest{Files: candidateFiles(t), Reason: "for " + team})
				if err != nil {
					t.Fatal(err)
				}
				r.body = string(text)
			case "endDegrade":
				step := r.clone()
				step.method, step.body = http.MethodPut, `{"step":"P1","for":"1h","reason":"to be ended"}`
				step.header.Set("Content-Type", "application/json")
				if w := x.call(step); w.Code != 200 {
					t.Fatal(w.Code, w.Body)
				}
			}
			r.header.Set(teamHeader, team)
			return x.call(r).Code
		}
		if got := ask("elsewhere"); (got >= 300) == (scope == mayAll) || got >= 300 && got != http.StatusForbidden {
			t.Errorf("%s by another team: %d", o.id, got)
		}
		if got := ask("default"); (got >= 300) == (scope != mayNone) || got >= 300 && got != http.StatusForbidden {
			t.Errorf("%s by the team itself: %d", o.id, got)
		}
	}
	if changing != len(scopes) {
		t.Errorf("%d operations change something, the table has %d", changing, len(scopes))
	}

	// A canary of another team may not be given more tasks.
	withCandidate(true)(t, x, &request{})
	r := request{method: http.MethodPost, path: prefix + "/policies/canary", body: `{"share":0.9}`, header: http.Header{
		roleHeader: {string(runtime.RoleOperator)}, teamHeader: {"elsewhere"}, "Content-Type": {"application/json"},
	}}
	if w := x.call(r); w.Code != 403 || !slices.Equal(w.Header()["Content-Type"], []string{"application/problem+json"}) {
		t.Errorf("another part for a canary of another team: %d %s", w.Code, w.Body)
	}
}
