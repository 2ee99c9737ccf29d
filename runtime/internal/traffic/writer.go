package traffic

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// Writer writes a file of traffic, line by line: a header, the series, an end.
type Writer struct {
	w    io.Writer
	buf  []byte
	hash *Hash
	end  End
}

// flushAt is how much a Writer gathers before it writes.
const flushAt = 64 << 10

// NewWriter writes the header h, with the Format of this package and, among those
// hashed, the labels of hash, which may be nil. Errors are those of w.
func NewWriter(w io.Writer, h Header, hash *Hash) (*Writer, error) {
	h.Format = Format
	if hash != nil {
		h.Hashed = append(slices.Clone(h.Hashed), hash.names...)
	}
	slices.Sort(h.Hashed)
	h.Hashed = slices.Compact(h.Hashed)
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("header of traffic: %w", err)
	}
	return &Writer{w: w, hash: hash, buf: append(text, '\n')}, nil
}

// Write adds a series. It keeps nothing of s.
func (w *Writer) Write(s *Series) error {
	task, labels := w.hash.apply(s)
	b := append(w.buf, `{"task":`...)
	b = record.AppendString(b, task)
	for _, f := range [...]struct{ key, text string }{
		{`,"name":`, s.Name}, {`,"scope":`, s.Scope}, {`,"metric":`, s.Metric},
		{`,"kind":`, s.Kind.String()}, {`,"origin":`, s.Origin.String()},
	} {
		b = record.AppendString(append(b, f.key...), f.text)
	}
	b = record.AppendLists(b, labels, nil)
	b = strconv.AppendUint(append(b, `,"samples":`...), s.Samples, 10)
	b = strconv.AppendUint(append(b, `,"bytes":`...), s.Bytes, 10)
	b = strconv.AppendFloat(append(b, `,"seconds":`...), s.Seconds, 'g', -1, 64)
	b = strconv.AppendInt(append(b, `,"seen":`...), s.Seen, 10)
	w.buf = append(b, '}', '\n')
	w.end.Series++
	if len(w.buf) < flushAt {
		return nil
	}
	return w.flush()
}

// Close writes the end, without which nobody takes the file for complete. leftOut
// counts samples of series that are not in it. It does not close what it writes to.
func (w *Writer) Close(leftOut uint64) error {
	w.end.LeftOut = leftOut
	text, err := json.Marshal(struct {
		End End `json:"end"`
	}{w.end})
	if err != nil {
		return fmt.Errorf("end of traffic: %w", err)
	}
	w.buf = append(append(w.buf, text...), '\n')
	return w.flush()
}

// Series is how many were written.
func (w *Writer) Series() uint64 { return w.end.Series }

func (w *Writer) flush() error {
	_, err := w.w.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}
