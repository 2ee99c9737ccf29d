package traffic

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Bounds of what is read: of one line, above what a record may have, and of the
// series of one file.
const (
	MaxLine   = 4 << 20
	MaxSeries = 5_000_000
)

// Reader reads a file of traffic: one that a Writer wrote, or plain records, bare
// or as a dump of a topic has them, of which it makes the distinct series.
type Reader struct {
	header    Header
	lines     *bufio.Scanner
	n         int // lines read
	digest    hash.Hash
	collected *Collector // of plain records
	end       End
	last      lastLabels
}

// lastLabels are those of the series before: neighbours share them.
type lastLabels struct {
	raw    []byte
	labels metric.Labels
}

// Classify gives the origin of a metric for which a record names none.
type Classify func(scope, metric string) metric.Origin

// Open looks at the first line of r, which is not compressed, to see what it is.
// Plain records are read to the end. Errors about the content are *LineError.
func Open(r io.Reader, classify Classify) (*Reader, error) {
	in := &Reader{lines: bufio.NewScanner(r), digest: sha256.New()}
	in.lines.Buffer(make([]byte, 64<<10), MaxLine)
	first, err := in.next()
	if err != nil {
		return nil, err
	}
	if first == nil {
		return nil, &LineError{max(in.n, 1), errors.New("there is nothing: no header of traffic, and no record")}
	}
	var version struct {
		Format *int `json:"sluice_traffic"`
	}
	if json.Unmarshal(first, &version) != nil || version.Format == nil {
		err := in.records(first, classify)
		return in, err
	}
	if *version.Format != Format {
		return nil, in.wrong(fmt.Errorf("the traffic is in format %d, and this program reads format %d", *version.Format, Format))
	}
	if err := json.Unmarshal(first, &in.header); err != nil {
		return nil, in.wrong(err)
	}
	return in, nil
}

// next returns the next line that is not empty, nil at the end.
func (r *Reader) next() ([]byte, error) {
	for r.lines.Scan() {
		r.n++
		r.digest.Write(r.lines.Bytes())
		r.digest.Write([]byte{'\n'})
		if text := bytes.TrimSpace(r.lines.Bytes()); len(text) > 0 {
			return text, nil
		}
	}
	err := r.lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("longer than %d MiB", MaxLine>>20)
	}
	if err != nil {
		return nil, &LineError{r.n + 1, err}
	}
	return nil, nil
}

func (r *Reader) wrong(err error) error { return &LineError{r.n, err} }

// records makes series of plain records. One that cannot be read is left out, as
// an instance would; a file without any that can is no traffic.
func (r *Reader) records(first []byte, classify Classify) error {
	r.collected = NewCollector(classify, collectorBytes)
	var wrong error
	dump := len(Undump(first)) < len(first)
	for text := first; text != nil; {
		if dump {
			text = Undump(text)
		}
		if err := r.collected.Add(text); err != nil && wrong == nil {
			wrong = r.wrong(err)
		}
		var err error
		if text, err = r.next(); err != nil {
			return err
		}
	}
	if r.collected.Series() == 0 {
		if wrong == nil {
			wrong = r.wrong(errors.New("no record has a sample"))
		}
		return wrong
	}
	r.header.From, r.header.To = r.collected.Times()
	return nil
}

// Undump takes a record out of the line that a dump of a topic has for it: topic,
// offset and the like, and the record as value. Any other text comes back as it is.
// A flat record has a value, too, but that is no object.
func Undump(text []byte) []byte {
	var dumped struct {
		Topic *string         `json:"topic"`
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(text, &dumped) != nil || dumped.Topic == nil || len(dumped.Value) == 0 || dumped.Value[0] != '{' {
		return text
	}
	return dumped.Value
}

// Header says what the traffic is about. Of plain records, only the times are known.
func (r *Reader) Header() Header { return r.header }

// Unreadable is how many plain records could not be read.
func (r *Reader) Unreadable() uint64 {
	if r.collected == nil {
		return 0
	}
	return r.collected.Unreadable()
}

// Each visits all series, once. Series that share all labels and come together
// share the slice. A visitor's error ends it; errors about the content are *LineError.
func (r *Reader) Each(visit func(*Series) error) error {
	if r.collected != nil {
		r.end.LeftOut = r.collected.LeftOut()
		return r.collected.Each(visit)
	}
	for {
		text, err := r.next()
		if err != nil {
			return err
		}
		if text == nil {
			return &LineError{r.n + 1, errors.New("the traffic ends here without its last line: it was cut off")}
		}
		s, end, err := r.series(text)
		switch {
		case err != nil:
			return r.wrong(err)
		case end:
			return r.finish()
		}
		if r.end.Series++; r.end.Series > MaxSeries {
			return r.wrong(fmt.Errorf("more than %d series", MaxSeries))
		}
		if err := visit(s); err != nil {
			return err
		}
	}
}

// finish makes sure that nothing comes after the last line.
func (r *Reader) finish() error {
	if text, err := r.next(); err != nil {
		return err
	} else if text != nil {
		return r.wrong(errors.New("there is more after the last line of the traffic"))
	}
	return nil
}

// series reads one line; end says that it is the last one.
func (r *Reader) series(text []byte) (s *Series, end bool, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, false, err
	}
	if l.End != nil {
		if l.End.Series != r.end.Series {
			return nil, false, fmt.Errorf("the last line counts %d series, but there are %d", l.End.Series, r.end.Series)
		}
		r.end = *l.End
		return nil, true, nil
	}
	s = &Series{Scope: l.Scope, Metric: l.Metric, Seen: l.Seen}
	s.Task, s.Name, s.Samples, s.Bytes, s.Seconds = l.Task, l.Name, l.Samples, l.Bytes, l.Seconds
	if s.Name == "" && l.Metric != "" {
		s.Name = metric.SeriesName(l.Scope, l.Metric)
	}
	var ok bool
	if s.Kind, ok = metric.ParseKind(l.Kind); !ok {
		return nil, false, fmt.Errorf("kind is %q; want counter, gauge, meter or histogram", l.Kind)
	}
	if s.Origin, ok = metric.ParseOrigin(l.Origin); !ok {
		return nil, false, fmt.Errorf("origin is %q; want native, sql, custom, system or event", l.Origin)
	}
	switch {
	case s.Name == "" || s.Task == "":
		return nil, false, errors.New("a series needs a task and a name")
	case !(s.Seconds >= 0 && s.Seconds <= math.MaxInt32):
		return nil, false, fmt.Errorf("seconds is %g", s.Seconds)
	}
	s.Labels, err = r.last.read(l.Labels)
	return s, false, err
}

func (l *lastLabels) read(raw []byte) (metric.Labels, error) {
	if l.labels != nil && bytes.Equal(raw, l.raw) {
		return l.labels, nil
	}
	read, err := record.AppendLabels(nil, raw)
	if err != nil {
		return nil, err
	}
	l.raw, l.labels = append(l.raw[:0], raw...), read.Compact()
	return l.labels, nil
}

// LeftOut is how many samples belong to series that are not in the traffic, since
// there was no room for them. It is known after Each.
func (r *Reader) LeftOut() uint64 { return r.end.LeftOut }

// Digest is the SHA-256 of all that was read, line by line, in hexadecimal: the
// same traffic, compressed or not. It is complete after Each.
func (r *Reader) Digest() string { return hex.EncodeToString(r.digest.Sum(nil)) }
