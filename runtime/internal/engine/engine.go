package engine

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Catalogue is what the engine asks about metrics it has not seen yet: once per
// metric and worker, never per sample.
type Catalogue interface {
	// Origin classifies a record that names no origin.
	Origin(scope, metric string) metric.Origin

	// Counts reports whether the series of this name only goes up, although Flink
	// calls it a gauge.
	Counts(series string) bool
}

// Options describe one engine: one hop, or one sink of the second hop.
type Options struct {
	Name string // of the hop or sink, for dead letters

	// Exactly one of Samples and Records is set: series for a sink, or records
	// for the processed topic.
	Samples SampleSink
	Records RecordSink
	Sink    string // whose name Samples goes by; a Fanout has names of its own

	Topic       string     // processed topic, with Records
	Letters     RecordSink // takes what cannot be read
	LetterTopic string

	// Takes reports whether a sample that a route sends to the sinks named (none:
	// the default ones) is for this engine. Nil takes everything.
	Takes func(to []string) bool

	// Learn is told the short identifiers that verdicts put into labels, once per
	// series, from the goroutines of the workers. Nil: nobody asks.
	Learn func([]program.ShortID)

	// Flushed is told how long a worker waited for its outputs to acknowledge, from
	// the goroutines of the workers. Nil: nobody asks.
	Flushed func(time.Duration)

	// Step is the step of degradation in force, asked once per batch by every
	// worker. Nil: nothing is ever given up.
	Step func() ladder.Step

	// Taps look at samples; nil: nobody ever does.
	Taps *Taps

	// Hold says that the offset waits for windows that are open: the next owner of a
	// partition then reads again what they need. Without it a window that is open
	// when a partition is given up is lost.
	Hold bool

	// Transforms opens the transforms of scope sample. Nil: there is nothing to open
	// them with, and what goes through one fails.
	Transforms Transforms

	// Budgets are shared by all engines that run the program. Nil: its own.
	Budgets *Budgets

	Catalogue  Catalogue
	CacheBytes int64 // most that the caches of all partitions of a topic may hold
	Book       *ledger.Book
	Now        func() time.Time
}

// Generation is a program in force. A nil Program leaves everything as it is:
// the second hop, whose labels are final.
type Generation struct {
	Program  *program.Program
	Revision string  // digest of the policy set, a header of every record written
	Canary   *Canary // nil: it governs everything

	applied uint32 // position in the engine's history
	number  uint32 // of the program in it; cache entries remember it
	rules   []program.Rule

	shedding [ladder.Steps]uint16 // up to which series.shed samples are given up
}

// Engine opens workers for partitions and gives them the generation in force.
type Engine struct {
	opts Options
	gen  atomic.Pointer[Generation]
	seq  atomic.Uint32
	open workers
	room atomic.Int64 // most that the caches of all partitions of a topic may hold
}

// minCacheBytes is what the cache of a partition may hold at least.
const minCacheBytes = 1 << 20

// New returns an engine that runs gen.
func New(opts Options, gen Generation) (*Engine, error) {
	switch {
	case (opts.Samples == nil) == (opts.Records == nil):
		return nil, errors.New("an engine needs either a sample sink or a record sink")
	case opts.Letters == nil || opts.Book == nil || opts.Catalogue == nil || opts.Now == nil:
		return nil, errors.New("an engine needs dead letters, a book, a catalogue and a clock")
	}
	if opts.Budgets == nil {
		opts.Budgets = NewBudgets()
	}
	e := &Engine{opts: opts}
	e.Bound(opts.CacheBytes)
	e.Apply(gen)
	return e, nil
}

// Bound changes Options.CacheBytes. Workers make room with their next batch.
func (e *Engine) Bound(cacheBytes int64) { e.room.Store(cacheBytes) }

// Apply puts gen in force: one pointer store that cannot fail. Every worker
// takes it up with its next batch; cached series are decided again when they are
// next seen, so nothing pauses. Those whose program stays the same are not: a canary
// that begins, grows or is promoted concerns the series that it takes over.
func (e *Engine) Apply(gen Generation) {
	was := e.gen.Load()
	gen.applied = e.seq.Add(1)
	e.number(&gen, was)
	if c := gen.Canary; c != nil && c.Program == gen.Program {
		gen.Canary = nil
	} else if c != nil {
		canary := *c
		canary.generation = &Generation{Program: c.Program, Revision: c.Revision}
		e.number(canary.generation, was)
		gen.Canary = &canary
	}
	e.gen.Store(&gen)
}

// number gives a generation the number that its program has in the one in force,
// or a new one, and what workers need to know of the program.
func (e *Engine) number(gen, was *Generation) {
	switch {
	case was != nil && was.Program == gen.Program:
		gen.number = was.number
	case was != nil && was.Canary != nil && was.Canary.Program == gen.Program:
		gen.number = was.Canary.generation.number
	default:
		gen.number = e.seq.Add(1)
	}
	if gen.Program != nil {
		gen.rules = gen.Program.Rules()
		for step := range gen.shedding {
			gen.shedding[step] = gen.Program.Shedding(ladder.Step(step))
		}
	}
}

// Open returns a worker for a partition.
func (e *Engine) Open(p Partition) (*Worker, error) {
	w := &Worker{opts: &e.opts, gen: &e.gen, partition: p, scanner: record.NewScanner(), next: -1, acked: -1}
	var err error
	if w.letters, err = e.opts.Letters.RecordLane(p); err != nil {
		return nil, err
	}
	if e.opts.Records != nil {
		w.records, err = e.opts.Records.RecordLane(p)
	} else {
		w.lane, err = e.opts.Samples.Lane(p)
	}
	if err != nil {
		w.letters.Close()
		return nil, err
	}
	w.room = func() int64 { return max(e.room.Load()/int64(max(p.Count, 1)), minCacheBytes) }
	w.roomy = w.room()
	w.cache = newCache(w.roomy)
	w.buckets = map[bucketKey]*bucket{}
	w.held = map[*series]*slot{}
	w.cells.byKey, w.gates, w.budgets = map[string]*cell{}, map[accountKey]*gate{}, e.opts.Budgets
	w.budgets.open(p, e.opts.Now().UnixMilli())
	w.switched = func(to uint32) { e.open.switched(w, to) }
	w.turn, w.closed = make(turn, 1), e.open.add(w)
	return w, nil
}
