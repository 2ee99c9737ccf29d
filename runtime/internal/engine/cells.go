package engine

import (
	"bytes"
	"math"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// cells are where a worker merges series: those of aggregates, and the overflow
// of budgets. They belong to rules, so a new generation in which a rule is the
// same finds them as they are.
type cells struct {
	clock     int64 // report_timestamp of the partition: the newest, but for clocks ahead of ours
	since     int64 // time from which on rules without cells have seen every record
	idle      int64 // Unix ms of the last batch with records
	offset    int64 // of the record at hand
	timelines []*timeline
	byKey     map[string]*cell
	key       []byte // scratch
	size      int64
	value     program.Value // scratch
	point     record.Point  // scratch
}

// timeline are the windows of one rule, and its cells.
type timeline struct {
	program.Timeline
	rule   ruleName
	spec   program.Aggregation
	missed int64   // source.moved of the first member: until then it has seen nothing
	cells  []*cell // in the order in which they were made
	gone   bool    // the rule has been out of force, so windows may be incomplete
}

// cell is one series that others are merged into.
type cell struct {
	*program.Cell
	key      string
	timeline *timeline
	verdict  program.Verdict // what it goes out as
	kind     metric.Kind
	task     []byte // raw
	series   series // refs, with a sample sink
	head     []byte // start of its records, with a record sink
	out      *output
	users    int    // cached series that are members
	next     *cell  // that has taken its place: the rule was out of force for the task
	gen      uint32 // that decided about the last one to become one
	wrote    int64  // time of the last sample that went out; 0: none, or it has ended since
	swept    int64  // when members were last looked through
	charged  int64
}

const (
	// memberTTL is how long a member may be silent and go on from where it was. A
	// counter that comes back later counts as new.
	memberTTL = 60 * 60_000 // ms

	// idleGrace is how long a partition may have no records before its windows
	// close by our clock: longer than brokers usually are away.
	idleGrace = 2 * 60_000 // ms

	// maxOverflow is how many series the overflow of a budget may have in a worker:
	// there is one for each metric, and names of metrics may explode, too.
	maxOverflow = 1000
)

// prefix is how the points of a cell begin: its labels stand with the record.
var prefix = record.AppendPointKey(nil, -1, -1, nil)

// begin notes what a batch tells of the time and place.
func (k *cells) begin(batch []Message, now int64) {
	switch {
	case len(batch) == 0:
		if since := now - k.idle - idleGrace; since > 0 && k.idle > 0 {
			k.clock += since
			k.idle += since
		}
		return
	case k.idle == 0 && batch[0].Offset == 0:
		k.since = program.Always
	}
	k.idle = now
}

// see moves the clock on.
func (k *cells) see(ts, now, offset int64) {
	if k.clock == 0 && k.since != program.Always {
		k.since = min(ts, now)
	}
	k.offset = offset
	k.clock = max(k.clock, min(ts, now))
}

// renew forgets rules that are out of force. From since on it is known which rules
// governed a task.
func (k *cells) renew(rules []program.Rule, since int64, forgot bool) {
	if forgot {
		k.since = max(k.since, since)
	}
	for _, t := range k.timelines {
		if !t.rule.among(rules) {
			t.gone = true
		}
	}
}

// needs is the offset from which on the next owner of the partition has to read
// for the windows that are not written yet, and next for everything else.
func (k *cells) needs(next int64) int64 {
	for _, t := range k.timelines {
		if offset, ok := t.Needs(); ok {
			next = min(next, offset)
		}
	}
	return next
}

// cell finds or makes the cell of a series. It is nil when there is no room for a
// new one.
func (w *Worker) cell(by from, m *program.Merge, v *program.Verdict) *cell {
	k, src := &w.cells, w.cache.source(by.slot)
	rule := nameOf(&w.cur.rules[m.Rule])
	key := append(append(append(k.key[:0], rule.section...), 0), rule.id...)
	key = append(key, 0, byte(by.kind))
	key = append(append(key, v.Topic...), 0)
	key = append(append(key, m.Name...), 0)
	key = append(append(key, src.task()...), 0)
	for _, l := range m.Labels {
		key = append(append(append(append(key, l.Name...), 0), l.Value...), 0)
	}
	for _, to := range v.To {
		key = append(append(key, 1), to...)
	}
	k.key = key
	old := k.byKey[string(key)]
	if old != nil && (old.timeline.spec != m.Aggregation || old.timeline.gone) {
		old = nil
	}
	if old != nil && (old.timeline.missed >= src.moved || w.forces.had(src.from, rule)) {
		return old
	}
	t := k.timeline(rule, m.Aggregation, src.moved)
	if w.full() || w.cur.rules[m.Rule].Section == program.SectionBudget && len(t.cells) >= maxOverflow {
		return nil
	}
	c := &cell{
		Cell: program.NewCell(by.kind, m.Aggregation, t.Totals()), key: string(key), kind: by.kind,
		timeline: t, task: bytes.Clone(src.task()),
		verdict: program.Verdict{Name: m.Name, Labels: m.Labels, Scale: 1, To: v.To, Topic: v.Topic},
	}
	if w.records != nil {
		c.encode(w, w.cache.name(by.slot).from)
	}
	if old != nil {
		old.next = c
	}
	k.byKey[c.key] = c
	c.timeline.cells = append(c.timeline.cells, c)
	w.account(c)
	return c
}

func (k *cells) timeline(rule ruleName, spec program.Aggregation, missed int64) *timeline {
	for _, t := range k.timelines {
		if t.rule == rule && t.spec == spec && t.missed == missed && !t.gone {
			return t
		}
	}
	since := k.since
	if missed != 0 {
		since = max(since, missed)
	}
	t := &timeline{Timeline: *program.NewTimeline(spec.Window, spec.Late, since), rule: rule, spec: spec, missed: missed}
	k.timelines = append(k.timelines, t)
	return t
}

// encode prepares the parts of the cell's records that do not change.
func (c *cell) encode(w *Worker, origin metric.Origin) {
	labels := slices.Clone(c.verdict.Labels)
	if _, ok := labels.Lookup(metric.TaskLabel); !ok {
		labels = append(labels, metric.Label{Name: metric.TaskLabel}).Sort()
	}
	c.head = record.AppendHead(nil, record.Unquote(c.task))
	c.out = &output{
		head:   record.AppendName(nil, origin.String(), "", c.verdict.Name, c.kind),
		labels: append(record.AppendLists(nil, labels, c.verdict.To), record.PartPoints...),
		metric: c.verdict.Name, topic: c.verdict.Topic,
	}
	if c.out.topic == "" {
		c.out.topic = w.opts.Topic
	}
}

// account charges a cell's memory to the cache: together they keep to its cap.
func (w *Worker) account(c *cell) {
	size := c.Size() + int64(2*len(c.key))
	w.cells.size += size - c.charged
	w.cache.size += size - c.charged
	c.charged = size
}

// full reports whether cells may not grow: they and products take half of the cap at most.
func (w *Worker) full() bool { return w.cells.size+w.transit.products.size > w.cache.limit/2 }

// follow makes a series a member of the cell that has taken the place of its own.
func (m *membership) follow() {
	for m.cell.next != nil && m.cell.next.timeline != nil { // nil: it is gone by now
		m.cell.users--
		m.cell = m.cell.next
		m.cell.users++
	}
	m.member = -1
}

// gather adds a sample to a cell and says what became of it.
func (w *Worker) gather(e *series, in *membership, p *record.Point, at int64) ledger.Disposition {
	if in.cell.next != nil {
		in.follow()
	}
	k, c := &w.cells, in.cell
	if !c.Is(in.member, in.key) {
		if w.full() {
			return ledger.Shed
		}
		in.member = c.Join(in.key)
		w.account(c)
	}
	if !k.read(p, w.cache.rare(e).scale, c.timeline.spec.Quantiles) {
		return ledger.NoValue
	}
	window, ok := c.timeline.Place(at, k.clock, k.offset)
	if !ok || !c.Add(in.member, p.Attempt, at, window, c.timeline.Closed(), &k.value) {
		return ledger.Late
	}
	return in.taken
}

// read makes a value of a point, and reports whether it has one: a text has none.
func (k *cells) read(p *record.Point, scale float64, quantiles bool) bool {
	v := &k.value
	*v = program.Value{Count: p.Count, Number: p.Value * scale, Quantiles: v.Quantiles[:0]}
	switch p.Form {
	case record.Count:
	case record.Number:
		v.Uncounted = true
		return !math.IsNaN(p.Value)
	case record.Rate:
		return !math.IsNaN(p.Value)
	case record.Statistic:
		h := &p.Hist
		v.Number, v.Min, v.Max, v.Mean = 0, h.Min*scale, h.Max*scale, h.Mean*scale
		for i := range h.Quantiles {
			if !quantiles {
				break
			}
			v.Quantiles = append(v.Quantiles, program.Quantile{Q: string(h.Quantiles[i].Q), Value: h.Quantiles[i].Value * scale})
		}
	default:
		return false
	}
	return true
}
