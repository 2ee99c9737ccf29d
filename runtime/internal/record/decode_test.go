package record

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestDecode(t *testing.T) {
	base := func(kind metric.Kind, change func(*Record)) Record {
		r := New()
		r.Task, r.Timestamp, r.Metric, r.Kind = "t", 1, "m", kind
		change(&r)
		return r
	}
	flat := func(kind metric.Kind, s Sample) Record {
		s.Subtask, s.Attempt = -1, -1
		return base(kind, func(r *Record) { r.Flat, r.Points = true, []Sample{s} })
	}
	const head = `{"torrent_task_id":"t","report_timestamp":1,"metric":"m",`
	cases := []struct {
		name, record string
		want         Record
	}{
		{"a long stays exact", head + `"type":"counter","value":9007199254740993}`, flat(metric.Counter, Sample{Form: Count, Count: 9007199254740993})},
		{"the smallest long", head + `"type":"counter","value":-9223372036854775808}`, flat(metric.Counter, Sample{Form: Count, Count: math.MinInt64})},
		{"no watermark yet", head + `"type":"gauge","value":-9223372036854775808}`, flat(metric.Gauge, Sample{})},
		{"no watermark yet, as a double", head + `"type":"gauge","value":-9.223372036854775808E18}`, flat(metric.Gauge, Sample{})},
		{"null", head + `"type":"gauge","value":null}`, flat(metric.Gauge, Sample{})},
		{"true", head + `"type":"gauge","value":true}`, flat(metric.Gauge, Sample{Form: Number, Value: 1})},
		{"false", head + `"type":"gauge","value":false}`, flat(metric.Gauge, Sample{Form: Number})},
		{"text", head + `"type":"gauge","value":"a\/\"\u00e9\ud83d\ude00\n"}`, flat(metric.Gauge, Sample{Form: Text, Text: "a/\"é😀\n"})},
		{"the text Infinity", head + `"type":"gauge","value":"Infinity"}`, flat(metric.Gauge, Sample{Form: Text, Text: "Infinity"})},
		{"NaN", head + `"type":"gauge","value":"NaN"}`, flat(metric.Gauge, Sample{Form: Number, Value: math.NaN()})},
		{"Inf", head + `"type":"gauge","value":"+Inf"}`, flat(metric.Gauge, Sample{Form: Number, Value: math.Inf(1)})},
		{"-Inf", head + `"type":"meter","value":"-Inf"}`, flat(metric.Meter, Sample{Form: Number, Value: math.Inf(-1)})},
		{"minus zero", head + `"type":"gauge","value":-0}`, flat(metric.Gauge, Sample{Form: Number, Value: math.Copysign(0, -1)})},
		{"a rate without its count", head + `"type":"meter","value":2.5}`, flat(metric.Meter, Sample{Form: Number, Value: 2.5})},
		{"labels", head + `"type":"counter","value":1,"labels":{"<host>":"a","b":"","c":"1","c":"2"}}`, base(metric.Counter, func(r *Record) {
			r.Flat, r.Points = true, []Sample{{Subtask: -1, Attempt: -1, Form: Count, Count: 1}}
			r.Labels = metric.Labels{{Name: "<host>", Value: "a"}, {Name: "b"}, {Name: "c", Value: "2"}}
		})},
		{"the end of all series", head + `"type":"counter","end":true}`, base(metric.Counter, func(r *Record) { r.End = true })},
		{"the end of some series", head + `"type":"gauge","points":[{"s":3,"v":7}],"end":true}`, base(metric.Gauge, func(r *Record) {
			r.End, r.Points = true, []Sample{{Subtask: 3, Attempt: -1}}
		})},
		{"the end of a report", closing, base(0, func(r *Record) {
			r.RID, r.Seq, r.CV, r.Metric, r.Report = "r", 7, 1, "_report", 215
		})},
		{"sinks", head + `"type":"gauge","points":[{"v":7}],"to":["store","a\"b"]}`, base(metric.Gauge, func(r *Record) {
			r.To, r.Points = []string{"store", `a"b`}, []Sample{{Subtask: -1, Attempt: -1, Form: Number, Value: 7}}
		})},
		{"the first value a gauge has", head + `"type":"gauge","points":[{"t":"x","b":true,"v":2},{"t":"x","b":true,"v":null},{"t":"x","b":null}]}`, base(metric.Gauge, func(r *Record) {
			r.Points = []Sample{
				{Subtask: -1, Attempt: -1, Form: Number, Value: 2},
				{Subtask: -1, Attempt: -1, Form: Number, Value: 1},
				{Subtask: -1, Attempt: -1, Form: Text, Text: "x"},
			}
		})},
		{"a histogram", histogramRecord, base(metric.Histogram, func(r *Record) {
			r.Metric = "mailboxLatencyMs"
			sparse := noHist()
			r.Points = []Sample{
				{Form: Statistic, Count: 17, Hist: Hist{Window: 60, Min: 0, Max: 4.5, Mean: 1.25, Dev: 0.5, Quantiles: []Quantile{
					{[]byte("0.5"), 1}, {[]byte("0.99"), 4}, {[]byte("0.999"), math.NaN()}}}},
				{Subtask: 1, Attempt: -1, Form: Statistic, Count: 1, Hist: sparse},
			}
		})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Decode([]byte(c.record))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, sameBits); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMainValue(t *testing.T) {
	for _, c := range []struct {
		point Point
		want  float64
	}{
		{Point{Form: Count, Count: 3}, 3},
		{Point{Form: Number, Value: 2.5}, 2.5},
		{Point{Form: Rate, Count: 3, Value: 2.5}, 2.5},
		{Point{Form: Statistic, Count: 3, Hist: Hist{Mean: 1.5}}, 1.5},
	} {
		if got := c.point.Main(); got != c.want {
			t.Errorf("%+v: got %v, want %v", c.point, got, c.want)
		}
	}
}

// noHist is a Hist without any statistic.
func noHist() Hist {
	nan := math.NaN()
	return Hist{Window: -1, Min: nan, Max: nan, Mean: nan, Dev: nan}
}
