package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// collecting is a server of an instance that does not run: documents come from
// the policy set alone.
type collecting struct {
	site
	policies string // its directory, "" for the built-in set
	stop     context.CancelFunc
	ended    chan error
}

func collects(t *testing.T, policies, reference string) *collecting {
	t.Helper()
	t.Setenv("SLUICE_TEST_TOKEN", token)
	cfg, _, err := runtime.LoadConfig(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if policies != "" {
		cfg.Policies = t.TempDir()
		writePolicies(t, cfg.Policies, policies)
	}
	r, report, err := runtime.New(t.Context(), cfg, runtime.Options{Version: "test"})
	if err != nil || r == nil {
		t.Fatalf("error %v, report %v", err, report)
	}
	server, err := New(r, Options{Listen: "127.0.0.1:0", Token: reference, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	// Compression is asked for by the tests.
	transport := &http.Transport{DisableCompression: true}
	ctx, cancel := context.WithCancel(context.Background())
	c := &collecting{site{instance: r, client: &http.Client{Transport: transport}, url: server.URL()}, cfg.Policies, cancel, make(chan error, 1)}
	go func() { c.ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-c.ended; err != nil {
			t.Errorf("the end: %v", err)
		}
		transport.CloseIdleConnections()
	})
	return c
}

func writePolicies(t *testing.T, dir, metric string) {
	t.Helper()
	text := `package policies
import "github.com/sluice-metrics/sluice/schema"
policy: schema.#Policy & {
	team: "platform"
	stream: native: topics: ["flink.native"]
	sink: store: {type: "store", default: true}
	task: mine: {match: tasks: ["a/b ü%", "pay"], tags: tier: "gold"}
	control: one: schema.#Drop & {description: "for the test", reason: "for the test", tier: "tenant", match: {metrics: ["` + metric + `"], tags: tier: ["gold"]}}
}
`
	if err := os.WriteFile(filepath.Join(dir, "policy.cue"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *collecting) ask(t *testing.T, path string, headers ...string) answered {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return c.do(t, http.MethodGet, c.url+path, nil, h)
}

func TestCollect(t *testing.T) {
	c := collects(t, "", "")
	a := c.ask(t, "/api/v1/collect/t-1?job=pay")
	tag := a.header.Get("ETag")
	var doc struct {
		V     int
		CV    uint64
		Rules []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil || a.status != 200 || doc.V != 1 || doc.CV == 0 || len(doc.Rules) == 0 ||
		!strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || len(tag) != 14 {
		t.Fatalf("%d %v: error %v, tag %s: %s", a.status, a.header, err, tag, a.body)
	}
	for _, same := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if a := c.ask(t, "/api/v1/collect/t-2", "If-None-Match", same); a.status != 304 || a.body != "" || a.header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d, %v, %q", same, a.status, a.header, a.body)
		}
	}
	if a := c.ask(t, "/api/v1/collect/t-1?wait=30s", "If-None-Match", `"another"`); a.status != 200 {
		t.Errorf("with another document: %d", a.status)
	}
	if a := c.ask(t, "/api/v1/collect/t-1?wait=1ms", "If-None-Match", tag); a.status != 304 {
		t.Errorf("after a wait: %d", a.status)
	}
	for header, want := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "*": true, "gzip;q=0": false, "gzip; q=0.0, *": false, "br": false, "*;q=0": false, "GZIP ; q=0.5": true, "gzip;q=x": false} {
		z := c.ask(t, "/api/v1/collect/t-1", "Accept-Encoding", header)
		if got := z.header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %s: compressed %t, want %t", header, got, want)
		}
		if want && unzip(t, z.body) != a.body || !want && z.body != a.body {
			t.Errorf("Accept-Encoding %s: another document", header)
		}
	}
	metrics := c.ask(t, "/metrics").body
	for _, want := range []string{`sluice_collect_requests_total{result="sent"} 11`, `sluice_collect_requests_total{result="unchanged"} 5`, "sluice_collect_waiting 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func unzip(t *testing.T, s string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCollectTasks(t *testing.T) {
	c := collects(t, "m", "")
	for path, dropped := range map[string]bool{
		"a%2Fb%20%C3%BC%25": true, "a%2Fb%20%C3%BC%26": false, "pay": true, "x?job=pay": true, "x": false, "x?job=a%2Fb+%C3%BC%25": true,
		"%FF%00": false, "%2E%2E": false, "..": false, "%2F": false,
	} {
		if a := c.ask(t, "/api/v1/collect/"+path); a.status != 200 || strings.Contains(a.body, `"platform/one"`) != dropped {
			t.Errorf("%s: %d %s, want the rule: %t", path, a.status, a.body, dropped)
		}
	}
	for path, want := range map[string]string{
		"": "lacks the task", "a/b": "write / in a value as %2F", "a/": "%2F", "x?wait=soon": `"soon" is not a duration such as`,
		"x?wait=-5s": "is not a duration", "x?wait=5": "is not a duration", "x?job=a&job=b": "job: there is more than one", "x?job=%zz": "invalid URL escape",
		strings.Repeat("x", maxText+1): "more than 4096 bytes", "x?job=" + strings.Repeat("x", maxText+1): "more than 4096 bytes",
	} {
		a := c.ask(t, "/api/v1/collect/"+path)
		var p problemBody
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != 400 || a.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, want) {
			t.Errorf("%.40s: %d %v %s, want 400 and %q", path, a.status, a.header, a.body, want)
		}
	}
}

func TestCollectNeedsTheToken(t *testing.T) {
	c := collects(t, "", "env://SLUICE_TEST_TOKEN")
	if a := c.ask(t, "/api/v1/collect/t-1"); a.status != 401 {
		t.Errorf("without a token: %d", a.status)
	}
	if a := c.ask(t, "/api/v1/collect/t-1", "Authorization", "Bearer "+token); a.status != 200 {
		t.Errorf("with the token: %d", a.status)
	}
}

// poll asks for another document and returns at once; waits says so when it waits.
func (c *collecting) poll(t *testing.T, tag string) <-chan answered {
	t.Helper()
	got := make(chan answered, 1)
	go func() { got <- c.ask(t, "/api/v1/collect/pay?wait=60s", "If-None-Match", tag) }()
	c.await(t, "poll", func() bool { return strings.Contains(c.get(t, "/metrics").body, "sluice_collect_waiting 1\n") })
	return got
}

func TestCollectSeesAChangeAtOnce(t *testing.T) {
	c := collects(t, "m", "")
	first := c.ask(t, "/api/v1/collect/pay")
	waits := c.poll(t, first.header.Get("ETag"))
	writePolicies(t, c.policies, "n")
	began := time.Now()
	if report, err := c.instance.Reload(t.Context()); err != nil || report.Refused() {
		t.Fatal(err, report)
	}
	if a := <-waits; a.status != 200 || a.header.Get("ETag") == first.header.Get("ETag") || !strings.Contains(a.body, `"metrics":["n"]`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	t.Logf("reload and answer in %v", time.Since(began))
	if a := c.ask(t, "/api/v1/collect/other"); strings.Contains(a.body, "platform/one") {
		t.Errorf("of another task: %s", a.body)
	}
}

func TestCollectEndsWithTheServer(t *testing.T) {
	c := collects(t, "m", "")
	first := c.ask(t, "/api/v1/collect/pay")
	waits := c.poll(t, first.header.Get("ETag"))
	c.stop()
	if a := <-waits; a.status != 304 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
