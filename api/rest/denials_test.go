package rest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime"
)

func TestDenialsAreBounded(t *testing.T) {
	d, now := newDenials(nil, discard()), time.Now()
	admit := func(actor string, at time.Duration, wantMissed int, wantRecord, wantFirst bool) {
		t.Helper()
		if missed, record, first := d.admit(actor, now.Add(at)); missed != wantMissed || record != wantRecord || first != wantFirst {
			t.Errorf("%s after %v: %d, %t, %t", actor, at, missed, record, first)
		}
	}
	for range denialsOfOne {
		admit("ann", 0, 0, true, false)
	}
	admit("ann", time.Minute, 0, false, true)
	admit("ann", time.Minute, 0, false, false)
	admit("bob", time.Minute, 2, true, false) // and tells of those
	for i := range denialsOfAll - denialsOfOne - 1 {
		admit(fmt.Sprint("one-", i), time.Minute, 0, true, false)
	}
	admit("cid", time.Minute, 0, false, true)
	admit("cid", denialTime, 1, true, false)
	admit("ann", denialTime, 0, true, false)
	if len(d.of) != 2 {
		t.Errorf("it remembers %v", d.of)
	}
}

// What somebody who is known may not do is in the audit, be it a change or not; what a
// page of another site has a browser ask is not: nobody knows who it is.
func TestDenialsAreAudited(t *testing.T) {
	s := start(t)
	x := &conformance{site: s, handler: s.asRoles(t)}
	ask := func(role runtime.Role, team, method, path, from string, want int) {
		t.Helper()
		header := http.Header{roleHeader: {string(role)}, "Content-Type": {"application/json"}}
		if team != "" {
			header.Set(teamHeader, team)
		}
		if from != "" {
			header.Set("Sec-Fetch-Site", from)
		}
		if w := x.call(request{method: method, path: prefix + path, body: `{"reason":"for the test"}`, header: header}); w.Code != want {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	ask(runtime.RoleViewer, "", "GET", "/audit", "", 403)
	ask(runtime.RoleOperator, "ads", "POST", "/streams/native/pause", "", 403)
	ask(runtime.RoleOperator, "", "POST", "/streams/native/pause", "cross-site", 403)
	for range denialsOfOne + 5 {
		ask(runtime.RoleViewer, "", "POST", "/reload", "", 403)
	}
	ask(runtime.RoleOperator, "", "POST", "/reload", "", 200)
	counts := map[string]int{}
	for _, e := range s.instance.AuditTrail(runtime.AuditFilter{Who: "tester"}) {
		counts[strings.Join(strings.Fields(e.Operation+" "+e.Target+" "+e.Result), " ")]++
		if e.Result == runtime.AuditRefused && (!strings.HasPrefix(e.Error, "forbidden: tester ") || e.Before != e.After || e.Actor.Address == "") {
			t.Errorf("%+v", e)
		}
	}
	want := map[string]int{"listAudit refused": 1, "pauseStream native refused": 1, "reload refused": denialsOfOne - 2, "reload done": 1}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
	w := x.call(request{method: "GET", path: "/metrics", header: http.Header{roleHeader: {string(runtime.RoleViewer)}}})
	for reason, n := range map[string]int{"forbidden": denialsOfOne + 7, "cross-site": 1} {
		if line := fmt.Sprintf("sluice_auth_refused_total{reason=%q} %d\n", reason, n); !bytes.Contains(w.Body.Bytes(), []byte(line)) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// A change that is refused for whatever reason is in the audit, and not without bound;
// what may have been done in part is always there.
func TestRefusedChangesAreBounded(t *testing.T) {
	s := start(t)
	x := &conformance{site: s, handler: s.asRoles(t)}
	ask := func(method, path, body string, header http.Header, want int) {
		t.Helper()
		header = header.Clone()
		header.Set(roleHeader, string(runtime.RoleAdmin))
		if w := x.call(request{method: method, path: prefix + path, body: body, header: header}); w.Code != want {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	json := http.Header{"Content-Type": {"application/json"}}
	other := json.Clone()
	other.Set("If-Match", `"0123456789abcdef"`)
	for range denialsOfOne {
		ask("POST", "/policies/apply", `{"files":{"policy.cue":"package policies"},"reason":"for the test"}`, other, 412)
		ask("POST", "/streams/none/pause", `{"reason":"for the test"}`, json, 404)
		ask("POST", "/streams/native/pause", `{"reason":7}`, json, 400)
		ask("DELETE", "/overrides/none", "", http.Header{}, 404)
	}
	ask("POST", "/streams/native/pause", `{"reason":"for the test"}`, json, 200)
	ask("POST", "/streams/native/resume", `{"reason":"for the test"}`, json, 200)
	counts := map[string]int{}
	for _, e := range s.instance.AuditTrail(runtime.AuditFilter{Who: "tester"}) {
		counts[e.Result]++
	}
	if diff := cmp.Diff(map[string]int{runtime.AuditRefused: denialsOfOne, runtime.AuditDone: 2}, counts); diff != "" {
		t.Error(diff)
	}
	for err, want := range map[error]bool{
		nil: false, runtime.ErrNotDrained: false, context.Canceled: false, context.DeadlineExceeded: false, runtime.ErrUnreachable: false,
		runtime.ErrConflict: true, runtime.ErrRollout: true, runtime.ErrRejected: true, wrong("for the test"): true,
	} {
		if refused(err) != want {
			t.Errorf("%v: refused is not %t", err, want)
		}
	}
}
