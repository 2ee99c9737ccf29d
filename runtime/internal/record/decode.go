package record

import (
	"bytes"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Record is a record as plain Go values: for whoever makes records or shows them.
// The zero value of a number is a value, so New gives one whose optional numbers
// are absent.
type Record struct {
	Task      string // torrent_task_id, not empty
	Timestamp int64  // Unix milliseconds, above 0
	RID       string // reporter instance, "" when absent
	Seq, CV   int64  // report number, control version; -1 when absent
	Origin    string // "" when absent
	Scope     string // "" when absent
	Metric    string // not empty
	Kind      metric.Kind
	Labels    metric.Labels // as written, empty ones too; see AppendLabels for what they become
	To        []string
	End       bool
	Report    int64 // n of a closing record, -1 otherwise
	Flat      bool  // in the flat form
	Points    []Sample
}

// Sample is a point of a Record. What Form does not ask for is zero.
type Sample struct {
	Subtask, Attempt int32 // -1 when absent
	Labels           metric.Labels
	Form             Form
	Count            int64
	Value            float64
	Text             string
	Hist             Hist
}

// New returns a Record whose optional numbers are absent.
func New() Record { return Record{Seq: -1, CV: -1, Report: -1} }

// Decode reads and validates the record b. The error is an *Error.
func Decode(b []byte) (Record, error) {
	var (
		s Scanner
		v View
	)
	if err := s.Strict(b, &v); err != nil {
		return Record{}, err
	}
	to, _ := AppendStrings(nil, v.To) // validated by Strict, as labels are
	r := Record{
		Task: Unquote(v.Task), Timestamp: v.Timestamp,
		RID: Unquote(v.RID), Seq: v.Seq, CV: v.CV,
		Origin: Unquote(v.Origin), Scope: Unquote(v.Scope), Metric: Unquote(v.Metric), Kind: v.Kind,
		Labels: plainLabels(v.Labels), To: to, End: v.End, Report: v.Report,
		Flat: s.seen.has(fieldValue) && v.Report < 0,
	}
	for i := range v.Points {
		r.Points = append(r.Points, newSample(&v.Points[i]))
	}
	return r, nil
}

// newSample copies what p points to.
func newSample(p *Point) Sample {
	hist := p.Hist
	hist.Quantiles = slices.Clone(hist.Quantiles)
	for i := range hist.Quantiles {
		hist.Quantiles[i].Q = bytes.Clone(hist.Quantiles[i].Q)
	}
	return Sample{
		Subtask: p.Subtask, Attempt: p.Attempt, Labels: plainLabels(p.Labels),
		Form: p.Form, Count: p.Count, Value: p.Value, Text: Unquote(p.Text), Hist: hist,
	}
}

// plainLabels returns the labels of raw, which is sound, with the names as they are written.
func plainLabels(raw []byte) metric.Labels {
	labels, _ := appendLabels(nil, raw, func(name string) string { return name })
	return labels.Sort()
}

// Append writes r in the canonical order of records.md; Decode gives r back. Flat
// asks for the flat form; a record with more than that can say is written with
// points. Text that is not UTF-8 is written with replacement characters.
func (r *Record) Append(dst []byte) []byte {
	flat := r.flat()
	if flat {
		dst = append(dst, '{')
	} else {
		dst = append(dst, `{"v":1,`...)
	}
	dst = appendTask(dst, r.Task)
	var rid []byte
	if r.RID != "" {
		rid = appendEscaped(nil, r.RID)
	}
	dst = AppendStamp(dst, r.Timestamp, rid, r.Seq, r.CV)
	dst = AppendName(dst, r.Origin, r.Scope, r.Metric, r.Kind)
	if flat {
		dst = r.appendFlatValue(dst)
	}
	if r.Report < 0 || len(r.Labels) > 0 || r.To != nil {
		dst = AppendLists(dst, r.Labels, r.To)
	}
	if r.End {
		dst = append(dst, PartEnd...)
	}
	switch {
	case r.Report >= 0:
		return append(appendInt(dst, `,"n":`, r.Report), '}')
	case flat:
		return append(dst, '}')
	}
	dst = append(dst, PartPoints...)
	for i := range r.Points {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = r.appendPoint(dst, &r.Points[i])
	}
	return append(dst, PartClose...)
}

// flat reports whether r wants the flat form and fits it.
func (r *Record) flat() bool {
	if !r.Flat || r.Report >= 0 || r.Kind == metric.Histogram || len(r.Points) != 1 {
		return false
	}
	p := &r.Points[0]
	if p.Subtask >= 0 || p.Attempt >= 0 || p.Labels != nil {
		return false
	}
	switch p.Form {
	case Rate:
		return false
	case Text: // some texts are numbers in the flat form
		_, number := special(appendEscaped(nil, p.Text))
		return !number
	}
	return true
}

func (r *Record) appendFlatValue(dst []byte) []byte {
	dst = append(dst, `,"value":`...)
	switch p := &r.Points[0]; p.Form {
	case Count:
		return appendInt(dst, "", p.Count)
	case Number:
		return AppendFloat(dst, p.Value)
	case Text:
		return AppendString(dst, p.Text)
	}
	if r.Kind == metric.Gauge {
		return append(dst, "null"...)
	}
	return append(dst, '0') // of an end record, and not read
}

func (r *Record) appendPoint(dst []byte, p *Sample) []byte {
	key := AppendPointKey(nil, p.Subtask, p.Attempt, p.Labels)
	if r.End {
		return AppendPoint(dst, key, r.Kind, nil)
	}
	return AppendPoint(dst, key, r.Kind, &Point{Form: p.Form, Count: p.Count, Value: p.Value, Text: appendEscaped(nil, p.Text), Hist: p.Hist})
}
