package engine

import (
	"bytes"
	"cmp"
	"context"
	"strconv"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// output is what one or more series of a slot become: everything of a processed
// record that does not change from report to report, encoded once.
type output struct {
	head   []byte // origin, metric and type
	labels []byte // labels and sinks, up to the points
	metric string
	topic  string
}

// packer builds records for Kafka in memory that lives until the next flush.
type packer struct {
	buf     arena
	headers []Header
}

func (k *packer) reset() {
	k.buf.reset()
	clear(k.headers) // the values belong to the arena
	k.headers = k.headers[:0]
}

// header gives a record its revision and the place it was made from.
func (k *packer) header(p Partition, offset int64, revision []byte) []Header {
	src := k.buf.begin(len(p.Topic) + 32)
	src = append(append(src, p.Topic...), '/')
	src = append(strconv.AppendInt(src, int64(p.ID), 10), '/')
	src = k.buf.end(strconv.AppendInt(src, offset, 10))
	n := len(k.headers)
	k.headers = append(k.headers, Header{"sluice-src", src})
	if len(revision) > 0 {
		k.headers = append(k.headers, Header{"sluice-rev", revision})
	}
	return k.headers[n:len(k.headers):len(k.headers)]
}

// output works out where the points of a series go: the labels that differ by
// point stand in the point, the others with the record.
func (w *Worker) output(by from, p *record.Point, v *program.Verdict) {
	sl := by.slot
	src := w.cache.source(sl)
	task := record.Unquote(src.raw[src.cut:])
	if src.head == nil {
		src.head = record.AppendHead(nil, task)
	}
	var own, shared, point metric.Labels
	if len(p.Labels) > 0 {
		own, _ = record.AppendLabels(nil, p.Labels) // decoded before, in labels
	}
	if _, ok := v.Labels.Lookup(metric.TaskLabel); !ok {
		shared = append(shared, metric.Label{Name: metric.TaskLabel})
	}
	subtask, attempt := int32(-1), int32(-1)
	for _, l := range v.Labels {
		_, isOwn := own.Lookup(l.Name)
		switch {
		case l.Name == metric.TaskLabel && l.Value == task:
		case l.Name == metric.SubtaskLabel && isNumber(l.Value, p.Subtask):
			subtask = p.Subtask
		case l.Name == metric.AttemptLabel && isNumber(l.Value, p.Attempt):
			attempt = p.Attempt
		case isOwn:
			point = append(point, l)
		default:
			shared = append(shared, l)
		}
	}
	r := w.cache.own(by.series)
	r.prefix = record.AppendPointKey(nil, subtask, attempt, point)
	r.out = w.share(by, v, shared.Sort())
}

func isNumber(s string, n int32) bool { return n >= 0 && s == strconv.Itoa(int(n)) }

// share returns the output for a verdict, the one of a neighbour when it is the same.
func (w *Worker) share(by from, v *program.Verdict, shared metric.Labels) *output {
	sl := by.slot
	head := record.AppendName(nil, w.cache.name(sl).from.String(), "", v.Name, by.kind)
	labels := append(record.AppendLists(nil, shared, v.To), record.PartPoints...)
	topic := cmp.Or(v.Topic, w.opts.Topic)
	for other := range w.cache.all(sl) {
		if o := w.cache.rare(other).out; o != nil && o.topic == topic && bytes.Equal(o.head, head) && bytes.Equal(o.labels, labels) {
			return o
		}
	}
	c := w.cache
	return &output{
		head: c.intern(&w.cache.name(sl).heads, head, nil), labels: c.intern(&w.cache.source(sl).encoded, labels, w.cache.source(sl)),
		metric: v.Name, topic: topic,
	}
}

// maxEncoded bounds the search for an equal encoding. A source rarely has more
// than one set of labels, a metric more than one name to go by.
const maxEncoded = 8

// intern returns the equal slice of list, so that slots share it, or puts a copy
// into it. src is the source that pays for it, if one does.
func (c *cache) intern(list *[][]byte, b []byte, src *source) []byte {
	for _, have := range *list {
		if bytes.Equal(have, b) {
			return have
		}
	}
	b = bytes.Clone(b)
	if len(*list) < maxEncoded {
		*list = append(*list, b)
	}
	if src != nil {
		c.grow(src, int64(len(b)))
	}
	return b
}

// packing says what is written of the points at hand.
type packing bool

const (
	packPoints packing = false
	packEnds   packing = true
)

// packRecord writes the points whose hits are set: one record per output, which
// is one record unless a policy tears points of a metric apart.
//
// A record that is too large for Kafka makes the message a dead letter; what has
// been written of it before stays.
func (w *Worker) packRecord(ctx context.Context, m *Message, sl *slot, what packing) error {
	var headers []Header
	for i, e := range w.hits {
		if e == nil {
			continue
		}
		if headers == nil {
			headers = w.pack.header(w.partition, m.Offset, w.cur.revision)
		}
		n, err := w.packOutput(ctx, sl, i, w.cache.rare(e).out, headers, what)
		if err != nil {
			return w.tooLarge(ctx, m, n+waiting(w.hits), err)
		}
	}
	return nil
}

// waiting counts the hits that are set.
func waiting(hits []*series) (n int) {
	for _, e := range hits {
		if e != nil {
			n++
		}
	}
	return n
}

// packOutput writes the n points from i on that go into out, and clears their hits.
func (w *Worker) packOutput(ctx context.Context, sl *slot, i int, out *output, headers []Header, what packing) (n int, err error) {
	v, kind := &w.view, w.cache.name(sl).kind
	buf := w.pack.buf.begin(len(out.head) + len(out.labels) + 48*len(v.Points) + 256)
	buf = record.AppendStamp(append(buf, w.cache.source(sl).head...), v.Timestamp, v.RID, v.Seq, v.CV)
	buf = out.append(buf, what)
	for ; i < len(w.hits); i++ {
		e := w.hits[i]
		if e == nil {
			continue
		}
		r := w.cache.rare(e)
		if r.out != out {
			continue
		}
		w.hits[i] = nil
		if n++; n > 1 {
			buf = append(buf, ',')
		}
		if what == packEnds {
			buf = record.AppendPoint(buf, r.prefix, kind, nil)
		} else {
			buf = record.AppendPoint(buf, r.prefix, kind, scaled(&v.Points[i], r.scale))
		}
	}
	return n, w.writeRecord(ctx, w.cache.source(sl).task(), out, buf, headers)
}

// append writes what stands between the stamp of a record and its points.
func (o *output) append(buf []byte, what packing) []byte {
	if what == packEnds {
		buf = append(buf, record.PartEnd...)
	}
	return append(append(buf, o.head...), o.labels...)
}

// scaled returns p with the factor on what has a unit: the number of a gauge and
// the statistics of a histogram. Counts are exact and stay as they are.
func scaled(p *record.Point, factor float64) *record.Point {
	if p == nil || factor == 1 || p.Form != record.Number && p.Form != record.Statistic {
		return p
	}
	q := *p
	q.Values = nil
	q.Value *= factor
	q.Hist.Min, q.Hist.Max = p.Hist.Min*factor, p.Hist.Max*factor
	q.Hist.Mean, q.Hist.Dev = p.Hist.Mean*factor, p.Hist.Dev*factor
	q.Hist.Quantiles = append([]record.Quantile(nil), p.Hist.Quantiles...)
	for i := range q.Hist.Quantiles {
		q.Hist.Quantiles[i].Value *= factor
	}
	return &q
}

// packOne writes a record of one point that belongs to no report at hand: an end
// that a policy caused, or a sample that was held. A nil p is an end.
func (w *Worker) packOne(ctx context.Context, sl *slot, e *series, p *record.Point, at int64) error {
	what, samples := packPoints, 1
	if p == nil {
		what, samples = packEnds, 0
	}
	headers := w.pack.header(w.partition, w.next, w.cur.revision)
	r := w.cache.rare(e)
	buf := w.pack.buf.begin(len(r.out.head) + len(r.out.labels) + len(r.prefix) + 512)
	buf = r.out.append(record.AppendStamp(append(buf, w.cache.source(sl).head...), at, nil, -1, -1), what)
	buf = record.AppendPoint(buf, r.prefix, w.cache.name(sl).kind, scaled(p, r.scale))
	if err := w.writeRecord(ctx, w.cache.source(sl).task(), r.out, buf, headers); err != nil {
		return w.tooLarge(ctx, &Message{Value: buf, Offset: w.next}, samples, err)
	}
	return nil
}

// writeRecord closes the record of a task in buf and hands it to the lane.
func (w *Worker) writeRecord(ctx context.Context, task []byte, out *output, buf []byte, headers []Header) error {
	value := w.pack.buf.end(append(buf, record.PartClose...))
	w.entry.BytesOut += uint64(len(value))
	key := w.pack.buf.begin(len(task) + 1 + len(out.metric))
	key = append(append(key, task...), 0)
	return w.records.Write(ctx, Outgoing{
		Topic: out.topic, Partition: w.partition.ID, Headers: headers,
		Key: w.pack.buf.end(append(key, out.metric...)), Value: value,
	})
}
