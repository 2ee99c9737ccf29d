package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// behind answers "in" to whom the guards let pass.
func behind(log *slog.Logger, guards ...echo.MiddlewareFunc) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = problem(log)
	e.Use(guards...)
	e.GET("/*", func(c echo.Context) error { return c.String(http.StatusOK, "in") })
	return e
}

func ask(h http.Handler, path string, edit func(*http.Request)) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	edit(req)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// isProblem checks that an answer is an error as RFC 9457 has it.
func isProblem(t *testing.T, status int, header http.Header, body string, detail string) {
	t.Helper()
	var p problemBody
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	if got := header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if p.Status != status || p.Title != http.StatusText(status) || !strings.Contains(p.Detail, detail) {
		t.Errorf("problem %+v, want status %d and detail %q", p, status, detail)
	}
	saidOnce(t, p.Detail)
}

// saidOnce fails for a text that says the same twice in a row: x: x: why.
func saidOnce(t *testing.T, text string) {
	t.Helper()
	parts := strings.Split(text, ": ")
	for i := range parts[1:] {
		if strings.EqualFold(strings.ReplaceAll(parts[i], "-", " "), strings.ReplaceAll(parts[i+1], "-", " ")) {
			t.Errorf("said twice: %q", text)
		}
	}
}

func TestLocalHost(t *testing.T) {
	h := behind(discard(), localHost)
	for host, status := range map[string]int{
		"localhost": 200, "localhost:7070": 200, "127.0.0.1": 200, "127.0.0.1:7070": 200, "127.8.9.1": 200, "[::1]": 200, "[::1]:7070": 200,
		"": 403, "evil.example": 403, "evil.example:7070": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403,
		"10.0.0.1:7070": 403, "0.0.0.0": 403, "[::]:7070": 403, "169.254.169.254": 403, "localhost:7070:7070": 403,
	} {
		w := ask(h, "/", func(r *http.Request) { r.Host = host })
		if w.Code != status {
			t.Errorf("Host %q: status %d, want %d", host, w.Code, status)
		}
		if w.Code == http.StatusForbidden {
			isProblem(t, status, w.Header(), w.Body.String(), "127.0.0.1")
		}
	}
}

func TestBearer(t *testing.T) {
	const token = "s3cret-t0ken"
	t.Setenv("SLUICE_TEST_TOKEN", token)
	h := behind(discard(), (&gate{token: "env://SLUICE_TEST_TOKEN", log: discard(), count: func(string) {}}).check)
	for _, c := range []struct {
		path, authorization string
		status              int
	}{
		{"/metrics", "Bearer " + token, 200},
		{"/metrics", "", 401},
		{"/metrics", "bearer " + token, 200},
		{"/metrics", "Bearer", 401},
		{"/metrics", "Bearer ", 401},
		{"/metrics", token, 401},
		{"/metrics", "Basic " + token, 401},
		{"/metrics", "Bearer " + token + "x", 401},
		{"/metrics", "Bearer " + token[1:], 401},
		{"/metrics", "Bearer " + strings.ToUpper(token), 401},
		{"/nope", "", 401},
		{"/healthz/", "", 401},
		{"/x/../healthz", "", 401},
		{"/healthz", "", 200},
		{"/readyz", "", 200},
		{"/readyz", "Bearer wrong", 200},
	} {
		w := ask(h, c.path, func(r *http.Request) { r.Header.Set("Authorization", c.authorization) })
		if w.Code != c.status {
			t.Errorf("%s with %q: status %d, want %d", c.path, c.authorization, w.Code, c.status)
		}
		challenge := ""
		if c.status == http.StatusUnauthorized {
			challenge = "Bearer"
			isProblem(t, c.status, w.Header(), w.Body.String(), "bearer token")
		}
		if got := w.Header().Get("WWW-Authenticate"); got != challenge {
			t.Errorf("%s with %q: WWW-Authenticate %q, want %q", c.path, c.authorization, got, challenge)
		}
	}
}

func TestTokenChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	h := behind(discard(), (&gate{token: "file://" + file, log: discard(), count: func(string) {}}).check)
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tried := range []string{"one", "two"} {
			w := ask(h, "/", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tried) })
			if let := w.Code == http.StatusOK; let != (tried == token) {
				t.Errorf("the token is %s: status %d for %s", token, w.Code, tried)
			}
		}
	}
}

// Nobody is let in by a token that cannot be read, and who asks is not told what
// the reference says: it may be the token itself.
func TestUnreadableToken(t *testing.T) {
	t.Setenv("SLUICE_TEST_EMPTY", "")
	for _, reference := range []string{"env://SLUICE_TEST_NO_SUCH", "env://SLUICE_TEST_EMPTY", "file:///no/such/file-s3cret", "file://" + t.TempDir(), "s3cret"} {
		var log bytes.Buffer
		h := behind(slog.New(slog.NewTextHandler(&log, nil)), (&gate{token: reference, log: discard(), count: func(string) {}}).check)
		for _, tried := range []string{"Bearer ", "Bearer s3cret", "Bearer " + reference} {
			w := ask(h, "/", func(r *http.Request) { r.Header.Set("Authorization", tried) })
			if w.Code != http.StatusServiceUnavailable {
				t.Fatalf("%s with %q: status %d", reference, tried, w.Code)
			}
			isProblem(t, w.Code, w.Header(), w.Body.String(), "token")
			if strings.Contains(w.Body.String(), reference) || strings.Contains(w.Body.String(), "s3cret") {
				t.Errorf("the answer %s tells the reference %s", w.Body, reference)
			}
		}
		if !strings.Contains(log.String(), "level=ERROR") || reference == "s3cret" && strings.Contains(log.String(), reference) {
			t.Errorf("%s: log %s", reference, &log)
		}
		if w := ask(h, "/healthz", func(*http.Request) {}); w.Code != http.StatusOK {
			t.Errorf("probe: status %d", w.Code)
		}
	}
}

// An error that is not meant for clients stays in the log.
func TestProblemHidesCauses(t *testing.T) {
	var log bytes.Buffer
	e := echo.New()
	e.HTTPErrorHandler = problem(slog.New(slog.NewTextHandler(&log, nil)))
	e.GET("/", func(echo.Context) error { return errors.New("inner matter") })
	w := ask(e, "/", func(*http.Request) {})
	isProblem(t, http.StatusInternalServerError, w.Header(), w.Body.String(), "")
	if strings.Contains(w.Body.String(), "inner matter") || !strings.Contains(log.String(), "inner matter") {
		t.Errorf("answer %s, log %s", w.Body, &log)
	}
}

func TestRefusedAddresses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const open = "--listen-token"
	tls := func(cert, key, ca string, elsewhere bool) *runtime.ListenTLS {
		return &runtime.ListenTLS{Cert: cert, Key: key, ClientCA: ca, Elsewhere: elsewhere}
	}
	for _, c := range []struct {
		o    Options
		text string
	}{
		{Options{Listen: "0.0.0.0:0", Token: "env://T"}, "in the clear"},
		{Options{Listen: "0.0.0.0:0", TLS: tls("", "", "", true)}, "--tokens FILE"},
		{Options{Listen: "0.0.0.0:0", Token: "env://T", TLS: tls("/no/such", "/no/such", "", false)}, "/no/such"},
		{Options{Listen: "127.0.0.1:0", TLS: tls("/no/such", "", "", false)}, "belong together"},
		{Options{Listen: "127.0.0.1:0", TLS: tls("", "/no/such", "", false)}, "belong together"},
		{Options{Listen: "127.0.0.1:0", Token: "env://T", TLS: tls("a", "b", "c", false)}, "--listen-client-ca needs"},
		{Options{Listen: "127.0.0.1:0", Tokens: "/x", TLS: tls("", "", "c", false)}, "--listen-client-ca needs"},
		{Options{Listen: "127.0.0.1:0", Tokens: "/no/such"}, "/no/such"},
		{Options{Listen: "192.0.2.1:0", Token: "env://T", TLS: tls("", "", "", true)}, "192.0.2.1"}, // not an address of this machine
	} {
		c.o.Log = discard()
		s, err := New(nil, c.o)
		if err == nil || s != nil || !strings.HasPrefix(err.Error(), "listen: ") || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.text)
		}
	}
	for _, c := range []struct{ listen, token, text string }{
		{"", "", "host:port"},
		{"7070", "", "host:port"},
		{"127.0.0.1", "", "host:port"},
		{"::1:7070", "", "host:port"},
		{"127.0.0.1:no-such-port", "", "no-such-port"},
		{"127.0.0.1:70000", "", "70000"},
		{taken.Addr().String(), "", "in use"},
		{":0", "", open},
		{"0.0.0.0:0", "", open},
		{"[::]:0", "", open},
		{"10.0.0.1:0", "", open},
		{"sluice.example:0", "", open},
	} {
		s, err := New(nil, Options{Listen: c.listen, Token: c.token, Log: discard()})
		if err == nil || s != nil || !strings.HasPrefix(err.Error(), "listen: ") || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: error %v, want %q", c.listen, err, c.text)
		}
	}
}

// The end of Run's context ends it, even when a client holds on.
func TestRunEnds(t *testing.T) {
	for _, held := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		began := make(chan struct{})
		s := &Server{listener: l, log: discard(), http: &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
			func(_ http.ResponseWriter, r *http.Request) { close(began); <-r.Context().Done() })}}
		ctx, cancel := context.WithCancel(t.Context())
		client := make(chan error, 1)
		if held {
			go func() {
				answer, err := http.Get(s.URL())
				if err == nil {
					_, err = io.Copy(io.Discard, answer.Body)
					err = errors.Join(err, answer.Body.Close())
				}
				client <- err
			}()
		}
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		if held {
			<-began
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("held %v: %v", held, err)
		}
		if held && <-client == nil {
			t.Error("the client that held on had an answer")
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the address still is open: %v", err)
		}
	}
}

func TestRunFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := &Server{listener: l, log: discard(), http: &http.Server{ReadHeaderTimeout: time.Minute}}
	if err := s.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestOnLoopback(t *testing.T) {
	got := map[string]bool{}
	want := map[string]bool{
		"127.0.0.1:0": true, "127.1.2.3:80": true, "[::1]:80": true, "localhost:80": true, "[::ffff:127.0.0.1]:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "192.168.1.1:80": false, "localhost.example:80": false,
	}
	for address := range want {
		on, err := onLoopback(address)
		if err != nil {
			t.Fatal(err)
		}
		got[address] = on
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What a page in a browser may send, and what a program sends. The instance has no
// token: whoever reaches it may do everything.
func TestPagesOfOtherSites(t *testing.T) {
	h := degradeServer(t, giveAllUp)
	const body = `{"step":"P2","for":"30m","reason":"a test"}`
	for name, c := range map[string]struct {
		method string
		header []string
		status int
	}{
		"a program":                          {"PUT", nil, 200},
		"curl -d":                            {"PUT", []string{"Content-Type", "application/x-www-form-urlencoded"}, 200},
		"fetch of another site":              {"PUT", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, 403},
		"fetch of another port":              {"PUT", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:8080"}, 403},
		"fetch of an old browser":            {"PUT", []string{"Origin", "http://evil.example"}, 403},
		"fetch of a file":                    {"PUT", []string{"Origin", "null"}, 403},
		"fetch of our own page":              {"PUT", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com", "Content-Type", "application/json"}, 200},
		"an address that somebody has typed": {"DELETE", []string{"Sec-Fetch-Site", "none"}, 200},
		"DELETE of another site":             {"DELETE", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"reading":                            {"GET", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, 200},
		"may another site?":                  {"OPTIONS", []string{"Origin", "http://evil.example", "Access-Control-Request-Method", "PUT"}, 204},
	} {
		req := httptest.NewRequest(c.method, "/api/v1/degrade", strings.NewReader(body))
		if c.method == "DELETE" {
			req.Body = http.NoBody
		}
		for i := 0; i < len(c.header); i += 2 {
			req.Header.Set(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != c.status {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, c.status)
		}
		if w.Code >= 400 {
			isProblem(t, c.status, w.Header(), w.Body.String(), "another site")
		}
		for header := range w.Header() {
			if strings.HasPrefix(header, "Access-Control-") {
				t.Errorf("%s: %s lets pages of other sites read", name, header)
			}
		}
	}
}

// A form that a page posts is no JSON; that it is is what a browser asks leave for.
func TestFormsOfOtherSites(t *testing.T) {
	o := &operation{id: "try", method: http.MethodPost, path: "/try", changes: true}
	for name, c := range map[string]struct {
		header []string
		bearer bool
		status int
	}{
		"JSON":                 {[]string{"Content-Type", "application/json"}, false, 0},
		"JSON with a charset":  {[]string{"Content-Type", "application/json; charset=utf-8"}, false, 0},
		"nothing":              {nil, false, 415},
		"a form":               {[]string{"Content-Type", "application/x-www-form-urlencoded"}, false, 415},
		"a form of files":      {[]string{"Content-Type", "multipart/form-data; boundary=x"}, false, 415},
		"text":                 {[]string{"Content-Type", "text/plain"}, false, 415},
		"a type that is none":  {[]string{"Content-Type", "application/json, text/plain"}, false, 415},
		"a form with a token":  {[]string{"Content-Type", "text/plain"}, true, 0},
		"a page with a token":  {[]string{"Sec-Fetch-Site", "cross-site"}, true, 0},
		"JSON of another site": {[]string{"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"}, false, 403},
	} {
		req := httptest.NewRequest(http.MethodPost, "/try", strings.NewReader("{}"))
		for i := 0; i < len(c.header); i += 2 {
			req.Header.Set(c.header[i], c.header[i+1])
		}
		e := echo.New().NewContext(req, httptest.NewRecorder())
		if c.bearer {
			e.Set(bearerKey, true)
		}
		err := o.ownPage(e)
		refused := (*refusal)(nil)
		if errors.As(err, &refused) != (c.status != 0) || refused != nil && refused.status != c.status {
			t.Errorf("%s: %v, want %d", name, err, c.status)
		}
	}
}
