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

// Lines reads what has one value a line; empty lines are passed over.
type Lines struct {
	in *bufio.Scanner
	n  int
}

// NewLines returns a reader of lines of 1 MiB at most.
func NewLines(in io.Reader) *Lines {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &Lines{in: s}
}

// Next returns the next line, which is valid until the next call. The error is io.EOF
// at the end, wraps ErrInput for a line that is too long, or is that of the reader.
func (l *Lines) Next() ([]byte, error) {
	for l.in.Scan() {
		l.n++
		if line := bytes.TrimSpace(l.in.Bytes()); len(line) > 0 {
			return line, nil
		}
	}
	switch err := l.in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: line %d has more than %d bytes", ErrInput, l.n+1, maxLine)
	case err != nil:
		return nil, err
	}
	return nil, io.EOF
}

// Wrong adds to what is wrong with the last line where it is, and makes it ErrInput.
func (l *Lines) Wrong(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: line %d: %w", ErrInput, l.n, err)
}

// eachLine calls f with each line.
func eachLine(in io.Reader, f func(line []byte) error) error {
	for lines := NewLines(in); ; {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = lines.Wrong(f(line))
		}
		if err != nil {
			return err
		}
	}
}

// readSamples reads samples, one JSON object a line.
func readSamples(in io.Reader) ([]Sample, error) {
	var out []Sample
	err := eachLine(in, func(line []byte) error {
		s, err := ParseSample(line)
		out = append(out, s)
		return err
	})
	return out, err
}

// ParseSample reads one sample.
func ParseSample(line []byte) (Sample, error) {
	s := Sample{}
	if err := decodeStrict(line, &s); err != nil {
		return Sample{}, err
	}
	err := s.check()
	return s, err
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
