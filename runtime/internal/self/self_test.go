package self

import (
	"math"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestTableIsDocumentedAndBounded(t *testing.T) {
	name := regexp.MustCompile(`^sluice_[a-z]+(_[a-z]+)*$`)
	bounds, used, seen := Bounds(), map[string]bool{}, map[string]bool{}
	for _, r := range Table() {
		if !name.MatchString(r.Name) || seen[r.Name] {
			t.Errorf("%s: want a name of its own like sluice_some_thing", r.Name)
		}
		seen[r.Name] = true
		if !strings.HasSuffix(r.Help, ".") || strings.ToUpper(r.Help[:1]) != r.Help[:1] && r.Help[0] != '1' {
			t.Errorf("%s: help is a sentence, got %q", r.Name, r.Help)
		}
		if r.Unit == "" || (r.Type == HistogramType) != (len(r.Buckets) > 0) {
			t.Errorf("%s: needs a unit, and buckets only when it is a histogram: %+v", r.Name, r)
		}
		for _, l := range r.Labels {
			used[l] = true
			if bounds[l] == "" {
				t.Errorf("%s: label %s: enter in Bounds what bounds its values", r.Name, l)
			}
		}
	}
	for l := range bounds {
		if !used[l] {
			t.Errorf("label %s is in Bounds and in no row", l)
		}
	}
}

// every makes each metric expose something, so that the linter sees all of them.
func every(m *Metrics) {
	for _, r := range m.table() {
		labels := make([]string, len(r.Labels))
		for i := range labels {
			labels[i] = "x"
		}
		switch h := r.handle.(type) {
		case *Counter:
			h.Add(1, labels...)
		case *Gauge:
			h.Set(1, labels...)
		case *Histogram:
			h.Observe(1, labels...)
		}
	}
}

func TestLint(t *testing.T) {
	m := New("v1.2.3")
	every(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "sluice_") {
			ours++
		}
	}
	if ours != len(Table()) {
		t.Errorf("%d families exposed, the table has %d", ours, len(Table()))
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestBindNamesEveryField(t *testing.T) {
	m := New("v")
	if m.Records.f == nil || m.BuildInfo.f == nil || m.EventLag.f == nil {
		t.Fatal("handles are not bound")
	}
	seen := map[handle]bool{}
	for _, r := range m.table() {
		if seen[r.handle] {
			t.Errorf("%s: two rows share a handle", r.Name)
		}
		seen[r.handle] = true
	}
}

func TestCounterSumsItsSources(t *testing.T) {
	m := New("v")
	total := uint64(7)
	m.Samples.Collect(func(emit func(uint64, ...string)) { emit(total, "1", "out") })
	m.Samples.Add(3, "1", "out")
	m.Samples.Collect(func(emit func(uint64, ...string)) {
		emit(100, "1", "out")
		emit(5, "2", "out")
	})
	want := func(v string) {
		t.Helper()
		expect(t, m, "sluice_samples_total", `
			# HELP sluice_samples_total Samples by what became of them; the sum over dispositions is what came in.
			# TYPE sluice_samples_total counter
			sluice_samples_total{disposition="out",hop="1"} `+v+`
			sluice_samples_total{disposition="out",hop="2"} 5
		`)
	}
	want("110")
	total = 8
	want("111")
}

func TestGaugeForgetsWhatIsNotEmitted(t *testing.T) {
	m := New("v")
	revision := "a"
	m.PolicyInfo.Collect(func(emit func(float64, ...string)) {
		if revision != "" {
			emit(1, revision)
		}
	})
	want := func(lines string) {
		t.Helper()
		expect(t, m, "sluice_policy_info", lines)
	}
	head := `
		# HELP sluice_policy_info 1 for the revision of the policy set that runs.
		# TYPE sluice_policy_info gauge
	`
	want(head + "sluice_policy_info{revision=\"a\"} 1\n")
	revision = "b"
	want(head + "sluice_policy_info{revision=\"b\"} 1\n")
	revision = ""
	want("")
}

func expect(t *testing.T, m *Metrics, name, text string) {
	t.Helper()
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(text), name); err != nil {
		t.Error(err)
	}
}

func TestHistogramSumsSources(t *testing.T) {
	m := New("v")
	m.SinkSeconds.Observe(.002, "store") // bucket up to 0.0025
	m.SinkSeconds.Observe(math.NaN(), "store")
	m.SinkSeconds.Collect(func(emit func(uint64, func(time.Duration) uint64, float64, ...string)) {
		emit(10, func(d time.Duration) uint64 {
			if d < 100*time.Millisecond {
				return 4
			}
			return 99 // more than there are: a source in the middle of a change
		}, 1.5, "store")
	})
	body := scrape(t, m)
	for _, want := range []string{
		`sluice_sink_seconds_bucket{sink="store",le="0.001"} 4`, `sluice_sink_seconds_bucket{sink="store",le="0.0025"} 5`,
		`sluice_sink_seconds_bucket{sink="store",le="0.05"} 5`, `sluice_sink_seconds_bucket{sink="store",le="0.1"} 11`,
		`sluice_sink_seconds_bucket{sink="store",le="+Inf"} 11`, `sluice_sink_seconds_sum{sink="store"} 1.502`,
		`sluice_sink_seconds_count{sink="store"} 11`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != 200 {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func TestHandler(t *testing.T) {
	m := New("v1.2.3")
	m.Records.Add(2, "bad\xffvalue")
	m.EventLag.Observe(.02, "store")
	body := scrape(t, m)
	for _, want := range []string{
		`sluice_build_info{goversion="go`, `version="v1.2.3"} 1`, "sluice_records_total{stream=\"bad\uFFFDvalue\"} 2",
		`sluice_event_lag_seconds_bucket{sink="store",le="0.01"} 0`, `sluice_event_lag_seconds_bucket{sink="store",le="+Inf"} 1`,
		`sluice_event_lag_seconds_sum{sink="store"} 0.02`, "sluice_store_head_series 0", "go_goroutines", "process_start_time_seconds",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

func TestWrongLabelsPanic(t *testing.T) {
	defer func() {
		want := `sluice_samples_total has the labels ["hop" "disposition"], was given ["1"]`
		if diff := cmp.Diff(want, recover()); diff != "" {
			t.Error(diff)
		}
	}()
	New("v").Samples.Add(1, "1")
}

func TestConcurrent(t *testing.T) {
	m := New("v")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				m.Records.Add(1, "s")
				m.EventLag.Observe(.1, "store")
				m.Scans.Add(1, "fast")
				if _, err := m.registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	m.Scans.Collect(func(emit func(uint64, ...string)) { emit(1, "fast") })
	wg.Wait()
	expect(t, m, "sluice_scan_total", `
		# HELP sluice_scan_total Records scanned by their learned layout (fast) or field by field (slow).
		# TYPE sluice_scan_total counter
		sluice_scan_total{path="fast"} 801
	`)
}
