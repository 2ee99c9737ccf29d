package collector

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Record is one Kafka record.
type Record struct{ Key, Value []byte }

// Limits of one record: more goes into another one with the same key.
const (
	maxPoints = 1000
	maxBytes  = 200 << 10 // of labels and text, so that the record stays below 256 KiB
)

// series is a series that was sent and has not ended.
type series struct {
	task   string
	id     int
	labels metric.Labels // of the record
	point  metric.Labels
}

func (s *series) key() string {
	var b strings.Builder
	b.WriteString(s.group())
	writeLabels(&b, s.point)
	return b.String()
}

// group is what the points of one record have in common.
func (s *series) group() string {
	var b strings.Builder
	b.WriteString(s.task)
	b.WriteByte(0)
	b.WriteString(metrics[s.id].Scope)
	b.WriteByte(0)
	b.WriteString(metrics[s.id].Name)
	writeLabels(&b, s.labels)
	return b.String()
}

func writeLabels(b *strings.Builder, labels metric.Labels) {
	b.WriteByte(1)
	for _, l := range labels {
		b.WriteString(l.Name)
		b.WriteByte(0)
		b.WriteString(l.Value)
		b.WriteByte(0)
	}
}

// reporter turns sections into records, as the reporter of a Flink process does:
// it numbers reports, closes them, and ends what is gone.
type reporter struct {
	rid  string
	seq  int64
	live map[string]map[string]series // by section and key
}

// report makes the records of one round.
func (r *reporter) report(f *findings, timestamp int64) []Record {
	r.seq++
	w := writer{reporter: r, timestamp: timestamp, counts: map[string]int64{}}
	next := map[string]map[string]series{}
	for _, s := range f.sections {
		next[s.key] = s.series()
	}
	for _, key := range slices.Sorted(maps.Keys(r.live)) {
		now, asked := next[key]
		if !asked && f.keeps(key) {
			next[key] = r.live[key]
			continue
		}
		w.end(r.live[key], now)
	}
	for _, s := range f.sections {
		w.section(s)
	}
	r.live = next
	w.close()
	return w.records
}

func (s *section) series() map[string]series {
	all := make(map[string]series, len(s.samples))
	for _, x := range s.samples {
		one := series{task: s.task, id: x.id, labels: s.labels, point: x.labels}
		all[one.key()] = one
	}
	return all
}

// writer makes the records of one report.
type writer struct {
	*reporter
	timestamp int64
	records   []Record
	counts    map[string]int64 // records by task
}

// end ends the series that were and are no more.
func (w *writer) end(before, now map[string]series) {
	var gone []series
	for key, s := range before {
		if _, there := now[key]; !there {
			gone = append(gone, s)
		}
	}
	slices.SortFunc(gone, func(a, b series) int { return cmp.Compare(a.key(), b.key()) })
	for len(gone) > 0 {
		group, n := gone[0].group(), 0
		rec := w.start(gone[0].task, gone[0].id, gone[0].labels)
		rec.End = true
		for ; n < len(gone) && n < maxPoints && gone[n].group() == group; n++ {
			rec.Points = append(rec.Points, record.Sample{Subtask: -1, Attempt: -1, Labels: gone[n].point})
		}
		w.write(rec)
		gone = gone[n:]
	}
}

// section writes a record per metric, with a point per sample.
func (w *writer) section(s *section) {
	byMetric := map[int][]sample{}
	for _, x := range s.samples {
		byMetric[x.id] = append(byMetric[x.id], x)
	}
	for _, id := range slices.Sorted(maps.Keys(byMetric)) {
		rest := byMetric[id]
		slices.SortStableFunc(rest, func(a, b sample) int { return compareLabels(a.labels, b.labels) })
		for len(rest) > 0 {
			rec, n, bytes := w.start(s.task, id, s.labels), 0, 0
			for ; n < len(rest) && n < maxPoints && bytes < maxBytes; n++ {
				x := &rest[n]
				rec.Points = append(rec.Points, record.Sample{
					Subtask: -1, Attempt: -1, Labels: x.labels, Form: x.form, Count: x.count, Value: x.value, Text: x.text,
				})
				bytes += size(x)
			}
			w.write(rec)
			rest = rest[n:]
		}
	}
}

// compareLabels puts the points of a record into the same order in every report:
// readers expect them where they were.
func compareLabels(a, b metric.Labels) int {
	return slices.CompareFunc(a, b, func(x, y metric.Label) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Value, y.Value))
	})
}

func size(x *sample) int {
	n := 32 + len(x.text)
	for _, l := range x.labels {
		n += len(l.Name) + len(l.Value) + 6
	}
	return n
}

func (w *writer) start(task string, id int, labels metric.Labels) record.Record {
	rec := record.New()
	m := metrics[id]
	rec.Task, rec.Timestamp, rec.RID, rec.Seq, rec.CV = task, w.timestamp, w.rid, w.seq, 0
	rec.Origin, rec.Scope, rec.Metric, rec.Kind, rec.Labels = metric.System.String(), m.Scope, m.Name, m.Kind, labels
	return rec
}

func (w *writer) write(rec record.Record) {
	w.counts[rec.Task]++
	w.records = append(w.records, Record{Key: recordKey(rec.Task, rec.Metric), Value: rec.Append(nil)})
}

// close says for each task how many records the report had.
func (w *writer) close() {
	for _, task := range slices.Sorted(maps.Keys(w.counts)) {
		rec := record.New()
		rec.Task, rec.Timestamp, rec.RID, rec.Seq, rec.CV = task, w.timestamp, w.rid, w.seq, 0
		rec.Metric, rec.Report = record.ReportMetric, w.counts[task]
		w.records = append(w.records, Record{Key: recordKey(task, rec.Metric), Value: rec.Append(nil)})
	}
}

func recordKey(task, name string) []byte { return []byte(task + "\x00" + name) }
