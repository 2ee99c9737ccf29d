package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers every request as a function says.
func serve(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(answer)
	c, err := New(Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c
}

func TestWrongOptions(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{URL: "ftp://127.0.0.1"}, "such as http://127.0.0.1:7070"},
		{Options{URL: "http://"}, "such as"},
		{Options{URL: "http://a b"}, "such as"},
		{Options{URL: "http://h/?x=1"}, "such as"},
		{Options{URL: "http://me:s3cret@127.0.0.1"}, "http://…@127.0.0.1"},
		{Options{CA: "/no/such/file"}, "no such file"},
		{Options{CA: empty}, "no certificate in PEM"},
		{Options{Cert: "/no/such/file"}, "no such file"},
		{Options{Cert: empty, Key: empty}, "PEM"},
	} {
		at, err := New(c.o)
		if at != nil || !errors.Is(err, runtime.ErrConfig) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	for url, want := range map[string]string{"": DefaultURL, "sluice-1:7070": "http://sluice-1:7070", "https://h/": "https://h", "[::1]:1": "http://[::1]:1"} {
		if at, err := New(Options{URL: url}); err != nil || at.URL() != want {
			t.Errorf("%q: %v, error %v", url, at, err)
		}
	}
}

func TestRequest(t *testing.T) {
	t.Setenv("SLUICE_TEST_TOKEN", "right-token")
	var got *http.Request
	var body string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
		w.Header().Set("ETag", `"t1"`)
		fmt.Fprint(w, `{"value":"v"}`)
	})
	c.token = "env://SLUICE_TEST_TOKEN"
	var answer struct{ Value string }
	tag, err := c.Do(t.Context(), Request{Method: "PUT", Path: "/x" + Path("a/b", "ü %"), Body: map[string]int{"n": 1}, IfMatch: `"t0"`}, &answer)
	if err != nil || tag != `"t1"` || answer.Value != "v" {
		t.Errorf("%q %+v, error %v", tag, answer, err)
	}
	if got.URL.EscapedPath() != "/api/v1/x/a%2Fb/%C3%BC%20%25" || got.Header.Get("Authorization") != "Bearer right-token" ||
		got.Header.Get("If-Match") != `"t0"` || got.Header.Get("Content-Type") != "application/json" || body != `{"n":1}` {
		t.Errorf("%s %v %s", got.URL, got.Header, body)
	}
	c.token = "env://SLUICE_TEST_NO_SUCH"
	if _, err := c.Status(t.Context()); !errors.Is(err, runtime.ErrConfig) {
		t.Errorf("a token that is not there: %v", err)
	}
}

func TestProblems(t *testing.T) {
	long := strings.Repeat("x", maxProblem+1)
	for _, tt := range []struct {
		status     int
		kind, body string
		is         error
		text       string
	}{
		{400, "application/problem+json", `{"detail":"no such rule","code":"bad-request"}`, runtime.ErrRejected, "refuses: no such rule"},
		{412, "application/problem+json; charset=utf-8", `{"detail":"another revision"}`, runtime.ErrRejected, "refuses: another revision"},
		{422, "application/problem+json", `{"detail":"wrong","diagnostics":[{"code":"P101","severity":"error","message":"m"}]}`, runtime.ErrRejected, "refuses: wrong"},
		{401, "application/problem+json", `{"detail":"a bearer token is needed"}`, runtime.ErrUnreachable, "give --token env://NAME"},
		{403, "application/problem+json", `{"detail":"ann is a viewer"}`, runtime.ErrUnreachable, "refuses: ann is a viewer"},
		{404, "application/problem+json", `{"detail":"no such stream"}`, runtime.ErrUnreachable, ": no such stream"},
		{400, "text/plain", "Client sent an HTTP request to an HTTPS server.", runtime.ErrUnreachable, "is no instance of Sluice, or another version: it wants https://"},
		{404, "text/html", "<html>", runtime.ErrUnreachable, `is no instance of Sluice, or another version: to /api/v1/status it says "404 Not Found"`},
		{301, "", "", runtime.ErrUnreachable, "is no instance of Sluice"},
		{502, "application/problem+json", "{", runtime.ErrUnreachable, "is no instance of Sluice"},
		{503, "application/problem+json", `{"detail":"` + long + `"}`, runtime.ErrUnreachable, "is no instance of Sluice"},
		{500, "application/problem+json", `{"title":"Internal Server Error"}`, runtime.ErrUnreachable, "Internal Server Error"},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		_, err := c.Status(t.Context())
		p := (*Problem)(nil)
		if !errors.As(err, &p) || p.Status != tt.status || !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%d %.60s: %v", tt.status, tt.body, err)
		}
		if tt.status == 422 && (len(p.Diagnostics) != 1 || p.Diagnostics[0].Code != "P101") {
			t.Errorf("%+v", p)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	for name, body := range map[string]string{"nothing": "", "another form": "[]", "half": `{"version":`, "HTML": "<html>"} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		if _, err := c.Status(t.Context()); !errors.Is(err, runtime.ErrUnreachable) || !strings.Contains(err.Error(), "something else than") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := New(Options{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, runtime.ErrUnreachable) || !strings.Contains(err.Error(), "no instance answers at http://127.0.0.1:1: ") {
		t.Errorf("nobody there: %v", err)
	}
	secured := httptest.NewUnstartedServer(http.NotFoundHandler())
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	defer secured.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for address, want := range map[string]string{
		secured.URL: "if it is the right one, give the certificates to trust with --ca",
		strings.Replace(plain.URL, "http", "https", 1):   "if it has no certificate, ask it by http://",
		strings.Replace(secured.URL, "https", "http", 1): "it wants https://",
	} {
		c, err := New(Options{URL: address})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(t.Context()); !errors.Is(err, runtime.ErrUnreachable) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
		c.Close()
	}
	held := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, ask := range map[string]func() error{
		"Do": func() error {
			_, err := held.Do(t.Context(), Request{Path: "/x", Patience: time.Millisecond}, nil)
			return err
		},
		"Stream": func() error {
			_, err := held.Stream(t.Context(), Request{Path: "/x", Patience: time.Millisecond})
			return err
		},
	} {
		if err := ask(); !errors.Is(err, runtime.ErrUnreachable) || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("%s, no answer in time: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := held.Status(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestStreamOutlivesPatience(t *testing.T) {
	more := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "one")
		http.NewResponseController(w).Flush()
		select {
		case <-more:
			fmt.Fprintln(w, "two")
		case <-r.Context().Done():
		}
	})
	s, err := c.Stream(t.Context(), Request{Path: "/x", Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	close(more)
	if text, err := io.ReadAll(s); err != nil || string(text) != "one\ntwo\n" {
		t.Errorf("%q, error %v", text, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestLists(t *testing.T) {
	pages := map[string]runtime.Page[int]{"": {Items: []int{1, 2}, Next: "a"}, "a": {Items: []int{3}, Next: "b"}, "b": {Items: []int{}}}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewEncoder(w).Encode(pages[r.URL.Query().Get("after")]); err != nil {
			t.Error(err)
		}
	})
	if got, err := all[int](t.Context(), c, "/x", nil); err != nil || !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("%v, error %v", got, err)
	}
	pages["b"] = runtime.Page[int]{Items: []int{4}, Next: "b"}
	if _, err := all[int](t.Context(), c, "/x", nil); !errors.Is(err, runtime.ErrUnreachable) {
		t.Errorf("a list without end: %v", err)
	}
}

func TestTap(t *testing.T) {
	for name, c := range map[string]struct{ answer, want string }{
		"whole lines":    {"{}\n[]\n", ""},
		"nothing":        {"", ""},
		"no JSON":        {"<html>\n", "something else than samples"},
		"within a line":  {"{}\n{\"a\":", "ended the tap"},
		"before its end": {"{}\n{}", "ended the tap"},
	} {
		at := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.answer) })
		err := at.Tap(t.Context(), nil, func([]byte) error { return nil })
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, runtime.ErrUnreachable) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	// Who stops asking within a line was not answered wrongly.
	ctx, cancel := context.WithCancel(t.Context())
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "{}\n{\"a\":")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if err := at.Tap(ctx, nil, func([]byte) error { cancel(); return nil }); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func TestStreams(t *testing.T) {
	pages := map[string]string{"": `{"items":[{"name":"a"}],"next":"x"}`, "x": `{"items":[{"name":"b"}]}`}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, pages[r.URL.Query().Get("after")]) })
	if list, err := c.Streams(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestPlugins(t *testing.T) {
	const digest = "sha256:0123"
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.EscapedPath() {
		case "GET /api/v1/plugins":
			fmt.Fprintf(w, `{"items":[{"name":"mask","digest":"%s"}]}`, digest)
		case "GET /api/v1/running-plugins":
			fmt.Fprint(w, `{"items":[{"name":"mask","calls":7,"breaker":"closed"}]}`)
		case "GET /api/v1/plugins/" + digest, "DELETE /api/v1/plugins/" + digest:
			fmt.Fprintf(w, `{"name":"mask","digest":"%s"}`, digest)
		case "POST /api/v1/plugins":
			var body struct {
				Wasm   []byte
				Reason string
			}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil || string(body.Wasm) != "\x00asm" || body.Reason != "why" {
				t.Errorf("%+v, %v", body, err)
			}
			fmt.Fprintf(w, `{"name":"mask","digest":"%s"}`, digest)
		default:
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	list, err := c.Plugins(t.Context())
	if err != nil || len(list) != 1 || list[0].Digest != digest {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := c.RunningPlugins(t.Context()); err != nil || len(list) != 1 || list[0].Calls != 7 {
		t.Errorf("%+v, %v", list, err)
	}
	if p, err := c.Plugin(t.Context(), digest); err != nil || p.Name != "mask" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := c.PushPlugin(t.Context(), []byte("\x00asm"), "why"); err != nil || p.Digest != digest {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := c.DeletePlugin(t.Context(), digest, true); err != nil || p.Digest != digest {
		t.Errorf("%+v, %v", p, err)
	}
}
