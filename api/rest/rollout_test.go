package rest

import (
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime"
)

// candidateFiles are the default set with one rule more, another one at each call.
func candidateFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"more.cue": `package policies

import "github.com/sluice-metrics/sluice/schema"

policy: control: "no-such": schema.#Drop & {description: "for the test", reason: "for the test", tier: "tenant", match: metrics: ["*_` + rand.Text() + `"]}
`}
	err := fs.WalkDir(policies.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".cue" {
			return err
		}
		text, err := fs.ReadFile(policies.FS, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// withCandidate gives a request the files of a candidate where it asks for some. A
// canary runs when it is sent, or none does.
func withCandidate(runs bool) func(*testing.T, *conformance, *request) {
	return func(t *testing.T, x *conformance, r *request) {
		files := candidateFiles(t)
		if x.instance.Rollout().Canary != nil {
			_, _ = x.instance.AbortCanary(t.Context(), runtime.Actor{}, "", "") // unless it has ended
		}
		if runs {
			q := runtime.CanaryRequest{Candidate: runtime.Candidate{Files: files, Reason: "for the test"}, Share: 0.1}
			if _, report, err := x.instance.Canary(t.Context(), runtime.Actor{}, q); err != nil || report.Refused() {
				t.Fatal(err, report.Findings)
			}
		}
		var body map[string]any
		if r.body == "" || json.Unmarshal([]byte(r.body), &body) != nil || body["files"] == nil {
			return
		}
		body["files"] = files
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r.body = string(text)
	}
}

func withShadow(t *testing.T, x *conformance, _ *request) {
	q := runtime.ShadowRequest{Candidate: runtime.Candidate{Files: candidateFiles(t), Reason: "for the test"}, For: runtime.MaxShadowTime}
	if _, report, err := x.instance.Shadow(t.Context(), runtime.Actor{}, q); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
}

func TestRolloutProblems(t *testing.T) {
	h := degradeServer(t, giveAllUp)
	const good = "package policies\\n\\nimport \\\"github.com/sluice-metrics/sluice/schema\\\"\\n\\npolicy: schema.#Policy & {\\n\\tteam: \\\"platform\\\"\\n\\tstream: native: {topics: [\\\"flink.native\\\"], level: \\\"none\\\"}\\n\\tsink: store: {type: \\\"store\\\", default: true}\\n}\\n"
	send := func(method, path, body string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, prefix+path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w
	}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"nothing to promote", http.MethodPost, "/policies/canary/promote", `{}`, 409, "rollout"},
		{"nothing to abort", http.MethodPost, "/policies/canary/abort", `{}`, 409, "rollout"},
		{"nothing to give a part", http.MethodPost, "/policies/canary", `{"share":0.5}`, 409, "rollout"},
		{"no shadow", http.MethodDelete, "/policies/shadow", "", 409, "rollout"},
		{"no duration", http.MethodPost, "/policies/canary", `{"share":0.5,"every":"often"}`, 400, "bad-request"},
		{"no part", http.MethodPost, "/policies/canary", `{"files":{"policy.cue":"` + good + `"},"reason":"for the test"}`, 400, "rejected"},
		{"no CUE", http.MethodPost, "/policies/canary", `{"files":{"policy.cue":"package policies\npolicy: {"},"share":0.5,"reason":"for the test"}`, 422, "policies-rejected"},
		{"a shadow without files", http.MethodPost, "/policies/shadow", `{"files":{},"reason":"for the test"}`, 400, "rejected"},
	} {
		w := send(tt.method, tt.path, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), `"code":"`+tt.code+`"`) {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
	}
	w := send(http.MethodPost, "/policies/canary", `{"files":{"policy.cue":"`+good+`"},"share":0.5,"reason":"for the test"}`)
	var s runtime.CanaryStatus
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != http.StatusOK || s.Share != 0.5 {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	tag := func() string {
		var now runtime.RolloutStatus
		if err := json.Unmarshal(send(http.MethodGet, "/policies/rollout", "").Body.Bytes(), &now); err != nil || now.Tag == "" {
			t.Fatalf("%+v, %v", now, err)
		}
		return now.Tag
	}
	change := func(path, match, body string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, prefix+path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("If-Match", match)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w
	}
	seen := tag()
	if w := change("/policies/canary", `"`+seen+`"`, `{"share":0.6}`); w.Code != http.StatusOK {
		t.Errorf("as it was seen: %d %s", w.Code, w.Body)
	}
	for path, body := range map[string]string{"/policies/canary": `{"share":0.7}`, "/policies/canary/promote": `{}`, "/policies/canary/abort": `{}`} {
		for _, match := range []string{`"` + seen + `"`, `W/"` + seen + `"`, `"other"`} {
			w := change(path, match, body)
			if w.Code != http.StatusPreconditionFailed || !strings.Contains(w.Body.String(), `"code":"policies-changed"`) {
				t.Errorf("%s as of %s: %d %s", path, match, w.Code, w.Body)
			}
		}
	}
	if w := change("/policies/canary/abort", "*", `{}`); w.Code != http.StatusOK || tag() == seen {
		t.Errorf("whatever it is: %d %s", w.Code, w.Body)
	}
}
