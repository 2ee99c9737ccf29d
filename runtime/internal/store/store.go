// Package store is the embedded store: Prometheus' time series database and its
// query language, behind a sink that writes and methods that answer as the
// Prometheus HTTP API does. It is the only package that knows of either library;
// it knows nothing of records, policies, alerts or HTTP.
package store

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Options describe a store.
type Options struct {
	// Retention is how long samples are kept, 0: 15 days. Samples go in blocks, of
	// two hours at least, when the newest of a block is older.
	Retention time.Duration

	// OutOfOrder is how much older than the newest sample of the store one may be
	// that is not the newest of its series, 0: 30 minutes, negative: none. Within
	// it, writing the same samples again changes nothing.
	OutOfOrder time.Duration

	// MaxSamples is how many samples one query may hold in memory, 0: 50 million.
	MaxSamples int

	// QueryTimeout bounds every query, 0: 2 minutes.
	QueryTimeout time.Duration

	// Help describes a metric family for Metadata, nil: nothing is known.
	Help func(family string) (help, unit string)

	Logger *slog.Logger // of the database, nil: silent
}

// MaxAhead is how far in the future a sample may lie. The database measures how
// old a sample is by the newest it has: one far ahead would make it refuse all
// others.
const MaxAhead = 10 * time.Minute

const (
	defaultRetention  = 15 * 24 * time.Hour
	defaultOutOfOrder = 30 * time.Minute
	defaultMaxSamples = 50_000_000
	defaultTimeout    = 2 * time.Minute
	lookback          = 5 * time.Minute
	longestBlock      = 31 * 24 * time.Hour
)

// Store is an open store. All its methods may be called from any goroutine.
type Store struct {
	opts   Options
	db     *tsdb.DB
	engine *promql.Engine
	parser parser.Parser
	meta   metadata
	holds  holds

	written, duplicates, conflicts, late, ahead, invalid atomic.Uint64
}

// Open opens the store in dir, which is made when it is missing. A directory
// that another process has open is an error. It replays what was written since the
// last block, so it takes the longer the more that was.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil { // the database itself would let everybody in
		return nil, fmt.Errorf("store: %w", err)
	}
	conf := tsdb.DefaultOptions()
	conf.RetentionDuration = o.Retention.Milliseconds()
	conf.MaxBlockDuration = max(conf.MinBlockDuration, min(o.Retention/10, longestBlock).Milliseconds())
	conf.OutOfOrderTimeWindow = max(o.OutOfOrder, 0).Milliseconds()
	conf.WALCompression = compression.Snappy
	db, err := tsdb.Open(dir, o.Logger, nil, conf, nil)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", dir, err)
	}
	p := parser.NewParser(parser.Options{})
	return &Store{
		opts: o, db: db, parser: p, meta: metadata{families: map[string]Metadata{}, help: o.Help},
		engine: promql.NewEngine(promql.EngineOpts{
			Logger: o.Logger, Parser: p,
			MaxSamples: o.MaxSamples, Timeout: o.QueryTimeout, LookbackDelta: lookback,
			NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
			EnableAtModifier:         true, EnableNegativeOffset: true,
		}),
	}, nil
}

func (o Options) withDefaults() Options {
	o.Retention = cmp.Or(o.Retention, defaultRetention)
	o.OutOfOrder = cmp.Or(o.OutOfOrder, defaultOutOfOrder)
	o.MaxSamples = cmp.Or(o.MaxSamples, defaultMaxSamples)
	o.QueryTimeout = cmp.Or(o.QueryTimeout, defaultTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Configure changes how long samples are kept and how late they may come, while the
// store is in use. Other options stay.
func (s *Store) Configure(o Options) error {
	o = o.withDefaults()
	err := s.db.ApplyConfig(&config.Config{StorageConfig: config.StorageConfig{TSDBConfig: &config.TSDBConfig{
		OutOfOrderTimeWindow: max(o.OutOfOrder, 0).Milliseconds(),
		Retention:            &config.TSDBRetentionConfig{Time: model.Duration(o.Retention)},
	}}})
	if err != nil {
		return fmt.Errorf("store: configure: %w", err)
	}
	return nil
}

// Close waits for queries that run, ends compaction and writes what is in memory to
// disk. Lanes must be closed before; queries that come later are refused. A second
// call does nothing.
func (s *Store) Close() error {
	if !s.holds.end() {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("store: close: %w", err)
	}
	return nil
}

// Lane implements engine.SampleSink.
func (s *Store) Lane(engine.Partition) (engine.Lane, error) { return newLane(s), nil }

// Stats are the present state of a store, and totals of samples since it was opened.
type Stats struct {
	HeadSeries uint64    // series in memory
	Oldest     time.Time // sample there is, zero: none
	Newest     time.Time

	Written    uint64 // taken
	Duplicates uint64 // there already, with the same value
	Conflicts  uint64 // there already, with another value, which stays
	Late       uint64 // older than the out-of-order window allows
	Ahead      uint64 // more than MaxAhead in the future
	Invalid    uint64 // of a series whose labels cannot be
}

// Stats returns a snapshot.
func (s *Store) Stats() Stats {
	head := s.db.Head()
	st := Stats{
		HeadSeries: head.NumSeries(),
		Written:    s.written.Load(), Duplicates: s.duplicates.Load(), Conflicts: s.conflicts.Load(),
		Late: s.late.Load(), Ahead: s.ahead.Load(), Invalid: s.invalid.Load(),
	}
	if oldest, err := s.db.StartTime(); err == nil && oldest != math.MaxInt64 {
		st.Oldest = time.UnixMilli(oldest)
	}
	if newest := head.MaxTime(); newest != math.MinInt64 {
		st.Newest = time.UnixMilli(newest)
	}
	return st
}
