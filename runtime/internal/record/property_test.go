package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-metrics/sluice/runtime/metric"
	"pgregory.net/rapid"
)

// anyRecord writes an object of the fields of a record in any order, some twice,
// some with a value of another type, with white space and escapes anywhere.
var anyRecord = rapid.Custom(func(t *rapid.T) []byte {
	members := []string{
		`"torrent_task_id":"t-1"`, `"report_timestamp":1763800000123`, `"metric":"m"`,
		`"type":"` + rapid.SampledFrom([]string{"counter", "gauge", "meter", "histogram"}).Draw(t, "type") + `"`,
	}
	if rapid.Bool().Draw(t, "flat") {
		members = append(members, `"value":`+anyValue(t))
	} else {
		members = append(members, `"points":`+anyPoints(t))
	}
	for range rapid.IntRange(0, 4).Draw(t, "more") {
		name := rapid.SampledFrom(slices.Concat(fieldNames[1:], []string{"x", `\u0065nd`})).Draw(t, "field")
		value := goodValues[name]
		if value == "" || rapid.IntRange(0, 7).Draw(t, "odd") == 0 {
			value = anyValue(t)
		}
		members = append(members, `"`+name+`":`+value)
	}
	return []byte(spaced(t, "{"+strings.Join(rapid.Permutation(members).Draw(t, "order"), ",")+"}"))
})

// goodValues are values of the right type; the other fields take any.
var goodValues = map[string]string{
	"v": "1", "torrent_task_id": `"t"`, "report_timestamp": "1", "rid": `"r"`, "seq": "7", "cv": "0", "origin": `"sql"`, "scope": `"a.b"`,
	"metric": `"\u006d"`, "type": `"gauge"`, "labels": `{"<host>":"a","b":""}`, "to": `["store"]`, "end": "false", "n": "3",
}

func anyPoints(t *rapid.T) string {
	points := []string{}
	for range rapid.IntRange(0, 3).Draw(t, "points") {
		members := []string{}
		for range rapid.IntRange(0, 6).Draw(t, "point") {
			name := rapid.SampledFrom(slices.Concat(pointFieldNames[1:], []string{"x"})).Draw(t, "name")
			value := rapid.SampledFrom([]string{"0", "1", "2.5", "-7", `"NaN"`}).Draw(t, "number")
			switch {
			case rapid.IntRange(0, 19).Draw(t, "odd") == 0:
				value = anyValue(t)
			case name == "s", name == "a", name == "c", name == "n":
				value = rapid.SampledFrom([]string{"0", "12", "123456789"}).Draw(t, "integer")
			case name == "t":
				value = `"RUNNING"`
			case name == "b":
				value = "true"
			case name == "v":
				value = rapid.SampledFrom([]string{"null", "-9223372036854775808", "1.5", `"-Inf"`}).Draw(t, "gauge")
			case name == "l":
				value = `{"k":"v"}`
			case name == "q":
				value = `{"0.5":` + value + `,"0.99":"Inf"}`
			}
			members = append(members, `"`+name+`":`+value)
		}
		points = append(points, "{"+strings.Join(members, ",")+"}")
	}
	return "[" + strings.Join(points, ",") + "]"
}

func anyValue(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"0", "-0", "1", "17", "-3", "1.5", "1e3", "-2.5E-3", "00", "1.", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
		"2147483648", "123456789012345678901234567890", "1e400", "1e-400", "0.1234567890123456789", "5e-324", "1.7976931348623157e308",
		"true", "false", "null", "nul", `""`, `"x"`, `"NaN"`, `"Inf"`, `"+Inf"`, `"-Inf"`, `"N\u0061N"`, `"_report"`, `"counter"`, `"\u0067auge"`,
		`"\\"`, `"\"`, `"\ud83d\ude00"`, `"\ud83d"`, `"é"`, "\"\xc3\"", "\"\x01\"", "{}", "[]", `{"a":"b"}`, `{"a":"b","a":"","<c>":"d"}`, `{"a":1}`,
		`["a","b"]`, `[1]`, `{"0.5":1}`, `{"0.5":1,"0.5":"NaN"}`, `{"2":1}`, `[{"v":1}]`, `[{"s":0,"c":1,"r":2}]`,
		strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1), strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	}).Draw(t, "value")
}

// spaced puts white space into JSON text, between its tokens only.
func spaced(t *rapid.T, text string) string {
	if rapid.Bool().Draw(t, "tight") {
		return text
	}
	var b strings.Builder
	quoted := false
	for i := range len(text) {
		if text[i] == '"' && (i == 0 || text[i-1] != '\\') {
			quoted = !quoted
		}
		b.WriteByte(text[i])
		if !quoted && strings.IndexByte(`{}[]:,"`, text[i]) >= 0 {
			b.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r"}).Draw(t, "space"))
		}
	}
	return b.String()
}

// damaged is a record, sometimes with one byte more, less or changed.
func damaged(t *rapid.T, b []byte) []byte {
	b = slices.Clone(b)
	at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
	with := rapid.SampledFrom([]byte("{}[]:,\"\\ 0-.eu\x00\xff")).Draw(t, "byte")
	switch rapid.IntRange(0, 8).Draw(t, "damage") {
	case 0:
		return slices.Delete(b, at, at+1)
	case 1:
		return slices.Insert(b, at, with)
	case 2:
		b[at] = with
	}
	return b
}

func TestAnyRecordReadsAsTheReferenceSays(t *testing.T) {
	s := NewScanner()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		b := damaged(t, anyRecord.Draw(t, "record"))
		got, err := Decode(b)
		want, wantErr := reference(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%s\nDecode says %v, the reference %v", b, err, wantErr)
		}
		if diff := cmp.Diff(want, got, sameBits); err == nil && diff != "" {
			t.Fatalf("%s\n(-reference +Decode):\n%s", b, diff)
		}
		if err == nil {
			accepted++
		}
		for range 2 { // the second time by the layout that the first has learned
			var v, strict View
			scanErr, strictErr := s.Scan(b, &v), new(Scanner).Strict(b, &strict)
			if diff := cmp.Diff(strictErr, scanErr); diff != "" {
				t.Fatalf("%s\n(-Strict +Scan):\n%s", b, diff)
			}
			if diff := cmp.Diff(strict, v, sameBits); scanErr == nil && diff != "" {
				t.Fatalf("%s\n(-Strict +Scan):\n%s", b, diff)
			}
		}
	})
	if accepted == 0 || s.Fast == 0 {
		t.Errorf("%d accepted, %d read by a learned layout: the test compares too little", accepted, s.Fast)
	}
}

// anyText draws text with all that JSON escapes, and what it does not.
var anyText = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"t-1", "NaN", "Inf", `\u004eaN`, "é", "\x00\x1f\x7f\u2028", `a"b\`}))

var anyLabels = rapid.Custom(func(t *rapid.T) metric.Labels {
	var labels metric.Labels
	for name, value := range rapid.MapOfN(rapid.String(), rapid.StringN(0, 8, -1), 0, 4).Draw(t, "labels") {
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	slices.SortFunc(labels, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	return labels
})

// anyDecoded is a Record as Decode gives it.
var anyDecoded = rapid.Custom(func(t *rapid.T) Record {
	r := New()
	r.Task = "t" + anyText.Draw(t, "task")
	r.Timestamp = rapid.Int64Min(1).Draw(t, "timestamp")
	r.RID = anyText.Draw(t, "rid")
	r.Seq = rapid.Int64Min(-1).Draw(t, "seq")
	r.CV = rapid.Int64Min(-1).Draw(t, "cv")
	r.Origin, r.Scope = anyText.Draw(t, "origin"), anyText.Draw(t, "scope")
	r.Metric = "m" + anyText.Draw(t, "metric")
	r.Kind = metric.Kind(rapid.IntRange(1, 4).Draw(t, "kind"))
	r.Labels = anyLabels.Draw(t, "labels")
	for range rapid.IntRange(0, 2).Draw(t, "sinks") {
		r.To = append(r.To, anyText.Draw(t, "sink"))
	}
	switch rapid.IntRange(0, 4).Draw(t, "form") {
	case 0:
		r.Metric, r.Report = ReportMetric, rapid.Int64Min(0).Draw(t, "n")
	case 1:
		r.End = true
		r.Points = rapid.SliceOfN(rapid.Custom(anyEnd), 0, 3).Draw(t, "points")
	case 2:
		s := anySample(t, r.Kind)
		s.Subtask, s.Attempt, s.Labels = -1, -1, nil
		r.Points = []Sample{s}
		r.Flat = true
		r.Flat = r.flat()
	default:
		r.Points = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Sample { return anySample(t, r.Kind) }), 1, 5).Draw(t, "points")
	}
	if len(r.Points) == 0 {
		r.Points = nil
	}
	return r
})

func anyEnd(t *rapid.T) Sample {
	return Sample{
		Subtask: rapid.Int32Min(-1).Draw(t, "s"),
		Attempt: rapid.Int32Min(-1).Draw(t, "a"),
		Labels:  anyLabels.Draw(t, "l"),
	}
}

func anySample(t *rapid.T, kind metric.Kind) Sample {
	s := anyEnd(t)
	anyFloat := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, 1, 0.1, 1e21, 1e-7, 123456.789}))
	switch kind {
	case metric.Counter:
		s.Form, s.Count = Count, rapid.Int64().Draw(t, "c")
	case metric.Meter:
		s.Form, s.Value = Number, anyFloat.Draw(t, "r")
		if rapid.Bool().Draw(t, "counted") {
			s.Form, s.Count = Rate, rapid.Int64().Draw(t, "c")
		}
	case metric.Histogram:
		s.Form, s.Count, s.Hist = Statistic, rapid.Int64().Draw(t, "c"), noHist()
		s.Hist.Window = rapid.Int64Min(-1).Draw(t, "n")
		s.Hist.Mean = anyFloat.Draw(t, "mean")
		for k := range rapid.IntRange(0, 4).Draw(t, "q") {
			s.Hist.Quantiles = append(s.Hist.Quantiles, Quantile{Q: fmt.Appendf(nil, "0.%d", k+1), Value: anyFloat.Draw(t, "q")})
		}
	default:
		switch rapid.IntRange(0, 2).Draw(t, "gauge") {
		case 0:
			s.Form, s.Text = Text, anyText.Draw(t, "t")
		case 1:
			s.Form, s.Value = Number, anyFloat.Draw(t, "v")
		}
	}
	return s
}

func TestDecodeGivesBackWhatAppendWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyDecoded.Draw(t, "record")
		b := want.Append(nil)
		got, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(want, got, sameBits); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", b, diff)
		}
	})
}
