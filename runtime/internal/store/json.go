package store

import (
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// AppendJSON appends the result as the data field of the Prometheus HTTP API:
// resultType and result, times in seconds, values as text.
func (r *Result) AppendJSON(b []byte) []byte {
	b = append(b, `{"resultType":"`...)
	b = append(b, r.value.Type()...)
	b = append(b, `","result":`...)
	switch v := r.value.(type) {
	case promql.Scalar:
		b = appendPoint(b, v.T, v.V)
	case promql.String:
		b = append(b, '[')
		b = appendTime(b, v.T)
		b = append(b, ',')
		b = appendText(b, v.V)
		b = append(b, ']')
	case promql.Vector:
		b = appendList(b, v, func(b []byte, s promql.Sample) []byte {
			b = appendLabels(append(b, `{"metric":`...), s.Metric)
			return append(appendPoint(append(b, `,"value":`...), s.T, s.F), '}')
		})
	case promql.Matrix:
		b = appendList(b, v, func(b []byte, s promql.Series) []byte {
			b = appendLabels(append(b, `{"metric":`...), s.Metric)
			b = appendList(append(b, `,"values":`...), s.Floats, func(b []byte, p promql.FPoint) []byte { return appendPoint(b, p.T, p.F) })
			return append(b, '}')
		})
	}
	return append(b, '}')
}

// MarshalJSON implements json.Marshaler.
func (r *Result) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// MarshalJSON implements json.Marshaler.
func (l LabelSet) MarshalJSON() ([]byte, error) { return appendLabels(nil, labels.Labels(l)), nil }

func appendList[T any](b []byte, list []T, item func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, x := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, x)
	}
	return append(b, ']')
}

func appendLabels(b []byte, l labels.Labels) []byte {
	b = append(b, '{')
	first := true
	l.Range(func(x labels.Label) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendText(b, x.Name), ':')
		b = appendText(b, x.Value)
	})
	return append(b, '}')
}

// appendPoint appends [seconds,"value"].
func appendPoint(b []byte, t int64, v float64) []byte {
	b = appendTime(append(b, '['), t)
	b = append(b, `,"`...)
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, v, format, -1, 64) // gives NaN, +Inf and -Inf as the API has them
	return append(b, `"]`...)
}

// appendTime appends milliseconds as seconds, with three decimals unless they
// are zero.
func appendTime(b []byte, ms int64) []byte {
	u := uint64(ms)
	if ms < 0 {
		b, u = append(b, '-'), -u
	}
	b = strconv.AppendUint(b, u/1000, 10)
	if f := u % 1000; f != 0 {
		b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	return b
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	if !plain(s) {
		q, _ := json.Marshal(s) // a string always marshals
		return append(b, q...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// plain reports whether s stands for itself in JSON.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}
