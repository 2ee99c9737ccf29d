package ledger

import (
	"maps"
	"sync"
	"time"
)

// Entry is what one worker adds to a book: everything since its last one.
// Counts of InFlight and Held are changes and may be negative.
type Entry struct {
	Records     uint64 // records read, closing records among them
	Reports     uint64 // closing records
	In          int64
	By          [Count]int64
	Made        uint64 // samples of aggregates and overflow series that were written
	Rules       map[Rule]uint64
	DeadLetters map[string]uint64 // by reason
	Refused     map[Refusal]uint64
	FastScans   uint64
	SlowScans   uint64
	BytesIn     uint64 // of record values read
	BytesOut    uint64 // of record values written
	SeriesIn    int64  // change of series in the cache
	SeriesOut   int64  // change of those of them that go on
	CacheBytes  int64
	Evicted     map[string]uint64 // series that left the cache, by reason
	Lag         Lag
}

// Rule is what one rule did to samples.
type Rule struct {
	ID          string
	Disposition Disposition
}

// Refusal says which sink's receiver would not take a sample, and why.
type Refusal struct{ Sink, Reason string }

// Add puts e into a sum.
func (s *Entry) Add(e *Entry) {
	s.Records += e.Records
	s.Reports += e.Reports
	s.In += e.In
	s.Made += e.Made
	for d, n := range e.By {
		s.By[d] += n
	}
	s.Rules = sum(s.Rules, e.Rules)
	s.DeadLetters = sum(s.DeadLetters, e.DeadLetters)
	s.Refused = sum(s.Refused, e.Refused)
	s.Evicted = sum(s.Evicted, e.Evicted)
	s.FastScans += e.FastScans
	s.SlowScans += e.SlowScans
	s.BytesIn += e.BytesIn
	s.BytesOut += e.BytesOut
	s.SeriesIn += e.SeriesIn
	s.SeriesOut += e.SeriesOut
	s.CacheBytes += e.CacheBytes
	s.Lag.Add(&e.Lag)
}

// Clear empties e, keeping its memory.
func (s *Entry) Clear() {
	rules, letters, refused, evicted := s.Rules, s.DeadLetters, s.Refused, s.Evicted
	clear(rules)
	clear(letters)
	clear(refused)
	clear(evicted)
	*s = Entry{Rules: rules, DeadLetters: letters, Refused: refused, Evicted: evicted}
}

// Imbalance is in minus every disposition: anything but 0 is a defect.
func (s *Entry) Imbalance() int64 {
	n := s.In
	for _, by := range s.By {
		n -= by
	}
	return n
}

func sum[K comparable](into, from map[K]uint64) map[K]uint64 {
	if into == nil && len(from) > 0 {
		into = make(map[K]uint64, len(from))
	}
	for k, n := range from {
		into[k] += n
	}
	return into
}

// Book is the running sum of the entries of all workers of one hop or sink. It
// is safe for concurrent use.
type Book struct {
	mu     sync.Mutex
	sum    Entry
	recent recentLag
	pages  map[Place]*Page
}

// Place is a partition of an input.
type Place struct {
	Topic     string
	Partition int32
}

// Page is the part of the sum that came from one partition.
type Page struct {
	Records uint64
	In      int64
	By      [Count]int64
}

// Imbalance is in minus every disposition, as Entry.Imbalance.
func (p *Page) Imbalance() int64 {
	n := p.In
	for _, by := range p.By {
		n -= by
	}
	return n
}

// Post adds the entry of the worker of a partition, whole or not at all.
func (b *Book) Post(at Place, e *Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sum.Add(e)
	if e.Lag.count > 0 {
		b.recent.add(time.Now(), &e.Lag)
	}
	p := b.pages[at]
	if p == nil {
		if b.pages == nil {
			b.pages = map[Place]*Page{}
		}
		p = &Page{}
		b.pages[at] = p
	}
	p.Records += e.Records
	p.In += e.In
	for d, n := range e.By {
		p.By[d] += n
	}
}

// Pages returns the totals since the book was opened by partition, also of those
// that are not read here any more.
func (b *Book) Pages() map[Place]Page {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[Place]Page, len(b.pages))
	for at, p := range b.pages {
		out[at] = *p
	}
	return out
}

// RecentLag is the lag of what was posted in the last one to two minutes.
func (b *Book) RecentLag() Lag {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.recent.sum(time.Now())
}

// Sum returns the totals since the book was opened.
func (b *Book) Sum() Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sum
	s.Rules = maps.Clone(s.Rules)
	s.DeadLetters = maps.Clone(s.DeadLetters)
	s.Refused = maps.Clone(s.Refused)
	s.Evicted = maps.Clone(s.Evicted)
	return s
}
