package runtime

import (
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// ReportedSample is one sample of a record, as plugins see it.
type ReportedSample struct {
	Name   string
	Labels map[string]string
	Time   int64   // Unix ms
	Value  float64 // of a meter its rate, of a histogram its mean
	Text   string  // of a text gauge, in place of the value
	IsText bool
	Kind   metric.Kind
}

// SamplesOfRecord takes a record apart, as an instance does before the first rule. A
// record that closes a report, and points without a value, have none. The error wraps
// ErrRejected: it is no record.
func SamplesOfRecord(text []byte) ([]ReportedSample, error) {
	var s record.Scanner
	var v record.View
	if err := s.Strict(text, &v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	common, err := record.SourceLabels(v.Labels, v.Task)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	name := metric.SeriesName(record.Unquote(v.Scope), record.Unquote(v.Metric))
	var out []ReportedSample
	for i := range v.Points {
		p := &v.Points[i]
		if p.Form == record.None {
			continue
		}
		labels, err := record.PointLabels(common, p.Subtask, p.Attempt, p.Labels)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRejected, err)
		}
		x := ReportedSample{Name: name, Labels: map[string]string{}, Time: v.Timestamp, Kind: v.Kind}
		for _, l := range labels {
			x.Labels[l.Name] = l.Value
		}
		if x.IsText = p.Form == record.Text; x.IsText {
			x.Text = record.Unquote(p.Text)
		} else {
			x.Value = p.Main()
		}
		out = append(out, x)
	}
	return out, nil
}
