package rest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/runtime"
)

// Whoever comes with wrong tokens is not listened to for a while; who comes with
// none is only told that one is needed.
func TestFailuresAreBounded(t *testing.T) {
	t.Setenv("SLUICE_TEST_TOKEN", token)
	ask := func(url, token string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	defer http.DefaultClient.CloseIdleConnections()
	url, log := guarded(t, Options{Token: "env://SLUICE_TEST_TOKEN"})
	for range 2 * auth.MaxFailures {
		if got := ask(url+"/api/v1/status", ""); got.StatusCode != 401 {
			t.Fatal("without a token:", got.Status)
		}
	}
	text, err := io.ReadAll(ask(url+"/metrics", token).Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `sluice_auth_refused_total{reason="no-token"} 40`; !strings.Contains(string(text), want) {
		t.Errorf("the metrics lack %s", want)
	}
	for i := range auth.MaxFailures + 1 {
		got, want := ask(url+"/api/v1/status", "wrong"), 401
		if i == auth.MaxFailures {
			want = 429
		}
		if got.StatusCode != want {
			t.Errorf("wrong token %d: %s", i+1, got.Status)
		}
	}
	got := ask(url+"/api/v1/status", token)
	if after := got.Header.Get("Retry-After"); got.StatusCode != 429 || len(after) != 2 {
		t.Errorf("the right token behind them: %s, Retry-After %q", got.Status, after)
	}
	if got := ask(url+"/healthz", ""); got.StatusCode != 200 {
		t.Error("a probe:", got.Status)
	}
	for _, want := range []string{"level=WARN msg=\"a request was not let in", "level=INFO msg=\"a request was not let in"} { // with a wrong token, and without one
		if n := strings.Count(log.String(), want); n != 1 || strings.Contains(log.String(), "wrong") {
			t.Errorf("%s: said %d times, or with the token: %s", want, n, log)
		}
	}
	if strings.Contains(log.String(), "audit") {
		t.Errorf("who is not known is in the audit: %s", log)
	}

	// Behind something that encrypts, one address is everybody's.
	url, _ = guarded(t, Options{Token: "env://SLUICE_TEST_TOKEN", TLS: &runtime.ListenTLS{Elsewhere: true}})
	for range auth.MaxFailures + 1 {
		ask(url+"/api/v1/status", "wrong")
	}
	if got := ask(url+"/api/v1/status", token); got.StatusCode != 200 {
		t.Error("behind another's failures:", got.Status)
	}
}
