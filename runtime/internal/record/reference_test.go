package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// The reference decoder: slow, on encoding/json, written from records.md and not
// from the scanner. It reads a record into a tree and then looks at the tree.

type refMember struct {
	key   string
	value any // refObject, refArray, string, json.Number, bool, nil
}
type refObject []refMember
type refArray []any

// last returns the last value of a key.
func (o refObject) last(key string) (any, bool) {
	for _, m := range slices.Backward(o) {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

var errReference = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errReference, fmt.Sprintf(format, args...))
}

// reference returns what b says.
func reference(b []byte) (Record, error) {
	if err := referenceJSON(b); err != nil {
		return Record{}, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	tree, err := refValue(d)
	if err != nil {
		return Record{}, err
	}
	o, ok := tree.(refObject)
	if !ok {
		return Record{}, refuse("no object")
	}
	for _, m := range o {
		if check := refFields[m.key]; check != nil {
			if err := check(m.value); err != nil {
				return Record{}, fmt.Errorf("%s: %w", m.key, err)
			}
		}
	}
	return refRecord(o)
}

// referenceJSON judges b as JSON with sound strings, of bounded size and depth.
func referenceJSON(b []byte) error {
	switch {
	case len(b) > MaxBytes:
		return refuse("size")
	case !json.Valid(b):
		return refuse("JSON")
	case !utf8.Valid(b):
		return refuse("UTF-8")
	case refLoneSurrogate(b):
		return refuse("surrogate")
	case refDepth(b) > MaxDepth:
		return refuse("depth")
	}
	return nil
}

func refDepth(b []byte) int {
	d := json.NewDecoder(bytes.NewReader(b))
	depth, most := 0, 0
	for {
		t, err := d.Token()
		if err != nil {
			return most
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
			most = max(most, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// refLoneSurrogate looks for \uD800 to \uDFFF that are not a pair, in valid JSON.
func refLoneSurrogate(b []byte) bool {
	unit := func(i int) rune {
		if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(b[i+2:i+6]), 16, 32)
		return rune(n)
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		if r := unit(i); utf16.IsSurrogate(r) {
			if utf16.DecodeRune(r, unit(i+6)) == utf8.RuneError {
				return true
			}
			i += 6
		}
		i++
	}
	return false
}

func refValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := refObject{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := refValue(d)
			if err != nil {
				return nil, err
			}
			o = append(o, refMember{key.(string), value})
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		a := refArray{}
		for d.More() {
			value, err := refValue(d)
			if err != nil {
				return nil, err
			}
			a = append(a, value)
		}
		_, err := d.Token()
		return a, err
	}
	return t, nil
}

// The types of the fields. A known field must have its type wherever it stands.
var refFields = map[string]func(any) error{
	"v":                refIs(func(v any) bool { return v == json.Number("1") }),
	"torrent_task_id":  refIs(refString),
	"report_timestamp": refIs(func(v any) bool { n, ok := refInt(v); return ok && n > 0 }),
	"rid":              refIs(refString),
	"seq":              refIs(refWhole),
	"cv":               refIs(refWhole),
	"origin":           refIs(refString),
	"scope":            refIs(refString),
	"metric":           refIs(refString),
	"type":             refIs(refString),
	"labels":           refIs(refLabels),
	"to":               refIs(func(v any) bool { return refAll(v, refString) }),
	"end":              refIs(refBool),
	"n":                refIs(refWhole),
	"value":            refIs(refScalar),
	"points":           refIs(refPoints),
}

var refPointFields = map[string]func(any) error{
	"s":    refIs(func(v any) bool { n, ok := refInt(v); return ok && n >= 0 && n <= math.MaxInt32 }),
	"a":    refIs(func(v any) bool { n, ok := refInt(v); return ok && n >= 0 && n <= math.MaxInt32 }),
	"l":    refIs(refLabels),
	"c":    refIs(func(v any) bool { _, ok := refInt(v); return ok }),
	"r":    refIs(refNumber),
	"v":    refIs(func(v any) bool { return v == nil || refNumber(v) }),
	"b":    refIs(func(v any) bool { return v == nil || refBool(v) }),
	"t":    refIs(func(v any) bool { return v == nil || refString(v) }),
	"n":    refIs(refWhole),
	"min":  refIs(refNumber),
	"max":  refIs(refNumber),
	"mean": refIs(refNumber),
	"sd":   refIs(refNumber),
	"q":    refIs(refQuantiles),
}

func refIs(ok func(any) bool) func(any) error {
	return func(v any) error {
		if !ok(v) {
			return refuse("type of %v", v)
		}
		return nil
	}
}

func refString(v any) bool { _, ok := v.(string); return ok }
func refBool(v any) bool   { _, ok := v.(bool); return ok }
func refNumber(v any) bool { _, ok := refFloat(v); return ok }
func refWhole(v any) bool  { n, ok := refInt(v); return ok && n >= 0 }

func refAll(v any, ok func(any) bool) bool {
	a, isArray := v.(refArray)
	for _, x := range a {
		isArray = isArray && ok(x)
	}
	return isArray
}

func refLabels(v any) bool {
	o, ok := v.(refObject)
	for _, m := range o {
		ok = ok && refString(m.value)
	}
	return ok
}

func refScalar(v any) bool {
	switch v.(type) {
	case refObject, refArray:
		return false
	case json.Number:
		return refNumber(v)
	}
	return true
}

func refPoints(v any) bool {
	a, _ := v.(refArray)
	return len(a) <= MaxPoints && refAll(v, func(x any) bool {
		o, ok := x.(refObject)
		for _, m := range o {
			if check := refPointFields[m.key]; check != nil && check(m.value) != nil {
				return false
			}
		}
		return ok
	})
}

var refQuantileKey = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func refQuantiles(v any) bool {
	o, ok := v.(refObject)
	keys := map[string]bool{}
	for _, m := range o {
		q, err := strconv.ParseFloat(m.key, 64)
		ok = ok && refQuantileKey.MatchString(m.key) && err == nil && q >= 0 && q <= 1 && refNumber(m.value)
		keys[m.key] = true
	}
	return ok && len(keys) <= MaxQuantiles
}

func refInt(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(string(n), 10, 64)
	return i, err == nil
}

func refFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		return f, err == nil
	case string:
		f, ok := map[string]float64{"NaN": math.NaN(), "Inf": math.Inf(1), "+Inf": math.Inf(1), "-Inf": math.Inf(-1)}[v]
		return f, ok
	}
	return 0, false
}

// refRecord judges what is missing and builds the record.
func refRecord(o refObject) (Record, error) {
	r := New()
	r.Task, r.RID = refText(o, "torrent_task_id"), refText(o, "rid")
	r.Origin, r.Scope, r.Metric = refText(o, "origin"), refText(o, "scope"), refText(o, "metric")
	r.Timestamp = refIntOr(o, "report_timestamp", 0)
	r.Seq, r.CV = refIntOr(o, "seq", -1), refIntOr(o, "cv", -1)
	labels, _ := o.last("labels")
	r.Labels = refLabelsOf(labels)
	if to, ok := o.last("to"); ok {
		for _, sink := range to.(refArray) {
			r.To = append(r.To, sink.(string))
		}
	}
	end, _ := o.last("end")
	r.End = end == true
	word, typed := o.last("type")
	if typed {
		kind, ok := metric.ParseKind(word.(string))
		if !ok {
			return r, refuse("kind")
		}
		r.Kind = kind
	}
	if r.Task == "" || r.Metric == "" || r.Timestamp == 0 {
		return r, refuse("missing")
	}
	if r.Metric == ReportMetric {
		n, ok := o.last("n")
		if !ok {
			return r, refuse("no n")
		}
		r.Report, _ = refInt(n)
		return r, nil
	}
	if !typed {
		return r, refuse("no type")
	}
	return refSamples(o, r)
}

func refSamples(o refObject, r Record) (Record, error) {
	value, flat := o.last("value")
	points, grouped := o.last("points")
	array, _ := points.(refArray)
	switch {
	case flat && grouped:
		return r, refuse("both")
	case flat:
		s, err := refFlat(r.Kind, value)
		if r.End {
			s = Sample{Subtask: -1, Attempt: -1}
		}
		r.Flat, r.Points = true, []Sample{s}
		return r, err
	case !r.End && len(array) == 0:
		return r, refuse("no points")
	}
	for _, p := range array {
		s := Sample{
			Subtask: int32(refIntOr(p.(refObject), "s", -1)),
			Attempt: int32(refIntOr(p.(refObject), "a", -1)),
		}
		l, _ := p.(refObject).last("l")
		s.Labels = refLabelsOf(l)
		if !r.End {
			if err := refSample(p.(refObject), r.Kind, &s); err != nil {
				return r, err
			}
		}
		r.Points = append(r.Points, s)
	}
	return r, nil
}

func refFlat(kind metric.Kind, value any) (Sample, error) {
	s := Sample{Subtask: -1, Attempt: -1}
	number, isNumber := refFloat(value)
	text, isText := value.(string)
	switch {
	case kind == metric.Counter:
		n, ok := refInt(value)
		s.Form, s.Count = Count, n
		if !ok {
			return s, refuse("counter")
		}
	case kind == metric.Meter:
		s.Form, s.Value = Number, number
		if !isNumber {
			return s, refuse("meter")
		}
	case kind == metric.Histogram:
		return s, refuse("histogram")
	case isNumber:
		refGauge(&s, number)
	case isText:
		s.Form, s.Text = Text, text
	case value != nil:
		refGauge(&s, map[any]float64{true: 1, false: 0}[value])
	}
	return s, nil
}

// refGauge gives s a number, unless it says that there is no watermark yet.
func refGauge(s *Sample, v float64) {
	if v != math.MinInt64 {
		s.Form, s.Value = Number, v
	}
}

func refSample(p refObject, kind metric.Kind, s *Sample) error {
	c, counted := p.last("c")
	count, _ := refInt(c)
	rate, rated := p.last("r")
	switch kind {
	case metric.Counter:
		s.Form, s.Count = Count, count
		if !counted {
			return refuse("c")
		}
	case metric.Meter:
		s.Form, s.Count = Number, count
		s.Value, _ = refFloat(rate)
		if counted {
			s.Form = Rate
		}
		if !rated {
			return refuse("r")
		}
	case metric.Histogram:
		s.Form, s.Count, s.Hist = Statistic, count, refHist(p)
		if !counted {
			return refuse("c")
		}
	default:
		v, hasV := p.last("v")
		b, hasB := p.last("b")
		t, hasT := p.last("t")
		switch {
		case v != nil:
			n, _ := refFloat(v)
			refGauge(s, n)
		case b != nil:
			refGauge(s, map[any]float64{true: 1, false: 0}[b])
		case t != nil:
			s.Form, s.Text = Text, t.(string)
		case !hasV && !hasB && !hasT:
			return refuse("gauge")
		}
	}
	return nil
}

func refHist(p refObject) Hist {
	statistic := func(key string) float64 {
		v, ok := p.last(key)
		if !ok {
			return math.NaN()
		}
		f, _ := refFloat(v)
		return f
	}
	h := Hist{
		Window: refIntOr(p, "n", -1),
		Min:    statistic("min"), Max: statistic("max"), Mean: statistic("mean"), Dev: statistic("sd"),
	}
	q, _ := p.last("q")
	quantiles, _ := q.(refObject)
	for _, m := range quantiles {
		if slices.ContainsFunc(h.Quantiles, func(x Quantile) bool { return string(x.Q) == m.key }) {
			continue
		}
		v, _ := quantiles.last(m.key)
		f, _ := refFloat(v)
		h.Quantiles = append(h.Quantiles, Quantile{Q: []byte(m.key), Value: f})
	}
	return h
}

func refText(o refObject, key string) string {
	v, _ := o.last(key)
	s, _ := v.(string)
	return s
}

func refIntOr(o refObject, key string, absent int64) int64 {
	v, ok := o.last(key)
	if !ok {
		return absent
	}
	n, _ := refInt(v)
	return n
}

func refLabelsOf(v any) metric.Labels {
	o, _ := v.(refObject)
	var labels metric.Labels
	for _, m := range o {
		last, _ := o.last(m.key)
		label := metric.Label{Name: m.key, Value: last.(string)}
		if !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	slices.SortFunc(labels, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
	return labels
}
