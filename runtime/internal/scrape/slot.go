package scrape

import (
	"sync"
	"unique"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// slot is one line of the exposition: a series and its last value.
type slot struct {
	name   string
	labels unique.Handle[string] // as text up to the value; most series share it with others
	family *family

	position int // in its family; this and refs belong to the registry's lock
	refs     int

	mu    sync.Mutex
	value float64
	time  int64 // of the sample, Unix milliseconds
	seen  int64 // when it arrived, on the endpoint's clock
	live  bool
}

// set takes a sample and returns by how much the number of exposed series
// changes. What arrives last wins, whatever its time says, because a reporter's
// clock may step back; but a marker of the end only ends what it is not older
// than, because the next attempt of a task may already report.
func (s *slot) set(x *engine.Sample, now int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.live
	switch {
	case !engine.IsStale(x.Value):
		s.value, s.time, s.seen, s.live = x.Value, x.Time, now, true
	case x.Time >= s.time:
		s.live = false
	}
	switch {
	case s.live == was:
		return 0
	case s.live:
		return 1
	}
	return -1
}

// end stops exposing the slot and reports whether it was exposed.
func (s *slot) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.live
	s.live = false
	return was
}

// read returns the value to expose; ok is false when there is none. A value that
// arrived before the moment oldest is forgotten, which expired reports.
func (s *slot) read(oldest int64) (value float64, time int64, ok, expired bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live && s.seen < oldest {
		s.live, expired = false, true
	}
	return s.value, s.time, s.live, expired
}
