package explain

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// maxExplained is how many points of one record are explained: they differ in
// little more than their subtask.
const maxExplained = 20

// record explains each of the first points of a record, bare or as a dump of a
// topic has it, and says how many more there are.
func (x *Explainer) record(line []byte) (out []Explanation, more int, err error) {
	bare := traffic.Undump(line)
	points, err := readPoints(bare, x.known)
	if bad := (*record.Error)(nil); errors.As(err, &bad) {
		return nil, 0, &QuestionError{Field: "record", Offset: bytes.Index(line, bare) + bad.Offset, Message: fmt.Sprintf("%s (%s)", bad.Detail, bad.Reason),
			Hint: "such a record goes to the dead letters"}
	} else if err != nil {
		return nil, 0, &QuestionError{Field: "record", Offset: -1, Message: err.Error()}
	}
	for i := range points[:min(len(points), maxExplained)] {
		p := &points[i]
		e := x.explain(p.in, p)
		if p.none {
			e.Decision.Disposition, e.Result, e.Sinks = ledger.NoValue.String(), nil, nil
			e.Decision.Sample = "this point has no value, so it ends here: null, or the watermark before the first one"
		}
		out = append(out, e)
	}
	return out, len(points) - len(out), nil
}

// reported is a point of a record: a sample, and the series that the program
// decides about.
type reported struct {
	in   program.Input
	at   int64   // report_timestamp
	text *string // of a text gauge
	none bool    // there is no value
}

// errNoSeries says that a record is fine and has nothing to decide about.
var errNoSeries = errors.New("the record has no points: it closes a report, or ends all series of a metric")

// readPoints reads the points of a record as the engine does; a test compares the
// two. The error is a *record.Error or errNoSeries.
func readPoints(line []byte, known *catalogue.Catalogue) ([]reported, error) {
	v := &record.View{}
	if err := record.NewScanner().Strict(line, v); err != nil {
		return nil, err
	}
	if len(v.Points) == 0 {
		return nil, errNoSeries
	}
	scope, name, task := record.Unquote(v.Scope), record.Unquote(v.Metric), record.Unquote(v.Task)
	origin, ok := metric.ParseOrigin(record.Unquote(v.Origin))
	if !ok {
		origin = known.Origin(scope, name)
	}
	common, err := record.SourceLabels(v.Labels, v.Task)
	if err != nil {
		return nil, err
	}
	out := make([]reported, 0, len(v.Points))
	for i := range v.Points {
		p := &v.Points[i]
		labels, err := record.PointLabels(common, p.Subtask, p.Attempt, p.Labels)
		if err != nil {
			return nil, err
		}
		s := reported{
			in: program.Input{Task: task, Name: metric.SeriesName(scope, name), Kind: v.Kind, Origin: origin, Labels: labels},
			at: v.Timestamp, none: p.Form == record.None,
		}
		if p.Form == record.Text {
			text := record.Unquote(p.Text)
			s.text = &text
		}
		out = append(out, s)
	}
	return out, nil
}
