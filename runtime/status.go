package runtime

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
	"github.com/sluice-metrics/sluice/runtime/internal/store"
)

// Status is what an instance does at a moment: the JSON of /api/v1/status.
type Status struct {
	Version   string         `json:"version"`           // of Sluice
	Revision  string         `json:"revision"`          // of the policy set
	Policies  string         `json:"policies"`          // where it came from
	Policy    PolicyStatus   `json:"policy"`            // that set, and where sets come from
	Started   time.Time      `json:"started"`           // when the process did
	Ready     bool           `json:"ready"`             // it does all it is there for
	Waiting   string         `json:"waiting,omitempty"` // for what, while not ready
	Brokers   []string       `json:"brokers"`           // host:port
	Embedded  bool           `json:"embedded"`          // the broker runs inside this process
	Streams   map[string]Hop `json:"streams,omitempty"`
	Sinks     map[string]Hop `json:"sinks,omitempty"`
	Store     *StoreStatus   `json:"store,omitempty"`
	Budgets   []BudgetStatus `json:"budgets,omitempty"`
	Taps      int            `json:"taps,omitempty"`      // that are open
	Rollout   *RolloutStatus `json:"rollout,omitempty"`   // when there is a candidate, or was one
	Overrides []Override     `json:"overrides,omitempty"` // what holds besides the policies
	Degrade   *DegradeStatus `json:"degrade,omitempty"`   // when the set has rules that give something up
}

// Hop is the ledger of one stream or one sink, and where its partitions stand.
type Hop struct {
	Records      uint64            `json:"records"`                // read, closing records among them
	Reports      uint64            `json:"reports"`                // closing records
	SamplesIn    int64             `json:"samples_in"`             // read
	Dispositions map[string]int64  `json:"dispositions"`           // what became of them
	Made         uint64            `json:"samples_made,omitempty"` // written besides, by aggregates and overflow series
	Imbalance    int64             `json:"imbalance"`              // samples in less samples accounted for; not 0 is a fault
	Rules        []RuleCount       `json:"rules,omitempty"`
	Refused      []RefusedCount    `json:"refused,omitempty"`      // by sink and reason
	DeadLetters  map[string]uint64 `json:"dead_letters,omitempty"` // by reason
	BytesIn      uint64            `json:"bytes_in"`               // of record values
	BytesOut     uint64            `json:"bytes_out"`              // of record values, or of samples for a sink
	SeriesIn     int64             `json:"series_in"`              // cached now
	SeriesOut    int64             `json:"series_out"`             // that those become, now
	CacheBytes   int64             `json:"cache_bytes"`            // memory for the series
	Evicted      map[string]uint64 `json:"evicted,omitempty"`      // series that left the cache, by reason
	FastScans    uint64            `json:"fast_scans"`             // records read by the learned layout of their producer
	SlowScans    uint64            `json:"slow_scans"`             // records read as any JSON
	EventLag     Lag               `json:"event_lag_seconds"`
	Partitions   []Partition       `json:"partitions"`
	Gaps         int64             `json:"gap_records"`     // lost before they could be read
	Error        string            `json:"error,omitempty"` // what keeps it from working
	State        string            `json:"state,omitempty"` // of a stream that is not read: paused, draining or drained
	Halt         *Halt             `json:"halt,omitempty"`  // why it is not read
}

// RuleCount is what one rule did.
type RuleCount struct {
	Rule        string `json:"rule"`        // team/name, as section:team/name where two sections have that
	Disposition string `json:"disposition"` // what became of them
	Samples     uint64 `json:"samples"`     // how many it decided about
}

// RefusedCount is what the receiver of one sink would not take.
type RefusedCount struct {
	Sink    string `json:"sink"`    // its name
	Reason  string `json:"reason"`  // in the words of the receiver
	Samples uint64 `json:"samples"` // how many
}

// Lag summarises seconds from report_timestamp to acknowledgement, of what was
// acknowledged in the last one to two minutes; 0 when nothing was.
type Lag struct {
	P50 float64 `json:"p50"` // half of the samples were faster
	P99 float64 `json:"p99"` // 99 of 100 samples were faster
}

// Partition is where one partition of an input stands.
type Partition struct {
	Topic  string `json:"topic"`           // its topic
	ID     int32  `json:"partition"`       // its number
	State  string `json:"state"`           // what it does: such as running, or why it waits
	Offset int64  `json:"offset"`          // acknowledged up to here
	Lag    int64  `json:"lag"`             // records behind it
	Error  string `json:"error,omitempty"` // what the broker says
}

// StoreStatus is what the embedded store holds, and what became of the samples
// it was given since it was opened.
type StoreStatus struct {
	Series     uint64 `json:"series"`     // in memory
	Written    uint64 `json:"written"`    // samples
	Duplicates uint64 `json:"duplicates"` // there already, with the same value
	Conflicts  uint64 `json:"conflicts"`  // there already, with another value, which stays
	Late       uint64 `json:"late"`       // older than its out-of-order window
	Ahead      uint64 `json:"ahead"`      // too far in the future
	Invalid    uint64 `json:"invalid"`    // of a series whose labels cannot be
}

// fault says what keeps a sink of type remote-write from delivering: with the
// sink, or with the streams that feed it directly.
func (s *Status) fault(sink string, w remotewrite.Stats) {
	if w.Fault == "" {
		return
	}
	blame := func(hops map[string]Hop, name string) {
		h := hops[name]
		h.Error = cmp.Or(h.Error, "sink "+sink+": "+w.Fault)
		hops[name] = h
	}
	if _, ok := s.Sinks[sink]; ok {
		blame(s.Sinks, sink)
		return
	}
	for name := range s.Streams {
		blame(s.Streams, name)
	}
}

func storeStatus(s store.Stats) *StoreStatus {
	return &StoreStatus{
		Series: s.HeadSeries, Written: s.Written, Duplicates: s.Duplicates, Conflicts: s.Conflicts,
		Late: s.Late, Ahead: s.Ahead, Invalid: s.Invalid,
	}
}

// Total sums hops. Quantiles of lag do not add up, so they are taken from the
// hop where they are worst.
func Total(hops map[string]Hop) Hop {
	t := Hop{Dispositions: map[string]int64{}, DeadLetters: map[string]uint64{}}
	for _, h := range hops {
		t.Records += h.Records
		t.Reports += h.Reports
		t.SamplesIn += h.SamplesIn
		t.Imbalance += h.Imbalance
		t.Made += h.Made
		t.BytesIn += h.BytesIn
		t.BytesOut += h.BytesOut
		t.SeriesIn += h.SeriesIn
		t.SeriesOut += h.SeriesOut
		t.CacheBytes += h.CacheBytes
		t.FastScans += h.FastScans
		t.SlowScans += h.SlowScans
		t.Gaps += h.Gaps
		for d, n := range h.Dispositions {
			t.Dispositions[d] += n
		}
		for r, n := range h.DeadLetters {
			t.DeadLetters[r] += n
		}
		t.Rules = append(t.Rules, h.Rules...)
		t.Refused = append(t.Refused, h.Refused...)
		t.Partitions = append(t.Partitions, h.Partitions...)
		t.EventLag = Lag{P50: max(t.EventLag.P50, h.EventLag.P50), P99: max(t.EventLag.P99, h.EventLag.P99)}
	}
	return t
}

// hopStatus puts what the ledger, and the consumer behind it, say into words.
func hopStatus(book *ledger.Book, src kafka.Status) Hop {
	s, lag := book.Sum(), book.RecentLag()
	h := Hop{
		Records: s.Records, Reports: s.Reports, SamplesIn: s.In, Imbalance: s.Imbalance(), Made: s.Made,
		Dispositions: map[string]int64{}, DeadLetters: s.DeadLetters, Evicted: s.Evicted,
		BytesIn: s.BytesIn, BytesOut: s.BytesOut, SeriesIn: s.SeriesIn, SeriesOut: s.SeriesOut,
		CacheBytes: s.CacheBytes, FastScans: s.FastScans, SlowScans: s.SlowScans,
		EventLag: Lag{P50: number(lag.Quantile(0.5)), P99: number(lag.Quantile(0.99))},
	}
	for d := range ledger.Count {
		if n := s.By[d]; n != 0 {
			h.Dispositions[d.String()] = n
		}
	}
	for r, n := range s.Rules {
		h.Rules = append(h.Rules, RuleCount{r.ID, r.Disposition.String(), n})
	}
	slices.SortFunc(h.Rules, func(a, b RuleCount) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Rule, b.Rule))
	})
	for r, n := range s.Refused {
		h.Refused = append(h.Refused, RefusedCount{r.Sink, r.Reason, n})
	}
	slices.SortFunc(h.Refused, func(a, b RefusedCount) int {
		return cmp.Or(cmp.Compare(a.Sink, b.Sink), cmp.Compare(a.Reason, b.Reason))
	})
	h.Gaps, h.Partitions = src.GapRecords, partitionsOf(src)
	if src.Err != nil {
		h.Error = src.Err.Error()
	}
	return h
}

// number makes a quantile of nothing 0: JSON has no NaN.
func number(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// Revision is the digest of the policy set in force.
func (r *Runtime) Revision() string { return r.rev.Load().digest }
