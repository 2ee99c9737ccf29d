package remotewrite_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"

	"github.com/golang/snappy"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

type prompbSample = prompb.Sample

// sent is a series as Prometheus' own decoder sees it.
type sent struct {
	Labels  string
	Type    string // protocol 2.0
	Samples []string
}

func sample(t int64, v float64) string { return fmt.Sprintf("%d %016x", t, math.Float64bits(v)) }

func readV1(t testing.TB, r *http.Request) (out []sent) {
	for _, ts := range decodeV1(t, r).Timeseries {
		x := sent{}
		for _, l := range ts.Labels {
			x.Labels += fmt.Sprintf("%q=%q ", l.Name, l.Value)
		}
		for _, s := range ts.Samples {
			x.Samples = append(x.Samples, sample(s.Timestamp, s.Value))
		}
		out = append(out, x)
	}
	return out
}

func readV2(t testing.TB, r *http.Request) (out []sent) {
	var w writev2.Request
	if err := w.Unmarshal(body(t, r)); err != nil {
		t.Fatal(err)
	}
	if w.Symbols[0] != "" {
		t.Errorf("the first symbol is %q", w.Symbols[0])
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(w.Symbols)))); n != len(w.Symbols) {
		t.Errorf("%d of %d symbols are distinct", n, len(w.Symbols))
	}
	for _, ts := range w.Timeseries {
		x := sent{Type: ts.Metadata.Type.String()}
		for i := 0; i < len(ts.LabelsRefs); i += 2 {
			x.Labels += fmt.Sprintf("%q=%q ", w.Symbols[ts.LabelsRefs[i]], w.Symbols[ts.LabelsRefs[i+1]])
		}
		for _, s := range ts.Samples {
			x.Samples = append(x.Samples, sample(s.Timestamp, s.Value))
		}
		out = append(out, x)
	}
	return out
}

// expected returns what a series must look like to the receiver.
func expected(s engine.Series) string {
	all := append(slices.Clone(s.Labels), metric.Label{Name: "__name__", Value: s.Name})
	slices.SortFunc(all, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
	out := ""
	for _, l := range all {
		out += fmt.Sprintf("%q=%q ", l.Name, l.Value)
	}
	return out
}

// Prometheus' own decoders read back what was written: every series once per
// request, labels in order, samples in order, bit for bit.
func TestReadBack(t *testing.T) {
	types := [...]string{"METRIC_TYPE_GAUGE", "METRIC_TYPE_COUNTER", "METRIC_TYPE_SUMMARY", "METRIC_TYPE_INFO"}
	for _, protocol := range []remotewrite.Protocol{remotewrite.V1, remotewrite.V2} {
		t.Run(string(protocol), rapid.MakeCheck(func(rt *rapid.T) {
			got, want := map[string]*sent{}, map[string]*sent{}
			s := newSink(t, func(r *http.Request) (*http.Response, error) {
				read := readV1
				if protocol == remotewrite.V2 {
					read = readV2
				}
				inRequest := map[string]bool{}
				for _, x := range read(t, r) {
					if inRequest[x.Labels] {
						rt.Errorf("series %s twice in a request", x.Labels)
					}
					inRequest[x.Labels] = true
					add(got, x.Labels, x.Type, x.Samples...)
				}
				return answer(200, "", writtenHeader, "1000"), nil
			}, remotewrite.Options{Protocol: protocol, MaxSamples: rapid.IntRange(1, 20).Draw(rt, "max")})
			l := openLane(t, s)
			bound, times := map[engine.Ref]engine.Series{}, map[engine.Ref]int{}
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				if len(bound) == 0 || rapid.IntRange(0, 3).Draw(rt, "bind") == 0 {
					x := drawSeries(rt)
					ref := l.Bind(x)
					bound[ref] = x
					times[ref]++
					continue
				}
				ref := rapid.SampledFrom(refs(bound)).Draw(rt, "ref")
				if rapid.IntRange(0, 3).Draw(rt, "release") == 0 {
					l.Release(ref)
					if times[ref]--; times[ref] == 0 {
						delete(bound, ref)
					}
					continue
				}
				v := rapid.SampledFrom([]float64{0, 1.5, -1, math.Inf(1), math.NaN(), engine.Stale()}).Draw(rt, "value")
				at := rapid.Int64().Draw(rt, "time")
				typ := ""
				if protocol == remotewrite.V2 {
					typ = types[bound[ref].Type]
				}
				add(want, expected(bound[ref]), typ, sample(at, v))
				if err := l.Write(context.Background(), []engine.Sample{{Ref: ref, Time: at, Value: v}}); err != nil {
					rt.Fatal(err)
				}
			}
			write(t, l)
			if diff := gocmp.Diff(want, got); diff != "" {
				rt.Errorf("received (-want +got):\n%s", diff)
			}
		}))
	}
}

func refs(bound map[engine.Ref]engine.Series) (out []engine.Ref) {
	for ref := range bound {
		out = append(out, ref)
	}
	slices.Sort(out)
	return out
}

func add(m map[string]*sent, labels, typ string, samples ...string) {
	if m[labels] == nil {
		m[labels] = &sent{Labels: labels, Type: typ}
	}
	m[labels].Samples = append(m[labels].Samples, samples...)
}

// drawSeries draws a series whose labels lie on both sides of __name__. Few
// names and texts make the same one come up again; the name tells the type.
func drawSeries(t *rapid.T) engine.Series {
	var l metric.Labels
	for range rapid.IntRange(0, 3).Draw(t, "labels") {
		name := rapid.SampledFrom([]string{"A", "Zone", "_", "__a", "__z", "_x", "job", "task_name", "9"}).Draw(t, "label")
		l = l.Set(name, rapid.StringN(1, 20, 200).Draw(t, "text"))
	}
	typ := engine.Type(rapid.IntRange(0, 3).Draw(t, "type"))
	return engine.Series{Name: rapid.SampledFrom([]string{"a", "flink_b"}).Draw(t, "name") + fmt.Sprint(typ), Labels: l, Type: typ}
}

func TestUnfitTexts(t *testing.T) {
	for _, protocol := range []remotewrite.Protocol{remotewrite.V1, remotewrite.V2} {
		s := newSink(t, func(r *http.Request) (*http.Response, error) {
			read := readV1
			if protocol == remotewrite.V2 {
				read = readV2
			}
			if got, want := read(t, r)[0].Labels, `"__name__"="a�" "b"="x�" `; got != want {
				t.Errorf("labels %s, want %s", got, want)
			}
			return answer(200, "", writtenHeader, "1"), nil
		}, remotewrite.Options{Protocol: protocol})
		l := openLane(t, s)
		write(t, l, engine.Sample{Ref: l.Bind(series("a\xff", "b", "x\xfe", "empty", "", "__name__", "c"))})
	}
}

// flinkSeries returns n series as a fleet has them: a hundred names per label set.
func flinkSeries(n int) []engine.Series {
	out := make([]engine.Series, n)
	for i := range out {
		out[i] = series(fmt.Sprintf("flink_taskmanager_job_task_operator_metric_%03d", i%100),
			"host", fmt.Sprintf("10.1.2.%d", i/100%250), "job_id", fmt.Sprintf("%032x", i/1000), "job_name", "orders_enrichment_v3",
			"operator", "Sink_kafka_orders_enriched", "subtask_index", fmt.Sprint(i/100%10), "task_name", fmt.Sprintf("tn-%016x", i/100),
			"tm_id", fmt.Sprintf("container_e17_%08d", i/500), "torrent_task_id", fmt.Sprintf("t-%06d", i/1000))
	}
	return out
}

const benchSeries, benchBatch = 200_000, 5_000

// BenchmarkLane is binding excluded, all else included up to the compressed request.
func BenchmarkLane(b *testing.B) {
	for _, protocol := range []remotewrite.Protocol{remotewrite.V1, remotewrite.V2} {
		b.Run(string(protocol), func(b *testing.B) {
			s := newSink(b, func(*http.Request) (*http.Response, error) { return answer(200, "", writtenHeader, "5000"), nil },
				remotewrite.Options{Protocol: protocol})
			l := openLane(b, s)
			var samples []engine.Sample
			for _, x := range flinkSeries(benchSeries) {
				samples = append(samples, engine.Sample{Ref: l.Bind(x)})
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				at := n * benchBatch % benchSeries
				batch := samples[at : at+benchBatch]
				for i := range batch {
					batch[i].Time, batch[i].Value = 1763800000000+int64(n), float64(n*i)*1.1
				}
				if err := l.Write(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/sample")
			b.ReportMetric(float64(s.Stats().Bytes)/float64(b.N)/benchBatch, "B/sample")
		})
	}
}

// BenchmarkPrompb is the same work by the types and encoders that Prometheus has,
// structures reused.
func BenchmarkPrompb(b *testing.B) {
	all := flinkSeries(benchSeries)
	labels := make([][]prompb.Label, len(all))
	for i, s := range all {
		labels[i] = append(labels[i], prompb.Label{Name: "__name__", Value: s.Name})
		for _, l := range s.Labels {
			labels[i] = append(labels[i], prompb.Label{Name: l.Name, Value: l.Value})
		}
	}
	b.Run("1.0", func(b *testing.B) {
		w := prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, benchBatch)}
		points := make([]prompb.Sample, benchBatch)
		var plain, wire []byte
		for n := 0; b.Loop(); n++ {
			at := n * benchBatch % benchSeries
			for i := range w.Timeseries {
				points[i] = prompb.Sample{Timestamp: 1763800000000 + int64(n), Value: float64(n*i) * 1.1}
				w.Timeseries[i].Labels, w.Timeseries[i].Samples = labels[at+i], points[i:i+1]
			}
			if size := w.Size(); cap(plain) < size {
				plain = make([]byte, size)
			}
			size, err := w.MarshalToSizedBuffer(plain[:w.Size()])
			if err != nil {
				b.Fatal(err)
			}
			wire = snappy.Encode(wire[:cap(wire)], plain[:size])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/sample")
	})
	b.Run("2.0", func(b *testing.B) {
		w := writev2.Request{Timeseries: make([]writev2.TimeSeries, benchBatch)}
		points := make([]writev2.Sample, benchBatch)
		var plain, wire []byte
		for n := 0; b.Loop(); n++ {
			at := n * benchBatch % benchSeries
			table := writev2.NewSymbolTable()
			for i := range w.Timeseries {
				ts := &w.Timeseries[i]
				points[i] = writev2.Sample{Timestamp: 1763800000000 + int64(n), Value: float64(n*i) * 1.1}
				ts.LabelsRefs, ts.Samples, ts.Metadata.Type = ts.LabelsRefs[:0], points[i:i+1], writev2.Metadata_METRIC_TYPE_GAUGE
				for _, l := range labels[at+i] {
					ts.LabelsRefs = append(ts.LabelsRefs, table.Symbolize(l.Name), table.Symbolize(l.Value))
				}
			}
			w.Symbols = table.Symbols()
			if size := w.Size(); cap(plain) < size {
				plain = make([]byte, size)
			}
			size, err := w.MarshalToSizedBuffer(plain[:w.Size()])
			if err != nil {
				b.Fatal(err)
			}
			wire = snappy.Encode(wire[:cap(wire)], plain[:size])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/sample")
	})
}
