package traffic

import (
	"cmp"
	"encoding/binary"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Collector makes distinct series of records. Its memory is bounded: beyond the
// bound, series that it does not know are left out, and counted. It is used from
// one goroutine.
type Collector struct {
	classify Classify
	room     int64
	scanner  *record.Scanner
	view     record.View
	key      []byte

	sources map[string]metric.Labels // by labels and task as on the wire
	raw     map[string]*counted      // by what a record says, as on the wire
	byName  map[string]*counted      // by what it means
	order   []*counted

	leftOut, unreadable uint64
	from, to            int64 // report_timestamps
}

// counted is a series and when its first sample came.
type counted struct {
	Series
	first int64
}

// Rough sizes for the bound.
const (
	collectorBytes = 1 << 30 // of a reader: some two million series
	countedSize    = 520     // two map entries, the series, its name
	labelSize      = 32
)

// NewCollector returns a Collector that takes about as many bytes at most.
func NewCollector(classify Classify, bytes int64) *Collector {
	return &Collector{
		classify: classify, room: bytes, scanner: record.NewScanner(),
		sources: map[string]metric.Labels{}, raw: map[string]*counted{}, byName: map[string]*counted{},
	}
}

// Add takes one record, in the form of the wire contract; it keeps nothing of
// value. The error is that of the record, which is left out.
func (c *Collector) Add(value []byte) error {
	v := &c.view
	if err := c.scanner.Strict(value, v); err != nil {
		c.unreadable++
		return err
	}
	if v.Kind == 0 || v.End {
		return nil
	}
	share := uint64(len(value)) / uint64(max(len(v.Points), 1))
	for i := range v.Points {
		e, err := c.find(&v.Points[i])
		if err != nil {
			c.unreadable++
			return err
		}
		if e == nil {
			c.leftOut++
			continue
		}
		e.count(v.Timestamp, share)
		c.from, c.to = min(cmp.Or(c.from, v.Timestamp), v.Timestamp), max(c.to, v.Timestamp)
	}
	return nil
}

func (e *counted) count(ts int64, bytes uint64) {
	if e.Samples == 0 {
		e.first, e.Seen = ts, ts
	}
	e.Samples++
	e.Bytes += bytes
	e.first, e.Seen = min(e.first, ts), max(e.Seen, ts)
}

// find returns the series of a point of the record at hand, nil when there is no
// room for it.
func (c *Collector) find(p *record.Point) (*counted, error) {
	v := &c.view
	k := c.key[:0]
	for _, part := range [...][]byte{v.Labels, v.Task, v.Scope, v.Metric, v.Type, v.Origin, p.Labels} {
		k = append(binary.AppendUvarint(k, uint64(len(part))), part...)
	}
	k = binary.AppendVarint(k, int64(p.Subtask))
	k = binary.AppendVarint(k, int64(p.Attempt))
	c.key = k
	if e := c.raw[string(k)]; e != nil {
		return e, nil
	}
	return c.add(p)
}

func (c *Collector) add(p *record.Point) (*counted, error) {
	if c.room <= 0 {
		return nil, nil
	}
	v := &c.view
	common, err := c.common()
	if err != nil {
		return nil, err
	}
	all, err := record.PointLabels(common, p.Subtask, p.Attempt, p.Labels)
	if err != nil {
		return nil, err
	}
	s := Series{Scope: record.Unquote(v.Scope), Metric: record.Unquote(v.Metric)}
	s.Task, s.Kind, s.Labels = record.Unquote(v.Task), v.Kind, all
	s.Name = metric.SeriesName(s.Scope, s.Metric)
	var named bool
	if s.Origin, named = metric.ParseOrigin(string(v.Origin)); !named {
		s.Origin = c.classify(s.Scope, s.Metric)
	}
	id := s.Task + "\x00" + s.Name + "\x00" + string([]byte{byte(s.Kind), byte(s.Origin)}) + all.String()
	e := c.byName[id]
	if e == nil {
		e = &counted{Series: s}
		c.byName[id] = e
		c.order = append(c.order, e)
	}
	c.raw[string(c.key)] = e
	c.room -= countedSize + int64(len(c.key)+len(id)+labelSize*len(all))
	return e, nil
}

// common returns the labels of the record at hand. Labels take their texts from
// them, so that many series share them.
func (c *Collector) common() (metric.Labels, error) {
	v := &c.view
	key := make([]byte, 0, len(v.Labels)+len(v.Task))
	key = append(append(key, v.Labels...), v.Task...)
	if l, ok := c.sources[string(key)]; ok {
		return l, nil
	}
	l, err := record.SourceLabels(v.Labels, v.Task)
	if err != nil {
		return nil, err
	}
	c.sources[string(key)] = l
	c.room -= int64(2*len(key) + labelSize*len(l))
	return l, nil
}

// Series is how many distinct series there are.
func (c *Collector) Series() int { return len(c.order) }

// LeftOut is how many samples there was no room for.
func (c *Collector) LeftOut() uint64 { return c.leftOut }

// Unreadable is how many records could not be read.
func (c *Collector) Unreadable() uint64 { return c.unreadable }

// Times are the first and the last report_timestamp; zero when there was none.
func (c *Collector) Times() (from, to time.Time) {
	if c.to == 0 {
		return from, to
	}
	return time.UnixMilli(c.from).UTC(), time.UnixMilli(c.to).UTC()
}

// Each visits the series in the order of their first sample. A series that came
// once tells of no time; of one that came n times, the time is from the first
// sample to the last and one interval more.
func (c *Collector) Each(visit func(*Series) error) error {
	for _, e := range c.order {
		if e.Samples > 1 {
			e.Seconds = float64(e.Seen-e.first) / 1000 * float64(e.Samples) / float64(e.Samples-1)
		}
		if err := visit(&e.Series); err != nil {
			return err
		}
	}
	return nil
}
