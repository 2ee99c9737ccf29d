package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// wire is a sink of both kinds that keeps what it is given.
type wire struct {
	bound    []string // by Ref; "" once released
	free     []Ref
	written  []string // "name{labels} value @time"
	records  []Outgoing
	flushes  int
	failWith error
}

func (w *wire) Lane(Partition) (Lane, error)             { return w, nil }
func (w *wire) RecordLane(Partition) (RecordLane, error) { return recordWire{w}, nil }
func (w *wire) Close()                                   {}

func (w *wire) Bind(s Series) Ref {
	id := fmt.Sprintf("%s%s", s.Name, s.Labels)
	if n := len(w.free); n > 0 {
		r := w.free[n-1]
		w.free = w.free[:n-1]
		w.bound[r] = id
		return r
	}
	w.bound = append(w.bound, id)
	return Ref(len(w.bound) - 1)
}

func (w *wire) Release(r Ref) {
	w.bound[r] = ""
	w.free = append(w.free, r)
}

func (w *wire) Write(_ context.Context, samples []Sample) error {
	for _, s := range samples {
		if w.bound[s.Ref] == "" {
			panic("a sample for a released ref")
		}
		value := fmt.Sprint(s.Value)
		if IsStale(s.Value) {
			value = "stale"
		}
		w.written = append(w.written, fmt.Sprintf("%s %s @%d", w.bound[s.Ref], value, s.Time))
	}
	return w.failWith
}

func (w *wire) Flush(context.Context) error { w.flushes++; return w.failWith }

// open is how many refs are bound.
func (w *wire) open() int {
	return len(w.bound) - len(w.free)
}

type recordWire struct{ *wire }

func (w recordWire) Write(_ context.Context, r Outgoing) error {
	r.Value, r.Headers = slices.Clone(r.Value), slices.Clone(r.Headers)
	w.records = append(w.records, r)
	return w.failWith
}

type noCatalogue struct{}

func (noCatalogue) Origin(string, string) metric.Origin { return metric.Native }
func (noCatalogue) Counts(series string) bool           { return strings.HasSuffix(series, "_Time") }

// bench is an engine with one worker on fakes.
type bench struct {
	t       *testing.T
	engine  *Engine
	worker  *Worker
	sink    *wire
	letters *wire
	book    ledger.Book
	now     time.Time
	offset  int64
	plugins program.Plugins // of the next generations
}

var epoch = time.UnixMilli(1_763_800_000_000)

type setup struct {
	team  *policy.Team // nil: no program
	pack  bool
	takes func([]string) bool
	cache int64

	plugins program.Plugins
}

func newBench(t *testing.T, s setup) *bench {
	t.Helper()
	b := &bench{t: t, sink: &wire{}, letters: &wire{}, now: epoch, plugins: s.plugins}
	opts := Options{
		Name: "test", Topic: "processed", Letters: b.letters, LetterTopic: "letters", Takes: s.takes,
		Catalogue: noCatalogue{}, CacheBytes: cmp.Or(s.cache, 64<<20), Book: &b.book, Taps: &Taps{},
		Now: func() time.Time { return b.now },
	}
	if s.pack {
		opts.Records = b.sink
	} else {
		opts.Samples = b.sink
	}
	var err error
	if b.engine, err = New(opts, b.generation("r1", s.team)); err != nil {
		t.Fatal(err)
	}
	if b.worker, err = b.engine.Open(Partition{Topic: "in", ID: 3, Count: 1}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) generation(revision string, team *policy.Team) Generation {
	b.t.Helper()
	if team == nil {
		return Generation{Revision: revision}
	}
	team.Name = cmp.Or(team.Name, "platform")
	prog, found := program.Compile(&policy.Set{Teams: []policy.Team{*team}}, program.Options{Today: b.now, Plugins: b.plugins})
	if prog == nil {
		b.t.Fatal(found)
	}
	return Generation{Program: prog, Revision: revision}
}

// send processes records as one batch.
func (b *bench) send(records ...string) {
	b.t.Helper()
	batch := make([]Message, len(records))
	for i, r := range records {
		batch[i] = Message{Key: []byte("k"), Value: []byte(r), Offset: b.offset}
		b.offset++
	}
	if err := b.worker.Process(b.t.Context(), batch); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) flush() {
	b.t.Helper()
	if err := b.worker.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// want compares what was written since the last call, and proves the ledger.
func (b *bench) want(lines ...string) {
	b.t.Helper()
	got := b.sink.written
	b.sink.written = nil
	for _, r := range b.sink.records {
		got = append(got, string(r.Value))
	}
	b.sink.records = nil
	if !slices.Equal(got, lines) {
		b.t.Errorf("written:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
	b.balanced()
}

func (b *bench) balanced() {
	b.t.Helper()
	sum := b.book.Sum()
	if n := sum.Imbalance(); n != 0 {
		b.t.Errorf("ledger imbalance %d: in %d, by %v", n, sum.In, sum.By)
	}
}

// by returns how many samples have a disposition.
func (b *bench) by(d ledger.Disposition) int64 {
	sum := b.book.Sum()
	return sum.By[d]
}

// rec makes a record of one task; ts is in seconds after the epoch of the tests.
func rec(ts int, metricName, kind, points string) string {
	return fmt.Sprintf(`{"v":1,"torrent_task_id":"t-1","report_timestamp":%d,"scope":"taskmanager.job.task","metric":%q,"type":%q,"labels":{"job_name":"pay","tm_id":"tm-1"},"points":[%s]}`,
		epoch.UnixMilli()+int64(ts)*1000, metricName, kind, points)
}

func at(ts int) int64 { return epoch.UnixMilli() + int64(ts)*1000 }
