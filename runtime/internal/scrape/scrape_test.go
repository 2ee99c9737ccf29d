package scrape_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/scrape"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// series builds a series from name, type and label pairs.
func series(name string, typ engine.Type, pairs ...string) engine.Series {
	var l metric.Labels
	for i := 0; i < len(pairs); i += 2 {
		l = append(l, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return engine.Series{Name: name, Type: typ, Labels: l.Sort()}
}

func openLane(t testing.TB, e *scrape.Endpoint) engine.Lane {
	t.Helper()
	l, err := e.Lane(engine.Partition{Topic: "processed"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t testing.TB, l engine.Lane, samples ...engine.Sample) {
	t.Helper()
	if err := l.Write(context.Background(), samples); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, e *scrape.Endpoint) string {
	t.Helper()
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics/tasks", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestExposition(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	for i, x := range []struct {
		series engine.Series
		value  float64
	}{
		{series("flink_b_total", engine.TypeCounter, "task", "t2"), 1e21},
		{series("flink_b_total", engine.TypeCounter, "task", "t1"), 7},
		{series("flink_lat", engine.TypeSummary, "quantile", "0.99", "task", "t1"), math.Inf(1)},
		{series("flink_lat", engine.TypeSummary, "quantile", "0.5", "task", "t1"), 0.25},
		{series("flink_lat_count", engine.TypeSummary, "task", "t1"), 42},
		{series("flink_lat_max", engine.TypeGauge, "task", "t1"), math.NaN()},
		{series("flink_state_info", engine.TypeInfo, "value", "a\\b\"c\nd"), 1},
		{series("flink_a", engine.TypeGauge), -0.5},
		{series("flink_odd", engine.TypeSummary, "task", "t1"), 3}, // its quantile was rewritten away
	} {
		ref := l.Bind(x.series)
		write(t, l, engine.Sample{Ref: ref, Time: int64(i), Value: x.value})
	}
	want := `# TYPE flink_a gauge
flink_a -0.5
# TYPE flink_b_total counter
flink_b_total{task="t1"} 7
flink_b_total{task="t2"} 1e+21
# TYPE flink_lat summary
flink_lat{quantile="0.5",task="t1"} 0.25
flink_lat{quantile="0.99",task="t1"} +Inf
flink_lat_count{task="t1"} 42
# TYPE flink_lat_max gauge
flink_lat_max{task="t1"} NaN
# TYPE flink_odd gauge
flink_odd{task="t1"} 3
# TYPE flink_state_info gauge
flink_state_info{value="a\\b\"c\nd"} 1
`
	if diff := cmp.Diff(want, get(t, e)); diff != "" {
		t.Errorf("exposition (-want +got):\n%s", diff)
	}
	if e.Series() != 9 {
		t.Errorf("Series() = %d, want 9", e.Series())
	}
}

func TestTimestamps(t *testing.T) {
	e := scrape.New(scrape.Options{Timestamps: true})
	l := openLane(t, e)
	write(t, l, engine.Sample{Ref: l.Bind(series("a", engine.TypeGauge)), Time: 1763800000123, Value: 2})
	if got, want := get(t, e), "# TYPE a gauge\na 2 1763800000123\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Names that the format cannot say must not spoil the page for the others.
func TestUnfitNames(t *testing.T) {
	for _, c := range []struct {
		series engine.Series
		want   string
	}{
		{series("flink.up-time", engine.TypeGauge), "flink_up_time 1"},
		{series("9lives", engine.TypeGauge), "_9lives 1"},
		{series("", engine.TypeGauge), "_ 1"},
		{series("a", engine.TypeGauge, "job-name", "x", "b:c", "y"), `a{b_c="y",job_name="x"} 1`},
		{series("a", engine.TypeGauge, "job-name", "x", "job.name", "y"), `a{job_name="x"} 1`},
		{series("a", engine.TypeGauge, "__name__", "b", "empty", "", "", "z"), `a 1`},
		{series("a", engine.TypeGauge, "l", "\xff"), "a{l=\"\uFFFD\"} 1"},
	} {
		e := scrape.New(scrape.Options{})
		l := openLane(t, e)
		write(t, l, engine.Sample{Ref: l.Bind(c.series), Value: 1})
		if _, line, _ := strings.Cut(get(t, e), "\n"); line != c.want+"\n" {
			t.Errorf("%v: got %q, want %q", c.series, line, c.want)
		}
	}
}

func TestFirstSeriesDecidesTheTypeOfItsName(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	a := l.Bind(series("a", engine.TypeCounter, "x", "1"))
	b := l.Bind(series("a", engine.TypeGauge, "x", "2"))
	write(t, l, engine.Sample{Ref: a, Value: 1}, engine.Sample{Ref: b, Value: 2})
	if got, want := get(t, e), "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	l.Release(a)
	l.Release(b)
	write(t, l, engine.Sample{Ref: l.Bind(series("a", engine.TypeGauge, "x", "2")), Value: 2})
	if got, want := get(t, e), "# TYPE a gauge\na{x=\"2\"} 2\n"; got != want {
		t.Errorf("after the family was gone: got %q, want %q", got, want)
	}
}

func TestEndRemovesASeriesAtOnce(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	ref := l.Bind(series("a", engine.TypeGauge))
	write(t, l, engine.Sample{Ref: ref, Time: 1000, Value: 1})

	write(t, l, engine.Sample{Ref: ref, Time: 999, Value: engine.Stale()}) // of the attempt before
	if got := get(t, e); !strings.Contains(got, "a 1\n") {
		t.Errorf("an older end removed the series: %q", got)
	}
	write(t, l, engine.Sample{Ref: ref, Time: 1000, Value: engine.Stale()})
	if got := get(t, e); got != "" || e.Series() != 0 {
		t.Errorf("after the end: %q, %d series", got, e.Series())
	}
	write(t, l, engine.Sample{Ref: ref, Time: 500, Value: 3}) // a new attempt whose clock is behind
	if got := get(t, e); !strings.Contains(got, "a 3\n") || e.Series() != 1 {
		t.Errorf("after a new sample: %q, %d series", got, e.Series())
	}
}

func TestSharedSeries(t *testing.T) {
	e := scrape.New(scrape.Options{})
	one, two := openLane(t, e), openLane(t, e)
	s := series("a", engine.TypeGauge, "task", "t")
	r1, r1again, r2 := one.Bind(s), one.Bind(s), two.Bind(s)
	write(t, one, engine.Sample{Ref: r1, Value: 1})
	write(t, two, engine.Sample{Ref: r2, Value: 2})
	if got, want := get(t, e), "# TYPE a gauge\na{task=\"t\"} 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	one.Release(r1)
	two.Close()
	if e.Series() != 1 {
		t.Error("the series went although one lane still holds it")
	}
	one.Release(r1again)
	if got := get(t, e); got != "" || e.Series() != 0 {
		t.Errorf("after the last release: %q, %d series", got, e.Series())
	}
	if ref := one.Bind(series("b", engine.TypeGauge)); ref != r1again {
		t.Errorf("Ref %d, want %d used again", ref, r1again)
	}
	one.Close()
}

func TestSeriesComeAndGoBetweenScrapes(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	var refs []engine.Ref
	want := "# TYPE a gauge\n"
	for i := range 3 {
		refs = append(refs, l.Bind(series("a", engine.TypeGauge, "i", fmt.Sprint(i))))
		write(t, l, engine.Sample{Ref: refs[i], Value: float64(i)})
		want += fmt.Sprintf("a{i=\"%d\"} %[1]d\n", i)
		if got := get(t, e); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	l.Bind(series("b", engine.TypeGauge)) // has no value yet
	l.Release(refs[1])
	want = strings.Replace(want, "a{i=\"1\"} 1\n", "", 1)
	if got := get(t, e); got != want || e.Series() != 2 {
		t.Errorf("got %q and %d series, want %q", got, e.Series(), want)
	}
	l.Close() // with a series that is not exposed
	if got := get(t, e); got != "" || e.Series() != 0 {
		t.Errorf("after all: %q and %d series", got, e.Series())
	}
}

func TestSilentSeriesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := scrape.New(scrape.Options{Stale: time.Minute})
		l := openLane(t, e)
		a, b := l.Bind(series("a", engine.TypeGauge)), l.Bind(series("b", engine.TypeGauge))
		write(t, l, engine.Sample{Ref: a, Value: 1}, engine.Sample{Ref: b, Value: 1})
		time.Sleep(40 * time.Second)
		write(t, l, engine.Sample{Ref: b, Value: 2})
		time.Sleep(20 * time.Second)
		if got := get(t, e); !strings.Contains(got, "a 1\n") {
			t.Errorf("forgotten before its time: %q", got)
		}
		time.Sleep(time.Millisecond)
		if got, want := get(t, e), "# TYPE b gauge\nb 2\n"; got != want || e.Series() != 1 {
			t.Errorf("got %q and %d series, want %q", got, e.Series(), want)
		}
		write(t, l, engine.Sample{Ref: a, Value: 3})
		if got := get(t, e); !strings.Contains(got, "a 3\n") {
			t.Errorf("a series that spoke again is missing: %q", got)
		}
	})
}

func TestMethods(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	write(t, l, engine.Sample{Ref: l.Bind(series("a", engine.TypeGauge)), Value: 1})
	for method, want := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405} {
		w := httptest.NewRecorder()
		e.Handler().ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != want || (method == http.MethodHead && w.Body.Len() > 0) {
			t.Errorf("%s: status %d, %d bytes", method, w.Code, w.Body.Len())
		}
	}
}

func TestGzip(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	for i := range 3000 { // several pages
		write(t, l, engine.Sample{Ref: l.Bind(series("a", engine.TypeGauge, "i", fmt.Sprint(i))), Value: float64(i)})
	}
	want := get(t, e)
	for _, c := range []struct {
		header string
		zip    bool
	}{
		{"", false}, {"gzip", true}, {"br, GZIP;q=0.5", true}, {"gzip;q=0", false}, {"*", true},
		{"*;q=0", false}, {"gzip;q=0, *", false}, {"gzip;q=x", false}, {"deflate", false},
	} {
		for range 2 { // the second time the writer comes from the pool
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", c.header)
			w := httptest.NewRecorder()
			e.Handler().ServeHTTP(w, r)
			var body io.Reader = w.Body
			if zip := w.Header().Get("Content-Encoding") == "gzip"; zip != c.zip {
				t.Errorf("Accept-Encoding %q: gzip %v, want %v", c.header, zip, c.zip)
			} else if zip {
				z, err := gzip.NewReader(body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != want {
				t.Errorf("Accept-Encoding %q: another page, error %v", c.header, err)
			}
		}
	}
}

type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("client is gone") }

func TestClientThatHangsUp(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	for i := range 3000 {
		write(t, l, engine.Sample{Ref: l.Bind(series("a", engine.TypeGauge, "i", fmt.Sprint(i)))})
	}
	for _, coding := range []string{"", "gzip"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", coding)
		e.Handler().ServeHTTP(brokenWriter{httptest.NewRecorder()}, r)
	}
	if got := strings.Count(get(t, e), "\n"); got != 3001 {
		t.Errorf("the next scrape has %d lines, want 3001", got)
	}
}

// Lanes, scrapes and comings and goings at once; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	e := scrape.New(scrape.Options{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			l := openLane(t, e)
			for round := range 50 {
				refs := make([]engine.Ref, 20)
				for i := range refs {
					refs[i] = l.Bind(series("a", engine.TypeGauge, "i", fmt.Sprint(i), "r", fmt.Sprint(round%2)))
				}
				for i, ref := range refs {
					write(t, l, engine.Sample{Ref: ref, Time: int64(i), Value: float64(w)})
				}
				get(t, e)
				for _, ref := range refs {
					l.Release(ref)
				}
			}
			l.Close()
		})
	}
	wg.Wait()
	if got := get(t, e); got != "" || e.Series() != 0 {
		t.Errorf("left over: %d series, %q", e.Series(), got)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	samples := []engine.Sample{{Ref: l.Bind(series("a", engine.TypeGauge)), Value: 1}, {Ref: l.Bind(series("b", engine.TypeGauge)), Value: 1}}
	if n := testing.AllocsPerRun(100, func() { write(t, l, samples...) }); n > 0 {
		t.Errorf("%v allocations per write, want 0", n)
	}
}
