package rest

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// site is a running instance and the servers that answer for it.
type site struct {
	instance *runtime.Runtime
	client   *http.Client
	url      string // of a server that anybody may ask
	guarded  string // of one that wants the token
}

const token = "right-token"

// start runs an instance with the default policies and one job that reports to
// it. It ends, and everything with it, at the end of the test.
func start(t *testing.T) *site {
	t.Helper()
	t.Setenv("SLUICE_TEST_TOKEN", token)
	cfg, _, err := runtime.LoadConfig(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.Partitions, cfg.AllowPush = "127.0.0.1:0", 1, true
	r, report, err := runtime.New(t.Context(), cfg, runtime.Options{Version: "test", Fleet: &runtime.FleetOptions{Jobs: 1}})
	if err != nil || r == nil {
		t.Fatalf("error %v, report %v", err, report)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	running := 0
	run := func(part func(context.Context) error) {
		running++
		go func() { ended <- part(ctx) }()
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		cancel()
		for range running {
			if err := <-ended; err != nil {
				t.Errorf("the end: %v", err)
			}
		}
		transport.CloseIdleConnections()
	})
	s := &site{instance: r, client: &http.Client{Transport: transport}}
	serve := func(reference string) string {
		server, err := New(r, Options{Listen: cfg.Listen, Token: reference, Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		run(server.Run)
		return server.URL()
	}
	s.url, s.guarded = serve(""), serve("env://SLUICE_TEST_TOKEN")

	s.beforeItRuns(t)
	run(r.Run)
	s.await(t, "readiness", func() bool { a := s.get(t, "/readyz"); return a.status == 200 && a.body == "ready\n" })
	some := api + "/query?" + form("query", `{job_name!=""}`).Encode()
	s.await(t, "reports", func() bool { return strings.Contains(s.get(t, some).body, `"value":[`) })
	s.await(t, "reports on the page", func() bool { return strings.Contains(s.get(t, "/metrics/tasks").body, "\nflink_taskmanager_") })
	return s
}

const api = "/prometheus/api/v1"

// await asks until the answer is yes.
func (s *site) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("no %s: %s", what, s.get(t, "/api/v1/status").body)
		case <-tick.C:
		}
	}
}

type answered struct {
	status int
	header http.Header
	body   string
}

func (s *site) get(t *testing.T, path string) answered {
	t.Helper()
	return s.do(t, http.MethodGet, s.url+path, nil, nil)
}

func (s *site) do(t *testing.T, method, address string, body io.Reader, header http.Header) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range header {
		req.Header[name] = v
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{res.StatusCode, res.Header, string(b)}
}

// beforeItRuns checks what a server says of an instance that has not started.
func (s *site) beforeItRuns(t *testing.T) {
	t.Helper()
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/healthz":             {200, "ok"},
		"/readyz":              {503, "not ready"},
		"/metrics":             {200, "sluice_"},
		"/metrics/tasks":       {503, "not open"},
		"/":                    {200, "not ready"},
		"/api/v1/status":       {200, `"ready":false`},
		api + "/labels":        {503, `"errorType":"unavailable"`},
		api + "/query?query=1": {503, `"errorType":"unavailable"`},
	} {
		if a := s.get(t, path); a.status != want.status || !strings.Contains(a.body, want.text) {
			t.Errorf("before it runs, %s: status %d, %s", path, a.status, a.body)
		}
	}
	// Where others are asked for a token, a probe is not told what the instance waits for.
	if a := s.do(t, http.MethodGet, s.guarded+"/readyz", nil, nil); a.status != 503 || strings.Contains(a.body, "broker") || !strings.Contains(a.body, "/api/v1/status") {
		t.Errorf("before it runs, a probe without a token: status %d, %s", a.status, a.body)
	}
}

func TestServer(t *testing.T) {
	s := start(t)
	t.Run("pages", s.pages)
	t.Run("links", s.links)
	t.Run("status", s.status)
	t.Run("problems", s.problems)
	t.Run("bodies", s.bodies)
	t.Run("token", s.token)
	t.Run("host", s.host)
	t.Run("queries", s.queries)
	t.Run("values", s.values)
	t.Run("browsing", s.browsing)
	t.Run("bad requests", s.badRequests)
	t.Run("limits", s.limits)
}

func (s *site) pages(t *testing.T) {
	for path, want := range map[string]struct{ kind, text string }{
		"/healthz":       {"text/plain", "ok\n"},
		"/readyz":        {"text/plain", "ready\n"},
		"/metrics":       {"text/plain", "\n# TYPE sluice_"},
		"/metrics/tasks": {"text/plain", "\nflink_taskmanager_"},
		"/api/v1/status": {"application/json", `"ready":true`},
		api + "/labels":  {"application/json", `"success"`},
		"/":              {"text/html", `<a href="/metrics/tasks">`},
		"/?":             {"text/html", `<tr><th scope=row>PUT<td class=path>/<wbr>api/<wbr>v1/<wbr>degrade<br>`},
	} {
		a := s.get(t, path)
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), want.kind) || !strings.Contains(a.body, want.text) {
			t.Errorf("%s: status %d, %s, no %q in %.300s", path, a.status, a.header.Get("Content-Type"), want.text, a.body)
		}
		if head := s.do(t, http.MethodHead, s.url+path, nil, nil); head.status != a.status || head.body != "" || head.header.Get("Content-Type") != a.header.Get("Content-Type") {
			t.Errorf("HEAD %s: status %d, %v", path, head.status, head.header)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") ||
			a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: header %v", path, a.header)
		}
	}
}

// links follows what the page at / links to, as who reads it would.
func (s *site) links(t *testing.T) {
	found := regexp.MustCompile(`<a href="([^"]*)">`).FindAllStringSubmatch(s.get(t, "/").body, -1)
	for _, link := range found {
		a, err := http.Get(s.url + html.UnescapeString(link[1]))
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", link[1], a.Status)
		}
		a.Body.Close() // some are answered for as long as somebody reads
	}
	if want := len(operations()) / 4; len(found) < want {
		t.Errorf("%d links, want %d or more", len(found), want)
	}
}

func (s *site) status(t *testing.T) {
	a := s.get(t, "/api/v1/status")
	var got runtime.Status
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("status %d, error %v in %s", a.status, err, a.body)
	}
	in, out := runtime.Total(got.Streams), runtime.Total(got.Sinks)
	if !got.Ready || got.Waiting != "" || got.Version != "test" || !got.Embedded || len(got.Brokers) != 1 || got.Revision == "" || got.Store == nil || in.Records == 0 {
		t.Errorf("status %s", a.body)
	}
	if in.Imbalance != 0 || out.Imbalance != 0 {
		t.Errorf("imbalance of %d samples in streams, %d in sinks", in.Imbalance, out.Imbalance)
	}
}

// problems are requests for what is not there.
func (s *site) problems(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		detail       string
	}{
		{"GET", "/nope", 404, ""},
		{"GET", "/metrics/nope", 404, ""},
		{"GET", "/api/v1/", 404, ""},
		{"GET", "/api/v1/short-ids/nope", 404, "no such identifier"},
		{"GET", "/api/v1/short-ids/%2e%2e%2f%00", 404, "no such identifier"},
		{"GET", api + "/nope", 404, ""},
		{"GET", api + "/label//values/x", 404, ""},
		{"GET", "/api/v1/query", 404, ""},
		{"POST", "/nope", 404, ""},
		{"POST", "/healthz", 405, ""},
		{"POST", "/metrics", 405, ""},
		{"POST", "/api/v1/status", 405, ""},
		{"DELETE", api + "/query", 405, ""},
		{"PUT", api + "/series", 405, ""},
		{"POST", api + "/metadata", 405, ""},
		{"POST", api + "/label/a/values", 405, ""},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := s.do(t, c.method, s.url+c.path, nil, nil)
			if a.status != c.status {
				t.Errorf("status %d, want %d", a.status, c.status)
			}
			isProblem(t, c.status, a.header, a.body, c.detail)
			if c.status == http.StatusMethodNotAllowed && !strings.Contains(a.header.Get("Allow"), http.MethodGet) {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
		})
	}
}

// bodies are forms that cannot be read.
func (s *site) bodies(t *testing.T) {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	const most = 1_000_000
	large := "query=1&pad=" + strings.Repeat("x", most)
	for _, path := range []string{"/query", "/query_range", "/series", "/labels"} {
		for name, body := range map[string]io.Reader{"known": strings.NewReader(large), "unknown": io.MultiReader(strings.NewReader(large))} {
			a := s.do(t, http.MethodPost, s.url+api+path, body, form)
			if a.status != http.StatusRequestEntityTooLarge {
				t.Fatalf("%s, too large and of %s length: status %d, %s", path, name, a.status, a.body)
			}
			isProblem(t, a.status, a.header, a.body, "")
		}
		isError(t, s.do(t, http.MethodPost, s.url+api+path, strings.NewReader("query=%zz"), form), 400, "bad_data", "")
		isError(t, s.do(t, http.MethodGet, s.url+api+path+"?query=%zz", nil, nil), 400, "bad_data", "")
	}
	if a := s.do(t, http.MethodPost, s.url+api+"/query", strings.NewReader(large[:most]), form); a.status != http.StatusOK {
		t.Errorf("as large as it may be: status %d, %s", a.status, a.body)
	}
}

func (s *site) token(t *testing.T) {
	for _, c := range []struct {
		path, authorization string
		status              int
	}{
		{"/healthz", "", 200},
		{"/readyz", "", 200},
		{"/", "", 401},
		{"/metrics", "", 401},
		{"/metrics/tasks", "Bearer wrong", 401},
		{"/api/v1/status", "", 401},
		{"/nope", "", 401},
		{api + "/labels", "Basic " + token, 401},
		{api + "/labels", "Bearer " + token, 200},
		{"/metrics/tasks", "Bearer " + token, 200},
		{"/nope", "Bearer " + token, 404},
	} {
		a := s.do(t, http.MethodGet, s.guarded+c.path, nil, http.Header{"Authorization": {c.authorization}})
		if a.status != c.status || (c.status == 401) != (a.header.Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%s with %q: status %d, want %d", c.path, c.authorization, a.status, c.status)
		}
	}
}

func (s *site) host(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example"
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusForbidden {
		t.Fatalf("status %d, error %v", res.StatusCode, err)
	}
	isProblem(t, http.StatusForbidden, res.Header, string(b), "localhost")
}
