package remotewrite_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const target = "http://receiver.example/api/v1/write"

// receiver answers requests in place of a network.
type receiver func(*http.Request) (*http.Response, error)

func (f receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	return f(r)
}

func answer(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func newSink(t testing.TB, f receiver, o remotewrite.Options) *remotewrite.Sink {
	t.Helper()
	if o.URL == "" {
		o.URL = target
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: f}
	}
	s, err := remotewrite.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openLane(t testing.TB, s *remotewrite.Sink) engine.Lane {
	t.Helper()
	l, err := s.Lane(engine.Partition{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func series(name string, pairs ...string) engine.Series {
	var l metric.Labels
	for i := 0; i < len(pairs); i += 2 {
		l = append(l, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return engine.Series{Name: name, Labels: l.Sort()}
}

// write writes and flushes.
func write(t testing.TB, l engine.Lane, samples ...engine.Sample) {
	t.Helper()
	if err := l.Write(context.Background(), samples); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func body(t testing.TB, r *http.Request) []byte {
	t.Helper()
	wire, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := snappy.Decode(nil, wire)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decodeV1(t testing.TB, r *http.Request) *prompb.WriteRequest {
	t.Helper()
	var w prompb.WriteRequest
	if err := w.Unmarshal(body(t, r)); err != nil {
		t.Fatal(err)
	}
	return &w
}

func TestRequest(t *testing.T) {
	var got http.Header
	var url string
	s := newSink(t, func(r *http.Request) (*http.Response, error) {
		got, url = r.Header.Clone(), r.URL.String()
		if r.ContentLength <= 0 {
			t.Errorf("Content-Length %d", r.ContentLength)
		}
		decodeV1(t, r)
		return answer(204, ""), nil
	}, remotewrite.Options{UserAgent: "sluice/1", Headers: map[string]string{"X-Scope-OrgID": "tenant"}})
	l := openLane(t, s)
	write(t, l, engine.Sample{Ref: l.Bind(series("a")), Time: 1, Value: 1})
	for name, want := range map[string]string{
		"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "User-Agent": "sluice/1",
		"X-Prometheus-Remote-Write-Version": "0.1.0", "X-Scope-Orgid": "tenant", "Authorization": "",
	} {
		if got.Get(name) != want {
			t.Errorf("header %s: %q, want %q", name, got.Get(name), want)
		}
	}
	if url != target {
		t.Errorf("URL %q", url)
	}
	if st := s.Stats(); st.Written != 1 || st.Requests != 1 || st.Bytes == 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestOptions(t *testing.T) {
	client, secret := &http.Client{}, func(string) (string, error) { return "", nil }
	for _, c := range []struct {
		name, err string
		opts      remotewrite.Options
	}{
		{"no URL", "must begin with http", remotewrite.Options{Client: client}},
		{"no host", "name a host", remotewrite.Options{URL: "http:///x", Client: client}},
		{"other scheme", "must begin with http", remotewrite.Options{URL: "ftp://a/b", Client: client}},
		{"unreadable", "cannot be read", remotewrite.Options{URL: "http://a\x7f", Client: client}},
		{"credentials", "secret reference", remotewrite.Options{URL: "http://u:p@a/b", Client: client}},
		{"protocol", "write 1.0 or 2.0", remotewrite.Options{URL: target, Protocol: "3", Client: client}},
		{"no client", "no HTTP client", remotewrite.Options{URL: target}},
		{"two ways to authenticate", "exclude each other", remotewrite.Options{URL: target, Client: client, User: "u", Bearer: "env://A", Secret: secret}},
		{"secret header", "secret reference", remotewrite.Options{URL: target, Client: client, Headers: map[string]string{"authorization": "Bearer u:p"}}},
		{"no resolver", "resolve secret", remotewrite.Options{URL: target, Client: client, Bearer: "env://A"}},
		{"no resolver for a header", "resolve secret", remotewrite.Options{URL: target, Client: client, Headers: map[string]string{"a": "env://A"}}},
		{"negative", "must not be negative", remotewrite.Options{URL: target, Client: client, MaxSamples: -1}},
		{"header name", "not a header name", remotewrite.Options{URL: target, Client: client, Headers: map[string]string{"a b": "x"}}},
		{"header value", "control characters", remotewrite.Options{URL: target, Client: client, Headers: map[string]string{"a": "x\r\ny: z"}}},
		{"own header", "belongs to the protocol", remotewrite.Options{URL: target, Client: client, Headers: map[string]string{"content-encoding": "zstd"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := remotewrite.New(c.opts)
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want one with %q", err, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "u:p") {
				t.Errorf("error %v repeats credentials", err)
			}
		})
	}
}

func TestRequestsAreBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		opts remotewrite.Options
		want []int
	}{
		{"by samples", remotewrite.Options{MaxSamples: 4}, []int{4, 4, 2}},
		{"by bytes", remotewrite.Options{MaxBytes: 200}, []int{3, 3, 3, 1}},
		{"not at all", remotewrite.Options{}, []int{10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sizes []int
			s := newSink(t, func(r *http.Request) (*http.Response, error) {
				n := 0
				for _, ts := range decodeV1(t, r).Timeseries {
					n += len(ts.Samples)
				}
				sizes = append(sizes, n)
				return answer(200, ""), nil
			}, c.opts)
			l := openLane(t, s)
			var samples []engine.Sample
			for i := range 10 {
				ref := l.Bind(series("name_of_a_metric", "i", string(rune('a'+i))))
				samples = append(samples, engine.Sample{Ref: ref, Time: int64(i)})
			}
			write(t, l, samples...)
			if len(sizes) != len(c.want) {
				t.Fatalf("requests of %v samples, want %v", sizes, c.want)
			}
			for i := range sizes {
				if sizes[i] != c.want[i] {
					t.Fatalf("requests of %v samples, want %v", sizes, c.want)
				}
			}
		})
	}
}

// A ref may be released, and used again for another series, while its samples
// wait: they still belong to the old series.
func TestReleaseWhileSamplesWait(t *testing.T) {
	got := map[string][]float64{}
	s := newSink(t, func(r *http.Request) (*http.Response, error) {
		for _, ts := range decodeV1(t, r).Timeseries {
			for _, x := range ts.Samples {
				got[ts.Labels[0].Value] = append(got[ts.Labels[0].Value], x.Value)
			}
		}
		return answer(200, ""), nil
	}, remotewrite.Options{})
	l := openLane(t, s)
	old := l.Bind(series("old"))
	if err := l.Write(context.Background(), []engine.Sample{{Ref: old, Value: 1}}); err != nil {
		t.Fatal(err)
	}
	l.Release(old)
	next := l.Bind(series("next"))
	write(t, l, engine.Sample{Ref: next, Value: 2})
	if len(got["old"]) != 1 || len(got["next"]) != 1 || got["next"][0] != 2 {
		t.Errorf("sent %v", got)
	}
	if again := l.Bind(series("third")); again != old {
		t.Errorf("Ref %d, want %d used again after it was sent", again, old)
	}
}

func TestFlushOfNothingSendsNothing(t *testing.T) {
	s := newSink(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request")
		return answer(200, ""), nil
	}, remotewrite.Options{})
	l := openLane(t, s)
	write(t, l)
	l.Bind(series("a"))
	write(t, l)
	l.Close()
}

func TestWriteAllocatesNothing(t *testing.T) {
	for _, p := range []remotewrite.Protocol{remotewrite.V1, remotewrite.V2} {
		s := newSink(t, func(*http.Request) (*http.Response, error) { return answer(200, ""), nil }, remotewrite.Options{Protocol: p})
		l := openLane(t, s)
		var samples []engine.Sample
		for i := range 20 {
			samples = append(samples, engine.Sample{Ref: l.Bind(series("a", "i", string(rune('a'+i))))})
		}
		for range 200 {
			if err := l.Write(context.Background(), samples); err != nil {
				t.Fatal(err)
			}
		}
		write(t, l)
		if n := testing.AllocsPerRun(100, func() { l.Write(context.Background(), samples) }); n > 0 {
			t.Errorf("protocol %s: %v allocations per write of 20 samples, want 0", p, n)
		}
	}
}
