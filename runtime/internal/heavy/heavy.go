// Package heavy finds the keys that weigh most among any number of them, in bounded
// memory: the space-saving algorithm of Metwally, Agrawal and El Abbadi (2005). It
// knows nothing of what the keys are.
package heavy

import "container/heap"

// Counts are what is added up by key; Weight decides which keys are kept.
type Counts struct {
	Weight float64
	Others [3]float64
}

// Row is a key and what came for it. When there were more keys than places, its
// counts may hold those of keys that had its place before: Weight is then too large
// by at most Error, and never too small.
type Row struct {
	Key string
	Counts
	Error float64
}

// Sketch sums counts by key, exactly as long as there are no more keys than places.
// Otherwise every key that weighs more than the total divided by the number of
// places is among the rows.
type Sketch struct {
	places int
	rows   map[string]*place
	heap   lightest
	full   bool
}

type place struct {
	Row
	at int // in the heap
}

// New returns a sketch with a number of places, at least 1.
func New(places int) *Sketch {
	return &Sketch{places: max(places, 1), rows: map[string]*place{}}
}

// Add adds counts to those of a key. Weights are not negative.
func (s *Sketch) Add(key string, c Counts) {
	p := s.rows[key]
	switch {
	case p != nil:
	case len(s.rows) < s.places:
		p = &place{Row: Row{Key: key}}
		s.rows[key] = p
		heap.Push(&s.heap, p)
	default: // it takes the place of the lightest, with what that weighs
		s.full = true
		p = s.heap[0]
		delete(s.rows, p.Key)
		p.Key, p.Error = key, p.Weight
		s.rows[key] = p
	}
	p.Weight += c.Weight
	for i, n := range c.Others {
		p.Others[i] += n
	}
	heap.Fix(&s.heap, p.at)
}

// Rows returns all rows, in no order.
func (s *Sketch) Rows() []Row {
	out := make([]Row, 0, len(s.heap))
	for _, p := range s.heap {
		out = append(out, p.Row)
	}
	return out
}

// Full reports whether there were more keys than places.
func (s *Sketch) Full() bool { return s.full }

// lightest is a heap of places by weight.
type lightest []*place

func (h lightest) Len() int           { return len(h) }
func (h lightest) Less(i, j int) bool { return h[i].Weight < h[j].Weight }
func (h lightest) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface.
func (h *lightest) Push(x any) {
	p := x.(*place)
	p.at = len(*h)
	*h = append(*h, p)
}

// Pop implements heap.Interface.
func (h *lightest) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
