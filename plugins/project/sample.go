package project

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Sample is a record of a batch as people write it: one JSON object a line.
type Sample struct {
	Name   string            `json:"name"`             // of the series
	Labels map[string]string `json:"labels,omitempty"` // of the series
	Time   int64             `json:"time,omitempty"`   // Unix ms
	Value  Number            `json:"value"`            // 0 of a text
	Text   string            `json:"text,omitempty"`   // of kind text
	Kind   string            `json:"kind,omitempty"`   // gauge, counter, meter, histogram or text; "": gauge
}

// Number is a JSON number, or "NaN", "+Inf", "-Inf".
type Number float64

// MarshalJSON writes the shortest text that reads back as the same number.
func (n Number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(nil, strconv.FormatFloat(v, 'g', -1, 64)), nil
	}
	return json.Marshal(v)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`:
		*n = Number(math.NaN())
	case `"+Inf"`, `"Inf"`:
		*n = Number(math.Inf(1))
	case `"-Inf"`:
		*n = Number(math.Inf(-1))
	default:
		var v float64
		if err := json.Unmarshal(b, &v); err != nil {
			return fmt.Errorf(`%.40s is not a number, "NaN", "+Inf" or "-Inf"`, b)
		}
		*n = Number(v)
	}
	return nil
}

// kinds are the words for the kinds of records.
var kinds = []string{abi.Gauge: "gauge", abi.Counter: "counter", abi.Meter: "meter", abi.Histogram: "histogram", abi.Text: "text"}

// maxLine bounds a line of samples.
const maxLine = 1 << 20

// ReadSamples reads samples, one JSON object a line; empty lines are passed over.
// The error wraps ErrInput and names the line.
func ReadSamples(in io.Reader) ([]Sample, error) {
	var out []Sample
	err := EachLine(in, func(line []byte) error {
		s, err := ParseSample(line)
		if err == nil {
			out = append(out, s)
		}
		return err
	})
	return out, err
}

// EachLine calls f with each line that is not empty. Its errors, and lines that are
// too long, are given back with the number of the line; they wrap ErrInput.
func EachLine(in io.Reader, f func(line []byte) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	n := 1
	for ; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := f(line); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrInput, n, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%w: line %d has more than %d bytes", ErrInput, n, maxLine)
	}
	return lines.Err()
}

// ParseSample reads one sample.
func ParseSample(line []byte) (Sample, error) {
	s := Sample{}
	if err := decodeStrict(line, &s); err != nil {
		return Sample{}, err
	}
	return s, s.check()
}

func (s *Sample) check() error {
	if s.Kind == "" {
		s.Kind = kinds[abi.Gauge]
	}
	switch {
	case s.Name == "":
		return errors.New("the name is missing")
	case !slices.Contains(kinds, s.Kind):
		return fmt.Errorf("kind is %q; want one of %v", s.Kind, kinds)
	case s.Kind != kinds[abi.Text] && s.Text != "":
		return fmt.Errorf("a %s has no text", s.Kind)
	case s.Kind == kinds[abi.Text] && s.Value != 0:
		return errors.New("a text has no value")
	case !utf8.ValidString(s.Name):
		return errors.New("the name is not UTF-8")
	}
	return nil
}

// text is how a sample is written, and compared: equal samples have equal texts.
func (s *Sample) text() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // there is nothing in it that JSON cannot have
	}
	return string(b)
}

// fill puts samples into a batch. first is the row of the first of them, in all.
func fill(b *plugins.Batch, samples []Sample, scope abi.Scope, now int64, first int) {
	b.Reset()
	b.Now, b.Sequence, b.Flags = now, uint64(first), abi.DryRun
	var pairs []abi.Pair
	for i := range samples {
		s := &samples[i]
		r := abi.Record{Time: s.Time, Value: float64(s.Value), Name: b.Intern(s.Name), Kind: abi.Kind(slices.Index(kinds, s.Kind))}
		switch {
		case scope == abi.SeriesScope:
			r.Time, r.Value, r.Kind = 0, 0, abi.Gauge
		case r.Kind == abi.Text:
			r.Value = math.Float64frombits(uint64(b.Intern(s.Text)))
		}
		pairs = pairs[:0]
		for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
			pairs = append(pairs, abi.Pair{Key: b.Intern(k), Value: b.Intern(s.Labels[k])})
		}
		b.Add(r, pairs...)
	}
}

// take is the reverse of fill: the sample of a record that came out. in are those
// that were put in: a plugin of series sees nothing else of them.
func take(b *plugins.Batch, r *abi.Record, in []Sample, scope abi.Scope) Sample {
	s := Sample{Name: b.Strings[r.Name], Time: r.Time, Kind: kinds[r.Kind]}
	switch {
	case scope == abi.SeriesScope:
		from := &in[r.Source]
		s.Time, s.Value, s.Text, s.Kind = from.Time, from.Value, from.Text, from.Kind
	case r.Kind == abi.Text:
		s.Text = b.Strings[uint32(math.Float64bits(r.Value))]
	default:
		s.Value = Number(r.Value)
	}
	if labels := b.Labels(r); len(labels) > 0 {
		s.Labels = make(map[string]string, len(labels))
		for _, p := range labels {
			s.Labels[b.Strings[p.Key]] = b.Strings[p.Value]
		}
	}
	return s
}
