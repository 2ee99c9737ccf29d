package rest

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime"
)

// change asks for something as an operator and returns the answer.
func (x *conformance) change(t *testing.T, path string, body any) (answer struct{ Revision, Before string }) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	w := x.call(request{method: http.MethodPost, path: prefix + path, body: string(text), header: http.Header{
		roleHeader: {string(runtime.RoleOperator)}, "Content-Type": {"application/json"},
	}})
	if w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &answer) != nil {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return answer
}

// Whoever changes the policies is in the audit, with the revisions before and after.
func TestChangesOfPoliciesAreAudited(t *testing.T) {
	s := start(t)
	x := &conformance{site: s, handler: s.asRoles(t)}
	first := s.instance.Revision()
	applied := x.change(t, "/policies/apply", runtime.ApplyRequest{Files: candidateFiles(t), Reason: "one"}).Revision
	next := x.change(t, "/policies/apply", runtime.ApplyRequest{Files: candidateFiles(t), Reason: "two"}).Revision
	back := x.change(t, "/policies/rollback", rollbackBody{Reason: "back"})
	canary := x.change(t, "/policies/canary", canaryBody{Files: candidateFiles(t), Share: 0.5, Reason: "a part"}).Revision
	x.change(t, "/policies/canary/promote", endBody{Reason: "it is good"})
	reloaded := x.change(t, "/reload", reloadBody{Reason: "as it was"}).Revision
	if back.Before != next || back.Revision != applied || reloaded != first {
		t.Errorf("rolled back from %s to %s, reloaded %s; started with %s, then %s, %s", back.Before, back.Revision, reloaded, first, applied, next)
	}
	type row struct{ Operation, Reason, Before, After string }
	var got []row
	for _, e := range s.instance.AuditTrail(runtime.AuditFilter{Who: "tester"}) {
		got = append(got, row{e.Operation, e.Reason, e.Before, e.After})
		if e.Result != runtime.AuditDone {
			t.Errorf("%+v", e)
		}
	}
	want := []row{
		{"reload", "as it was", canary, first},
		{"promoteCanary", "it is good", applied, canary},
		{"setCanary", "a part", applied, applied},
		{"rollBackPolicies", "back", next, applied},
		{"applyPolicies", "two", applied, next},
		{"applyPolicies", "one", first, applied},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
