package runtime

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
)

// Ledger is what became of every sample since this instance was started: samples
// in are the sum of all dispositions, for each stream and sink and each partition.
type Ledger struct {
	Streams   []LedgerBook `json:"streams"`   // by name
	Sinks     []LedgerBook `json:"sinks"`     // by name
	Imbalance int64        `json:"imbalance"` // of all; anything but 0 is a defect
}

// LedgerBook is the account of one stream or one sink.
type LedgerBook struct {
	Name       string        `json:"name"`         // of the stream or sink
	Records    uint64        `json:"records"`      // read
	In         int64         `json:"samples_in"`   // samples that came in; a record that cannot be read counts as one
	Lines      []LedgerLine  `json:"dispositions"` // their samples add up to samples_in less imbalance
	Made       uint64        `json:"samples_made"` // written besides, by aggregates and overflow series
	GapRecords int64         `json:"gap_records"`  // lost before they could be read: not in the account
	Imbalance  int64         `json:"imbalance"`    // samples that are not accounted for
	Partitions []LedgerPlace `json:"partitions"`   // by topic and number
}

// LedgerLine is one disposition, and which rules, sinks or faults stand behind it.
type LedgerLine struct {
	Disposition string       `json:"disposition"`  // what became of them
	Samples     int64        `json:"samples"`      // with this disposition
	Final       bool         `json:"final"`        // false: on their way, and something else in the end
	By          []LedgerPart `json:"by,omitempty"` // the most first
}

// LedgerPart is a part of a disposition: of a rule, of a sink and its reason, or
// of a reason for dead letters. A sample that two sinks refuse counts for both.
type LedgerPart struct {
	Rule    string `json:"rule,omitempty"`   // as team/name, or section:team/name where two sections have that
	Sink    string `json:"sink,omitempty"`   // whose receiver refuses
	Reason  string `json:"reason,omitempty"` // of a refusal, or for which a record cannot be read
	Samples uint64 `json:"samples"`          // of this part
}

// LedgerPlace is the account of one partition.
type LedgerPlace struct {
	Topic        string           `json:"topic"`        // of the input
	Partition    int32            `json:"partition"`    // of the topic
	Records      uint64           `json:"records"`      // read
	In           int64            `json:"samples_in"`   // samples that came in
	Dispositions map[string]int64 `json:"dispositions"` // samples by what became of them
	Imbalance    int64            `json:"imbalance"`    // samples that are not accounted for
}

// Ledger returns the accounts of all streams and sinks of this instance, by name.
func (r *Runtime) Ledger() Ledger {
	l := Ledger{Streams: []LedgerBook{}, Sinks: []LedgerBook{}}
	for _, h := range r.hops(&r.streams) {
		l.Streams = append(l.Streams, account(h))
	}
	for _, h := range r.hops(&r.sinks) {
		l.Sinks = append(l.Sinks, account(h))
	}
	for _, books := range [][]LedgerBook{l.Streams, l.Sinks} {
		slices.SortFunc(books, func(a, b LedgerBook) int { return cmp.Compare(a.Name, b.Name) })
		for i := range books {
			l.Imbalance += max(books[i].Imbalance, -books[i].Imbalance)
		}
	}
	return l
}

// eachGroup visits the account of every consumer group since this instance was
// started, also of those of streams and sinks that are gone: what they count only grows.
func (r *Runtime) eachGroup(visit func(group string, sum *ledger.Entry)) {
	r.mu.RLock()
	books := maps.Clone(r.books)
	r.mu.RUnlock()
	for group, b := range books {
		sum := b.Sum()
		visit(group, &sum)
	}
}

// eachStream visits those of streams.
func (r *Runtime) eachStream(visit func(sum *ledger.Entry)) {
	r.eachGroup(func(group string, sum *ledger.Entry) {
		if strings.HasPrefix(group, streamGroup("")) {
			visit(sum)
		}
	})
}

// ruleSamples counts what each rule did to samples, in all streams.
func (r *Runtime) ruleSamples() map[ledger.Rule]uint64 {
	out := map[ledger.Rule]uint64{}
	r.eachStream(func(sum *ledger.Entry) {
		for rule, n := range sum.Rules {
			out[rule] += n
		}
	})
	return out
}

func account(h *hop) LedgerBook {
	s := h.book.Sum()
	b := LedgerBook{
		Name: h.name, Records: s.Records, In: s.In, Made: s.Made, Imbalance: s.Imbalance(),
		GapRecords: h.source.Status().GapRecords, Lines: []LedgerLine{}, Partitions: []LedgerPlace{},
	}
	for d := range ledger.Count {
		if s.By[d] == 0 {
			continue
		}
		b.Lines = append(b.Lines, LedgerLine{
			Disposition: d.String(), Samples: s.By[d], Final: d != ledger.InFlight && d != ledger.Held, By: standsBehind(d, &s),
		})
	}
	for at, p := range h.book.Pages() {
		place := LedgerPlace{
			Topic: at.Topic, Partition: at.Partition, Records: p.Records, In: p.In,
			Dispositions: map[string]int64{}, Imbalance: p.Imbalance(),
		}
		for d, n := range p.By {
			if n != 0 {
				place.Dispositions[ledger.Disposition(d).String()] = n
			}
		}
		b.Partitions = append(b.Partitions, place)
	}
	slices.SortFunc(b.Partitions, func(a, b LedgerPlace) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return b
}

// standsBehind says what stands behind a disposition, the most first.
func standsBehind(d ledger.Disposition, s *ledger.Entry) (parts []LedgerPart) {
	switch d {
	case ledger.Refused:
		for r, n := range s.Refused {
			parts = append(parts, LedgerPart{Sink: r.Sink, Reason: r.Reason, Samples: n})
		}
	case ledger.DeadLetter:
		for reason, n := range s.DeadLetters {
			parts = append(parts, LedgerPart{Reason: reason, Samples: n})
		}
	default:
		for r, n := range s.Rules {
			if r.Disposition == d {
				parts = append(parts, LedgerPart{Rule: r.ID, Samples: n})
			}
		}
	}
	slices.SortFunc(parts, func(a, b LedgerPart) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Sink, b.Sink), cmp.Compare(a.Reason, b.Reason))
	})
	return parts
}
