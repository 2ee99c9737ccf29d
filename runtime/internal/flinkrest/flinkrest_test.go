package flinkrest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial makes a client of a server that answers as handler does.
func dial(t *testing.T, handler http.HandlerFunc, change ...func(*flinkrest.Options)) *flinkrest.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	client := egress.New(egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	o := flinkrest.Options{URL: server.URL, HTTP: client}
	for _, f := range change {
		f(&o)
	}
	c, err := flinkrest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answers serves texts by path.
func answers(texts map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, ok := texts[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"errors":["Not found: ` + r.URL.Path + `"]}`
		}
		io.WriteString(w, text)
	}
}

func value(t *testing.T, what string, n flinkrest.Number, want float64) {
	t.Helper()
	if v, ok := n.Get(); !ok || v != want {
		t.Errorf("%s: %v, %v, want %v", what, v, ok, want)
	}
}

func TestCalls(t *testing.T) {
	c := dial(t, answers(map[string]string{
		"/overview":      `{"taskmanagers":2,"slots-total":8,"slots-available":3,"jobs-running":1,"flink-version":"2.1.0","taskmanagers-blocked":0}`,
		"/jobs/overview": `{"jobs":[{"jid":"a1","name":"pay","state":"RUNNING","start-time":5,"tasks":{"total":1}},{"id":"b2","status":"FAILED"},{"name":"nobody"}]}`,
		"/jobs/a1": `{"id":"a1","name":"pay","state":"RUNNING","now":20,"timestamps":{"RUNNING":10,"FAILED":0},"plan":{"nodes":[{"id":"v1"},{"id":"v2","inputs":[{"id":"v1"}]}]},
			"vertices":[{"id":"v1","name":"Source","parallelism":2,"status":"RUNNING","tasks":{"RUNNING":2},"metrics":{"write-records":9,"read-records-complete":true,"write-records-complete":false,"accumulated-busy-time":"NaN","accumulated-idle-time":7}}]}`,
		"/jobs/a1/exceptions":         `{"root-exception":"x","timestamp":4,"exceptionHistory":{"entries":[{"exceptionName":"java.lang.X","stacktrace":"java.lang.X: y","timestamp":4,"taskName":"t","taskManagerId":"new"}],"truncated":false}}`,
		"/jobs/a1/checkpoints":        `{"counts":{"completed":3,"failed":1},"latest":{"completed":{"end_to_end_duration":50,"state_size":7,"latest_ack_timestamp":8},"failed":null},"history":[{"status":"FAILED"},{"status":"COMPLETED","is_savepoint":true}]}`,
		"/jobs/a1/checkpoints/config": `{"interval":60000,"mode":"exactly_once"}`,
		"/jobs/a1/config":             `{"jid":"a1","execution-config":{"user-config":{"team":"pay","n":5}}}`,
		"/taskmanagers":               `{"taskmanagers":[{"id":"tm","slotsNumber":4,"memoryConfiguration":{"taskHeap":1,"managedMemory":null}}]}`,
	}))
	ctx := t.Context()

	o, err := c.Overview(ctx)
	if err != nil || o.Version != "2.1.0" {
		t.Errorf("overview %+v, %v", o, err)
	}
	value(t, "slots", o.SlotsAvailable, 3)
	if _, ok := o.Failed.Get(); ok {
		t.Error("a field that is not there has a value")
	}
	jobs, err := c.Jobs(ctx)
	if err != nil || len(jobs) != 2 || jobs[0].ID() != "a1" || jobs[1].ID() != "b2" || jobs[1].State != "FAILED" {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
	j, err := c.Job(ctx, "a1")
	if err != nil || len(j.Vertices) != 1 || len(j.Plan.Nodes) != 2 || len(j.Plan.Nodes[1].Inputs) != 1 {
		t.Errorf("job %+v, %v", j, err)
	}
	if _, ok := j.Vertices[0].Metrics.Busy.Count(); ok {
		t.Error("NaN counts")
	}
	if m := j.Vertices[0].Metrics; m.PartialRead || !m.PartialWrite {
		t.Errorf("partial are %+v", m)
	}
	value(t, "idle", j.Vertices[0].Metrics.Idle, 7)
	if _, ok := j.Timestamps["FAILED"].Positive(); ok {
		t.Error("0 is a time")
	}
	x, err := c.Exceptions(ctx, "a1")
	if err != nil || len(x.History.Entries) != 1 || x.History.Entries[0].Name != "java.lang.X" {
		t.Errorf("exceptions %+v, %v", x, err)
	}
	k, err := c.Checkpoints(ctx, "a1")
	if err != nil || len(k.History) != 2 || !k.History[1].Savepoint || k.Latest.Completed == nil {
		t.Errorf("checkpoints %+v, %v", k, err)
	}
	kc, err := c.CheckpointConfig(ctx, "a1")
	if err != nil {
		t.Error(err)
	}
	value(t, "interval", kc.Interval, 60000)
	jc, err := c.JobConfig(ctx, "a1")
	if err != nil || jc.Execution.User["team"] != "pay" {
		t.Errorf("config %+v, %v", jc, err)
	}
	tms, err := c.TaskManagers(ctx)
	if err != nil || len(tms) != 1 {
		t.Fatalf("task managers %+v, %v", tms, err)
	}
	value(t, "heap", tms[0].Memory["taskHeap"], 1)
	if _, ok := tms[0].Memory["managedMemory"].Get(); ok {
		t.Error("null is a number")
	}
}

// What a server may do wrong, for every call.
func TestWrongAnswers(t *testing.T) {
	hang := make(chan struct{})
	for _, wrong := range []struct {
		name    string
		serve   http.HandlerFunc
		says    string
		missing bool
	}{
		{"404", answers(nil), "answer 404 Not Found: Not found: /", true},
		{"500", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"errors":["Internal server error.","<Exception on server side:\njava.lang.X\n>"]}`, http.StatusInternalServerError)
		}, "answer 500 Internal Server Error: Internal server error.", false},
		{"page of a proxy", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, "answer 502 Bad Gateway", false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "answer 302 Found", false},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }, "invalid character", false},
		{"empty", func(http.ResponseWriter, *http.Request) {}, "unexpected end", false},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"jobs":[{"jid":"a"`) }, "unexpected end", false},
		{"connection lost", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"jobs":[`)
		}, "unexpected EOF", false},
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			block := []byte(strings.Repeat(" ", 1<<20))
			for range 4 * flinkrest.MaxAnswer >> 20 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
			t.Error("all of a huge answer was read")
		}, "more than 16777216 bytes", false},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, "exceeded", false},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			c := dial(t, wrong.serve, func(o *flinkrest.Options) {
				if wrong.name == "hangs" {
					o.HTTP.Timeout = 50 * time.Millisecond
				}
			})
			for name, call := range map[string]func() error{
				"overview": func() error { _, err := c.Overview(t.Context()); return err },
				"jobs":     func() error { _, err := c.Jobs(t.Context()); return err },
				"metrics":  func() error { _, err := c.JobMetrics(t.Context(), "a", "x"); return err },
			} {
				err := call()
				if err == nil || !strings.Contains(err.Error(), wrong.says) {
					t.Errorf("%s: error %v, want one that says %q", name, err, wrong.says)
				}
				if flinkrest.IsNotFound(err) != wrong.missing {
					t.Errorf("%s: %v, not found is %v", name, err, !wrong.missing)
				}
			}
		})
	}
	close(hang)
}

// A wrong type where a number is expected loses that number; where a list or text
// is expected, the answer.
func TestWrongTypes(t *testing.T) {
	c := dial(t, answers(map[string]string{
		"/overview":      `{"taskmanagers":"many","slots-total":{"a":1},"slots-available":"4","flink-version":"1.14.4"}`,
		"/jobs/overview": `{"jobs":7}`,
		"/jobs/a":        `{"jid":"a","plan":"text","vertices":[{"id":"v","metrics":{"read-bytes":true}}]}`,
	}))
	o, err := c.Overview(t.Context())
	if err != nil || o.Version != "1.14.4" {
		t.Errorf("%+v, %v", o, err)
	}
	for _, n := range []flinkrest.Number{o.TaskManagers, o.Slots} {
		if v, ok := n.Get(); ok {
			t.Errorf("%v is a number", v)
		}
	}
	value(t, "a number as text", o.SlotsAvailable, 4)
	if _, err := c.Jobs(t.Context()); !errors.As(err, new(*flinkrest.AnswerError)) {
		t.Errorf("error %v", err)
	}
	if j, err := c.Job(t.Context(), "a"); err != nil || len(j.Vertices) != 1 || j.Plan.Nodes != nil {
		t.Errorf("%+v, %v", j, err)
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]float64{`1`: 1, `-1`: -1, `1.5e3`: 1500, `"7"`: 7, `9223372036854775807`: math.MaxInt64} {
		var n flinkrest.Number
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			t.Error(err)
		}
		value(t, text, n, want)
	}
	for _, text := range []string{`null`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `""`, `true`, `{}`, `[1]`} {
		var n flinkrest.Number
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if v, ok := n.Get(); ok {
			t.Errorf("%s is %v", text, v)
		}
	}
	var n flinkrest.Number
	for text, want := range map[string]bool{`0`: true, `5`: true, `-1`: false, `9223372036854775807`: false} {
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			t.Error(err)
		}
		if _, ok := n.Count(); ok != want {
			t.Errorf("%s counts: %v", text, ok)
		}
	}
}

// A request line of Flink has 4 KiB at most: many metrics take several calls.
func TestMetricsAreAskedInPortions(t *testing.T) {
	calls := 0
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		if n := len(r.RequestURI); n > 4000 {
			t.Errorf("a request line of %d bytes", n)
		}
		var out []flinkrest.MetricValue
		for _, id := range strings.Split(r.URL.Query().Get("get"), ",") {
			out = append(out, flinkrest.MetricValue{ID: id, Value: "v " + id})
		}
		json.NewEncoder(w).Encode(out)
	})
	var ids []string
	want := map[string]string{}
	for i := range 300 {
		id := fmt.Sprintf("0.Source__äöü_&=%%.topic.partition.%d.currentOffset", i)
		ids = append(ids, id)
		want[id] = "v " + id
	}
	got, err := c.VertexMetrics(t.Context(), "job", "vertex", ids...)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if calls < 2 || calls > 30 {
		t.Errorf("%d calls", calls)
	}
	if got, err := c.JobMetrics(t.Context(), "job"); err != nil || len(got) != 0 {
		t.Errorf("no metrics: %v, %v", got, err)
	}
}

func TestToken(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		io.WriteString(w, "{}")
	}, func(o *flinkrest.Options) { o.Token = func() (string, error) { return "s3cret", nil } })
	if _, err := c.Overview(t.Context()); err != nil {
		t.Error(err)
	}
	gone := errors.New("no such variable")
	c = dial(t, func(http.ResponseWriter, *http.Request) { t.Error("called without a token") },
		func(o *flinkrest.Options) { o.Token = func() (string, error) { return "", gone } })
	if _, err := c.Overview(t.Context()); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"http://jm:8081": "jm:8081", "https://proxy/flink/prod/": "proxy/flink/prod", "http://[::1]:8081/": "[::1]:8081",
		"jm:8081": "", "ftp://jm": "", "http://": "", "http://user:pw@jm": "", "http://jm?x=1": "", "http://jm\x00": "",
	} {
		c, err := flinkrest.New(flinkrest.Options{URL: address})
		switch {
		case want == "" && err == nil:
			t.Errorf("%s was accepted", address)
		case want != "" && (err != nil || c.Name() != want):
			t.Errorf("%s: %v", address, err)
		case err != nil && strings.Contains(err.Error(), "pw"):
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

// A path in the address is kept, and identifiers cannot leave it.
func TestPaths(t *testing.T) {
	var asked string
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.EscapedPath()
		io.WriteString(w, "{}")
	}, func(o *flinkrest.Options) { o.URL += "/flink/prod" })
	if _, err := c.Job(t.Context(), "a/b?c"); err != nil || asked != "/flink/prod/jobs/a%2Fb%3Fc" {
		t.Errorf("asked for %s, %v", asked, err)
	}
}

func TestRefusedAndCancelled(t *testing.T) {
	c := dial(t, answers(nil), func(o *flinkrest.Options) { o.URL = "http://127.0.0.1:1" }) // nobody listens there
	if _, err := c.JobMetrics(t.Context(), "a", "b"); err == nil || strings.Contains(err.Error(), "?") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Overview(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// captured reads an answer that another project captured, which is no part of this one.
func captured(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("SLUICE_FLINK_ANSWERS")
	if dir == "" {
		t.Skip("set SLUICE_FLINK_ANSWERS to the folder with " + name)
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCapturedAnswers reads what a Flink 1.14 said.
func TestCapturedAnswers(t *testing.T) {
	details, metrics := captured(t, "jobs_with_id.json"), captured(t, "jobs_metric_values.json")
	c := dial(t, answers(map[string]string{
		"/jobs/54a5c6e527e00e1bb861272a39fe13e4":         string(details),
		"/jobs/54a5c6e527e00e1bb861272a39fe13e4/metrics": string(metrics),
	}))
	const id = "54a5c6e527e00e1bb861272a39fe13e4"
	j, err := c.Job(t.Context(), id)
	if err != nil || len(j.Vertices) != 2 {
		t.Fatalf("%+v, %v", j, err)
	}
	value(t, "now", j.Now, 1651462493209)
	value(t, "restarted at", j.Timestamps["RESTARTING"], 1651445645389)
	value(t, "running since", j.Timestamps["RUNNING"], 1651445646413)
	value(t, "written", j.Vertices[0].Metrics.WriteRecords, 8562805)
	inputs := map[string]int{}
	for _, n := range j.Plan.Nodes {
		inputs[n.ID] = len(n.Inputs)
	}
	if d := cmp.Diff(map[string]int{"20ba6b65f97481d5570070de90e4e791": 1, "bc764cd8ddf7a0cff126f51c16239658": 0}, inputs); d != "" {
		t.Error(d)
	}
	got, err := c.JobMetrics(t.Context(), id, "numRestarts", "uptime")
	if err != nil || got["numRestarts"] != "1" || got["uptime"] != "16863615" {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"jobs":[{"jid":"a","state":"RUNNING"}],"taskmanagers":[{"id":"x","memoryConfiguration":{"a":1}}]}`))
	f.Add([]byte(`{"exceptionHistory":{"entries":[{"exceptionName":"x"}]},"latest":{"completed":null},"history":[{}]}`))
	f.Add([]byte(`{"plan":{"nodes":[{"inputs":null}]},"timestamps":{"RUNNING":"x"},"execution-config":{"user-config":null}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		served := func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(answer)))}, nil
		}
		c, err := flinkrest.New(flinkrest.Options{URL: "http://jm", HTTP: &http.Client{Transport: transport(served)}})
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := c.Jobs(t.Context())
		for _, j := range jobs {
			if err == nil && j.ID() == "" {
				t.Error("a job without an id")
			}
		}
		c.Overview(t.Context())
		c.Job(t.Context(), "a")
		c.Exceptions(t.Context(), "a")
		c.Checkpoints(t.Context(), "a")
		c.TaskManagers(t.Context())
		c.JobConfig(t.Context(), "a")
		c.JobMetrics(t.Context(), "a", "b")
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
