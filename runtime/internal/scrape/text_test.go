package scrape_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/scrape"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Whatever is bound, the page parses and says the same as what was written.
func TestPageParses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := scrape.New(scrape.Options{})
		l, _ := e.Lane(engine.Partition{})
		want := map[string]float64{}
		for i := range rapid.IntRange(1, 30).Draw(t, "series") {
			labels := metric.Labels{{Name: "id", Value: fmt.Sprint(i)}}
			for range rapid.IntRange(0, 3).Draw(t, "labels") {
				labels = labels.Set(rapid.SampledFrom([]string{"job", "Host", "_x", "task-name", "ü"}).Draw(t, "label"), rapid.String().Draw(t, "value"))
			}
			name := rapid.SampledFrom([]string{"flink_a", "flink_b", "b.c", "c:d"}).Draw(t, "name")
			typ := engine.Type(rapid.IntRange(0, 3).Draw(t, "type"))
			value := rapid.Float64().Draw(t, "number")
			if err := l.Write(context.Background(), []engine.Sample{{Ref: l.Bind(engine.Series{Name: name, Labels: labels, Type: typ}), Value: value}}); err != nil {
				t.Fatal(err)
			}
			want[fmt.Sprint(i)] = value
		}
		w := httptest.NewRecorder()
		e.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		got := values(t, w.Body.String())
		if len(got) != len(want) {
			t.Errorf("%d series on the page, want %d", len(got), len(want))
		}
		for id, v := range want {
			if got[id] != v && !(math.IsNaN(v) && math.IsNaN(got[id])) {
				t.Errorf("series %s is %v, want %v", id, got[id], v)
			}
		}
	})
}

// values parses a page and returns the values by the label id.
func values(t *rapid.T, page string) map[string]float64 {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("the page does not parse: %v\n%s", err, page)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "id" { // the one of the two that is not there reads zero
					out[l.GetValue()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return out
}

func TestSummaryParses(t *testing.T) {
	e := scrape.New(scrape.Options{})
	l := openLane(t, e)
	for _, x := range []struct {
		s engine.Series
		v float64
	}{
		{series("flink_lat", engine.TypeSummary, "quantile", "0.5", "task", "t1"), 5},
		{series("flink_lat", engine.TypeSummary, "quantile", "0.99", "task", "t1"), 9},
		{series("flink_lat_count", engine.TypeSummary, "task", "t1"), 100},
	} {
		write(t, l, engine.Sample{Ref: l.Bind(x.s), Value: x.v})
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(get(t, e)))
	if err != nil {
		t.Fatal(err)
	}
	f := families["flink_lat"]
	if f.GetType().String() != "SUMMARY" || len(f.GetMetric()) != 1 || len(families) != 1 {
		t.Fatalf("families %v, want one summary of one metric", families)
	}
	if s := f.GetMetric()[0].GetSummary(); s.GetSampleCount() != 100 || len(s.GetQuantile()) != 2 || s.GetQuantile()[1].GetValue() != 9 {
		t.Errorf("summary %v", s)
	}
}

// flinkSeries returns n series as a fleet has them: a hundred names per label set.
func flinkSeries(n int) []engine.Series {
	out := make([]engine.Series, n)
	for i := range out {
		out[i] = series(fmt.Sprintf("flink_taskmanager_job_task_operator_metric_%03d", i%100), engine.Type(i%2),
			"host", fmt.Sprintf("10.1.2.%d", i/100%250), "job_id", fmt.Sprintf("%032x", i/1000), "job_name", "orders_enrichment_v3",
			"operator_name", "Sink_kafka_orders_enriched", "subtask_index", fmt.Sprint(i/100%10), "task_name", fmt.Sprintf("tn-%016x", i/100),
			"tm_id", fmt.Sprintf("container_e17_%08d", i/500), "torrent_task_id", fmt.Sprintf("t-%06d", i/1000))
	}
	return out
}

func BenchmarkWrite(b *testing.B) {
	e := scrape.New(scrape.Options{})
	l := openLane(b, e)
	var samples []engine.Sample
	for _, s := range flinkSeries(100_000) {
		samples = append(samples, engine.Sample{Ref: l.Bind(s), Value: 42})
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		i := n * 1000 % len(samples)
		write(b, l, samples[i:i+1000]...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sample")
}

func BenchmarkScrape100k(b *testing.B) {
	e := scrape.New(scrape.Options{})
	l := openLane(b, e)
	for i, s := range flinkSeries(100_000) {
		write(b, l, engine.Sample{Ref: l.Bind(s), Time: int64(i), Value: float64(i) * 1.5})
	}
	for _, coding := range []string{"identity", "gzip"} {
		b.Run(coding, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", coding)
			b.ReportAllocs()
			for b.Loop() {
				e.Handler().ServeHTTP(sink{http.Header{}, io.Discard}, r)
			}
		})
	}
}

type sink struct {
	header http.Header
	io.Writer
}

func (s sink) Header() http.Header { return s.header }
func (s sink) WriteHeader(int)     {}
