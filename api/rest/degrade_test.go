package rest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// degradeServer answers for an instance that does not run, with these rules.
func degradeServer(t *testing.T, rules string) http.Handler {
	t.Helper()
	cfg, _, err := runtime.LoadConfig(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Policies = t.TempDir()
	set := `package policies

import "github.com/sluice-metrics/sluice/schema"

policy: schema.#Policy & {
	team: "platform"
	stream: native: {topics: ["flink.native"], level: "none"}
	sink: store: {type: "store", default: true}
` + rules + "}\n"
	if err := os.WriteFile(filepath.Join(cfg.Policies, "policy.cue"), []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	r, report, err := runtime.New(t.Context(), cfg, runtime.Options{})
	if err != nil || r == nil {
		t.Fatalf("%v: %v", err, report.Findings)
	}
	e := echo.New()
	e.HTTPErrorHandler = problem(discard())
	e.Use((&gate{open: true}).check)
	routes(e, &server{r, t.Context(), discard(), newDenials(r, discard())})
	return e
}

const giveAllUp = `	degrade: all: schema.#Degrade & {match: metrics: ["*"], priority: "P3", action: "drop", when: lag: "30s"}
`

func TestDegrade(t *testing.T) {
	h := degradeServer(t, giveAllUp)
	do := func(method, body string) (s runtime.DegradeStatus) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/api/v1/degrade", strings.NewReader(body)))
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d, %v: %s", method, w.Code, err, w.Body)
		}
		return s
	}
	if s := do("GET", ""); s.Step != "P0" || s.Hand != nil || len(s.Rules) != 1 || s.Rules[0].Shedding || len(s.Measures) != 4 {
		t.Errorf("at first: %+v", s)
	}
	for range 2 {
		s := do("PUT", `{"step":"P2","for":"1h30m","reason":"the store is being moved"}`)
		left := time.Until(s.Hand.Until)
		if s.Step != "P2" || s.Automatic != "P0" || s.Hand.Step != "P2" || s.Hand.Reason != "the store is being moved" || left < time.Hour || left > 90*time.Minute || !s.Rules[0].Shedding {
			t.Errorf("by hand: %+v, %+v", s, s.Hand)
		}
	}
	if s := do("GET", ""); s.Step != "P2" || s.Hand == nil {
		t.Errorf("afterwards: %+v", s)
	}
	for range 2 {
		if s := do("DELETE", ""); s.Step != "P0" || s.Hand != nil || s.Automatic != "" {
			t.Errorf("automatic again: %+v", s)
		}
	}
}

func TestWrongDegrade(t *testing.T) {
	with, without := degradeServer(t, giveAllUp), degradeServer(t, "")
	const example = `; write JSON such as {"step":"P2","for":"30m","reason":"the store is being moved"}`
	for _, tt := range []struct {
		h      http.Handler
		body   string
		status int
		want   string
	}{
		{with, ``, 400, "the body: it is empty" + example},
		{with, `{`, 400, "the body: it ends within a value" + example},
		{with, `{"step":}`, 400, "the body: invalid character '}' looking for beginning of value" + example},
		{with, `[]`, 400, "the body: array stands where an object should" + example},
		{with, `{"step":2,"for":"30m","reason":"a test"}`, 400, "the body: step: number stands where a string should" + example},
		{with, `{"step":"P2","until":"30m","reason":"a test"}`, 400, `the body: unknown field "until"` + example},
		{with, `{"step":"P2","for":"30m","reason":"a test"}{}`, 400, "the body has more than one value"},
		{with, `{"step":"P2","reason":"a test"}`, 400, `for: "" is not a duration such as "30m" or "1h30m"`},
		{with, `{"step":"P2","for":"30","reason":"a test"}`, 400, `for: "30" is not a duration such as "30m" or "1h30m"`},
		{with, `{"step":"P2","for":"8d","reason":"a test"}`, 400, "for: 192h0m0s is not from 1s to 7d"},
		{with, `{"step":"auto","for":"30m","reason":"a test"}`, 400, `step: "auto" is none of P0, P1, P2, P3`},
		{with, `{"for":"30m","reason":"a test"}`, 400, `step: "" is none of P0, P1, P2, P3`},
		{with, `{"step":"P2","for":"30m"}`, 400, "reason: write 3 to 500 characters"},
		{without, `{"step":"P2","for":"30m","reason":"a test"}`, 409, "the policy set has no degrade rule in force, so no step gives anything up"},
	} {
		w := httptest.NewRecorder()
		tt.h.ServeHTTP(w, httptest.NewRequest("PUT", "/api/v1/degrade", strings.NewReader(tt.body)))
		var p problemBody
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != tt.status || p.Detail != tt.want {
			t.Errorf("%s: %d %q, want %d %q", tt.body, w.Code, p.Detail, tt.status, tt.want)
		}
	}
}
