package self

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// handle is what a row of the table binds to a family.
type handle interface {
	kind() Type
	bind(Row) prometheus.Collector
}

// Counter only goes up. Calls give one value per label of its row, in the order
// of the row; any other number of values panics.
type Counter struct{ f *family }

func (*Counter) kind() Type { return CounterType }

func (c *Counter) bind(r Row) prometheus.Collector {
	c.f = newFamily(r, prometheus.CounterValue)
	return c.f
}

// Add counts n more.
func (c Counter) Add(n uint64, labels ...string) { c.f.add(float64(n), labels) }

// Collect registers a source that is asked at every scrape and emits totals
// since its own start: the way of a hot path that keeps plain counts. The totals
// of all sources and of Add are summed by label values. A total must not go back. A
// source runs on the scraping goroutine and must not call this handle.
func (c Counter) Collect(source func(emit func(total uint64, labels ...string))) {
	c.f.collect(func(emit emitter) {
		source(func(total uint64, labels ...string) { emit(float64(total), nil, labels) })
	})
}

// Gauge is a value that goes up and down. Labels are as with Counter.
type Gauge struct{ f *family }

func (*Gauge) kind() Type { return GaugeType }

func (g *Gauge) bind(r Row) prometheus.Collector {
	g.f = newFamily(r, prometheus.GaugeValue)
	return g.f
}

// Set makes v the value.
func (g Gauge) Set(v float64, labels ...string) { g.f.set(v, labels) }

// Collect registers a source that is asked at every scrape and emits present
// values, which are summed by label values over all sources and Set. What it no
// longer emits is no longer exposed. A source runs on the scraping goroutine and
// must not call this handle.
func (g Gauge) Collect(source func(emit func(v float64, labels ...string))) {
	g.f.collect(func(emit emitter) {
		source(func(v float64, labels ...string) { emit(v, nil, labels) })
	})
}

// Histogram counts values by bucket. Labels are as with Counter.
type Histogram struct{ f *family }

func (*Histogram) kind() Type { return HistogramType }

func (h *Histogram) bind(r Row) prometheus.Collector {
	h.f = newFamily(r, prometheus.UntypedValue)
	return h.f
}

// Observe counts one value. NaN is not counted.
func (h Histogram) Observe(v float64, labels ...string) {
	if !math.IsNaN(v) {
		h.f.observe(v, labels)
	}
}

// Collect registers a source that is asked at every scrape and emits histograms
// of its own since its own start: how many values there are, how many of them lie
// below a duration, and their sum in seconds. They are summed with what was
// observed.
func (h Histogram) Collect(source func(emit func(count uint64, below func(time.Duration) uint64, sum float64, labels ...string))) {
	h.f.collect(func(emit emitter) {
		source(func(count uint64, below func(time.Duration) uint64, sum float64, labels ...string) {
			buckets, last := make([]uint64, 0, len(h.f.row.Buckets)+1), uint64(0)
			for _, bound := range h.f.row.Buckets {
				n := min(max(below(time.Duration(bound*float64(time.Second))), last), count)
				buckets, last = append(buckets, n-last), n
			}
			emit(sum, append(buckets, count-last), labels)
		})
	})
}
