package record

import (
	"math"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// finish judges what only the whole record shows: what is missing, and what the
// values mean under its type.
func (s *Scanner) finish(b []byte, v *View) (int, field, fault) {
	switch {
	case !s.seen.has(fieldTask):
		return len(b), fieldTask, missing
	case len(v.Task) == 0:
		return offset(b, v.Task), fieldTask, empty
	case !s.seen.has(fieldTimestamp):
		return len(b), fieldTimestamp, missing
	case !s.seen.has(fieldMetric):
		return len(b), fieldMetric, missing
	case len(v.Metric) == 0:
		return offset(b, v.Metric), fieldMetric, empty
	}
	if s.seen.has(fieldType) {
		if v.Kind = parseKind(v.Type); v.Kind == 0 {
			return offset(b, v.Type), fieldType, unknownType
		}
	}
	switch {
	case closes(v.Metric):
		v.Points = v.Points[:0]
		if !s.seen.has(fieldReport) {
			return len(b), fieldReport, missing
		}
		v.Report = s.report
		return 0, 0, noFault
	case v.Kind == 0:
		return len(b), fieldType, missing
	case s.seen.has(fieldValue) && s.seen.has(fieldPoints):
		return len(b), fieldUnknown, bothForms
	case s.seen.has(fieldValue):
		at, f := s.flat(b, v)
		return at, fieldValue, f
	case v.End:
		s.finishPoints(v)
		return 0, 0, noFault
	case !s.seen.has(fieldPoints):
		return len(b), fieldUnknown, noValue
	case len(v.Points) == 0:
		return len(b), fieldPoints, noPoints
	}
	at, f := s.finishPoints(v)
	return at, fieldPoints, f
}

// closes reports whether the raw metric is ReportMetric; most names show by their
// first byte that they are not.
func closes(raw []byte) bool {
	return (raw[0] == ReportMetric[0] || raw[0] == '\\') && same(raw, ReportMetric)
}

// offset returns where the opening quote of a raw string stands in b.
func offset(b, raw []byte) int { return cap(b) - cap(raw) - 1 }

// parseKind returns the kind that a raw type names, 0 for none.
func parseKind(raw []byte) metric.Kind {
	switch string(raw) {
	case "counter":
		return metric.Counter
	case "gauge":
		return metric.Gauge
	case "meter":
		return metric.Meter
	case "histogram":
		return metric.Histogram
	}
	kind, _ := metric.ParseKind(Unquote(raw))
	return kind
}

// flat turns the value of a flat record into its point.
func (s *Scanner) flat(b []byte, v *View) (int, fault) {
	v.Points = v.Points[:0]
	p, at := v.addPoint(), s.value.text.lo
	var f fault
	switch v.Kind {
	case metric.Counter:
		p.Form = Count
		p.Count, _, f = integerAt(b, at)
	case metric.Meter:
		p.Form = Number
		p.Value, _, f = floatAt(b, at)
	case metric.Histogram:
		f = flatHistogram
	default:
		s.flatGauge(b, p)
	}
	if v.End {
		p.clear()
	}
	return at, f
}

// flatGauge gives p the value of a flat gauge, which is any scalar.
func (s *Scanner) flatGauge(b []byte, p *Point) {
	switch s.value.kind {
	case scalarNumber:
		p.Form = Number
		p.Value = s.value.number
		p.dropMissingWatermark()
	case scalarBoolean:
		p.setBool(s.value.flag)
	case scalarString:
		raw := b[s.value.text.lo+1 : s.value.text.hi-1]
		if v, ok := special(raw); ok {
			p.Form, p.Value = Number, v
		} else {
			p.Form, p.Text = Text, raw
		}
	}
}

// finishPoints gives the points the values that count under the record's type.
// It stops at a point that lacks its value, the last one v then has.
func (s *Scanner) finishPoints(v *View) (int, fault) {
	for i := range v.Points {
		p, raw := &v.Points[i], &s.raw[i]
		if v.End {
			p.clear()
			continue
		}
		if f := p.finish(v.Kind, raw); f != noFault {
			v.Points = v.Points[:i+1]
			return raw.at, f
		}
	}
	return 0, noFault
}

// finish gives p its form and value, or says that p lacks it.
func (p *Point) finish(kind metric.Kind, raw *rawPoint) fault {
	if kind != metric.Histogram && raw.seen >= 1<<pointWindow {
		p.Hist = Hist{}
	}
	if kind != metric.Gauge && raw.seen.has(pointText) {
		p.Text = nil
	}
	switch kind {
	case metric.Counter:
		p.Form = Count
		return lacks(raw, pointCount, lacksCount)
	case metric.Meter:
		p.Form, p.Value = Number, raw.rate
		if raw.seen.has(pointCount) {
			p.Form = Rate
		}
		return lacks(raw, pointRate, lacksRate)
	case metric.Histogram:
		p.Form = Statistic
		p.Hist.lackUnseen(raw.seen)
		return lacks(raw, pointCount, lacksCount)
	default:
		return p.finishGauge(raw)
	}
}

// finishGauge gives p the first value it has, as number, boolean or text.
func (p *Point) finishGauge(raw *rawPoint) fault {
	p.Count = 0
	given := raw.seen &^ raw.null
	if given.has(pointText) && !given.has(pointNumber) && !given.has(pointBoolean) {
		p.Form = Text
		return noFault
	}
	if raw.seen.has(pointText) {
		p.Text = nil
	}
	switch {
	case given.has(pointNumber):
		p.Form, p.Value = Number, raw.number
		p.dropMissingWatermark()
	case given.has(pointBoolean):
		p.setBool(raw.flag)
	case raw.null == 0:
		return lacksGauge
	}
	return noFault
}

// lacks returns f when the point does not have the field.
func lacks(raw *rawPoint, id pointField, f fault) fault {
	if raw.seen.has(id) {
		return noFault
	}
	return f
}

// clear takes the sample from p: an end record says that a series ends, not with what.
func (p *Point) clear() {
	*p = Point{Subtask: p.Subtask, Attempt: p.Attempt, Labels: p.Labels}
}

func (p *Point) setBool(b bool) {
	p.Form = Number
	if b {
		p.Value = 1
	}
}

// dropMissingWatermark takes the sample from p when it is what Flink reports as
// long as there is no watermark: the smallest int64.
func (p *Point) dropMissingWatermark() {
	if p.Value == math.MinInt64 {
		p.Form, p.Value = None, 0
	}
}

// lackUnseen marks the statistics that the point does not have.
func (h *Hist) lackUnseen(seen pointFieldSet) {
	if !seen.has(pointWindow) {
		h.Window = -1
	}
	if !seen.has(pointMin) {
		h.Min = math.NaN()
	}
	if !seen.has(pointMax) {
		h.Max = math.NaN()
	}
	if !seen.has(pointMean) {
		h.Mean = math.NaN()
	}
	if !seen.has(pointDev) {
		h.Dev = math.NaN()
	}
}
