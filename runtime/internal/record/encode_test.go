package record

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/metric"
	"pgregory.net/rapid"
)

// What Append writes is the canonical form: these records come back as they are.
func TestAppendIsCanonical(t *testing.T) {
	for _, record := range []string{
		meterRecord, flatGaugeRecord, counterRecord, endRecord, closing,
		`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":"RUNNING","labels":{}}`,
		`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":null,"labels":{}}`,
		`{"torrent_task_id":"t","report_timestamp":1,"rid":"r","seq":0,"cv":0,"origin":"custom","scope":"s","metric":"m","type":"meter","value":"-Inf","labels":{}}`,
		`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"counter","value":0,"labels":{},"end":true}`,
		`{"v":1,"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","labels":{},"to":["store","b"],"end":true,"points":[]}`,
		`{"v":1,"torrent_task_id":"t\"\\\n\u0001é","report_timestamp":1,"metric":"m","type":"gauge","labels":{},"points":[{"v":null},{"s":1,"t":"NaN"},{"a":2,"v":"NaN"}]}`,
		`{"v":1,"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"histogram","labels":{},"points":[{"s":0,"c":17,"n":60,"min":0,"max":4.5,"mean":1.25,"sd":0.5,"q":{"0.5":1,"0.99":1e+21}}]}`,
	} {
		r, err := Decode([]byte(record))
		if err != nil {
			t.Errorf("%s: %v", record, err)
		} else if got := string(r.Append(nil)); got != record {
			t.Errorf("got  %s\nwant %s", got, record)
		}
	}
}

// What the flat form cannot say is written with points.
func TestFlatFallsBackToPoints(t *testing.T) {
	for name, s := range map[string]Sample{
		"a subtask":         {Subtask: 1, Attempt: -1, Form: Number},
		"an attempt":        {Subtask: -1, Attempt: 1, Form: Number},
		"labels":            {Subtask: -1, Attempt: -1, Form: Number, Labels: metric.Labels{{Name: "a", Value: "b"}}},
		"text like numbers": {Subtask: -1, Attempt: -1, Form: Text, Text: "NaN"},
	} {
		r := New()
		r.Task, r.Timestamp, r.Metric, r.Kind, r.Flat, r.Points = "t", 1, "m", metric.Gauge, true, []Sample{s}
		got, err := Decode(r.Append(nil))
		if err != nil || got.Flat || got.Points[0].Text != s.Text || got.Points[0].Subtask != s.Subtask {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	for want, v := range map[string]float64{
		`0`: 0, `-0`: math.Copysign(0, -1), `1`: 1, `-2.5`: -2.5, `8744577`: 8744577, `1e+21`: 1e21, `100000000000000000000`: 1e20,
		`0.000001`: 1e-6, `1e-07`: 1e-7, `"NaN"`: math.NaN(), `"Inf"`: math.Inf(1), `"-Inf"`: math.Inf(-1), `5e-324`: 5e-324,
	} {
		if got := string(AppendFloat(nil, v)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAppendStringIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("\"\\\x00\n\xc3\xa9")))).Draw(t, "bytes"))
		var want string // as encoding/json reads it: with replacement characters
		quoted, err := json.Marshal(s)
		if err == nil {
			err = json.Unmarshal(quoted, &want)
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, end, f := stringAt(AppendString(nil, s), 0)
		if f != noFault || end != len(raw)+2 || Unquote(raw) != want {
			t.Errorf("%q is written as %s, fault %d", s, AppendString(nil, s), f)
		}
	})
}

func TestAppendPartsDoNotAllocate(t *testing.T) {
	var s Scanner
	var v View
	if err := s.Strict([]byte(histogramRecord), &v); err != nil {
		t.Fatal(err)
	}
	labels := metric.Labels{{Name: "host", Value: "10.1.2.3"}, {Name: "task", Value: "a \"b\""}}
	dst := make([]byte, 0, 4096)
	n := testing.AllocsPerRun(100, func() {
		out := AppendHead(dst, "t-184467")
		out = AppendStamp(out, v.Timestamp, v.RID, v.Seq, v.CV)
		out = AppendName(out, "native", "", "flink_m", v.Kind)
		out = AppendLists(out, labels, nil)
		out = append(out, PartPoints...)
		key := len(out)
		out = AppendPointKey(out, 0, 1, labels)
		out = AppendPointValues(append(out, ','), v.Kind, &v.Points[0])
		out = AppendPoint(append(out, "},"...), out[key:key+6], v.Kind, &v.Points[1])
		_ = append(out, PartClose...)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
