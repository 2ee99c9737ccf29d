// Package record is the wire contract on Kafka: it scans, decodes and encodes
// the JSON records that carry Flink metrics, on every topic. It decides whether
// bytes are a record and what they say; it does not know where they come from,
// what a policy makes of them, or which series they end up in.
package record

import (
	"fmt"
	"time"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Limits of the wire contract. A record beyond them goes to the dead letters.
const (
	MaxBytes     = 1 << 20        // of one record
	MaxPoints    = 10_000         // in one record
	MaxQuantiles = 100            // in one point
	MaxDepth     = 64             // of nested objects and arrays, the record itself being one
	MaxAhead     = 24 * time.Hour // of a report_timestamp before the clock of the reader
)

// ReportMetric is the metric name of the record that closes a report.
const ReportMetric = "_report"

// View is a scanned record: spans of the scanned bytes, nothing copied, nothing
// unescaped. Strings are the raw JSON between the quotes. It is valid as long
// as the scanned bytes are and until the Scanner's next call.
type View struct {
	Task      []byte // torrent_task_id
	Timestamp int64  // report_timestamp, Unix milliseconds
	RID       []byte // reporter instance; nil when absent
	Seq, CV   int64  // report number, control version; -1 when absent
	Origin    []byte // as written, any word; nil when absent
	Scope     []byte // nil when absent
	Metric    []byte
	Type      []byte
	Kind      metric.Kind // what Type says; 0 only in a closing record
	Labels    []byte      // the object with its braces; nil when absent
	To        []byte      // the array with its brackets: sinks, on processed records; nil when absent
	End       bool
	Report    int64 // n of a closing record, -1 otherwise

	// Points are the points in order. A flat record has one, with Subtask and
	// Attempt -1 and no Labels. An end record may have none: then all series of
	// the metric and labels end. A closing record has none.
	Points []Point
}

// CheckTime refuses a record whose timestamp is more than MaxAhead after now, in
// Unix milliseconds. The error is an *Error with the reason FutureTime.
func (v *View) CheckTime(now int64) error {
	ahead := v.Timestamp - now
	if ahead <= MaxAhead.Milliseconds() {
		return nil
	}
	return &Error{Reason: FutureTime, Detail: fmt.Sprintf("report_timestamp: %d is %d s in the future, at most %d s are allowed",
		v.Timestamp, ahead/1000, MaxAhead/time.Second)}
}

// Point is one point of a record: one sample of one series.
type Point struct {
	Subtask int32  // -1 when absent
	Attempt int32  // -1 when absent
	Labels  []byte // raw object, nil when absent

	// Values is the raw span of the value fields, without braces, when they stand
	// together: what a writer may copy to keep every digit. Nil otherwise, in flat
	// records and in end records.
	Values []byte

	Form  Form
	Count int64   // Number of a counter; count of a meter or histogram
	Value float64 // gauge value, meter rate
	Text  []byte  // raw text of a text gauge
	Hist  Hist    // histogram only
}

// Form says what a point carries.
type Form uint8

// The forms. None is a point without a sample: null, the missing watermark, or
// a point of an end record.
const (
	None      Form = iota
	Count          // counter: Count
	Number         // gauge: Value (a boolean is 0 or 1); a meter without its count: Value, the rate
	Text           // gauge: Text
	Rate           // meter: Count and Value
	Statistic      // histogram: Count and Hist
)

// Hist holds the statistics of a histogram over its window. A field that the
// record lacks is NaN, Window -1.
type Hist struct {
	Window              int64
	Min, Max, Mean, Dev float64
	Quantiles           []Quantile
}

// Quantile is one entry of a histogram's q: Q is the key as written ("0.99"), a
// number from 0 to 1 and without escapes. Each key occurs once.
type Quantile struct {
	Q     []byte
	Value float64
}

// Main is the value that thinning compares: count of a counter, value of a
// gauge, rate of a meter, mean of a histogram.
func (p *Point) Main() float64 {
	switch p.Form {
	case Count:
		return float64(p.Count)
	case Statistic:
		return p.Hist.Mean
	default:
		return p.Value
	}
}
