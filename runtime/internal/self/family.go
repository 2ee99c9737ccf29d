package self

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

type (
	emitter func(v float64, buckets []uint64, labels []string)
	source  func(emitter)
)

// family is all values of one row. Sources run under its lock.
type family struct {
	row  Row
	kind prometheus.ValueType // of a counter or gauge
	desc *prometheus.Desc

	mu      sync.Mutex
	cells   cells
	sources []source
}

// cells are the values of a family by their joined label values.
type cells map[string]*cell

type cell struct {
	labels  []string
	value   float64  // counter, gauge; sum of a histogram
	buckets []uint64 // histogram: one more than there are bounds
}

func newFamily(r Row, kind prometheus.ValueType) *family {
	f := &family{
		row: r, kind: kind, desc: prometheus.NewDesc(r.Name, r.Help, r.Labels, nil),
		cells: cells{},
	}
	if len(r.Labels) == 0 { // reads zero from the start
		f.at(f.cells, nil)
	}
	return f
}

// at returns the cell of the label values, made when it is new.
func (f *family) at(c cells, labels []string) *cell {
	if len(labels) != len(f.row.Labels) {
		panic(fmt.Sprintf("%s has the labels %q, was given %q", f.row.Name, f.row.Labels, labels))
	}
	key := strings.Join(labels, "\xff")
	x := c[key]
	if x == nil {
		x = &cell{labels: make([]string, len(labels))}
		for i, l := range labels {
			x.labels[i] = strings.ToValidUTF8(l, "\uFFFD") // one bad value must not spoil the whole scrape
		}
		if f.row.Buckets != nil {
			x.buckets = make([]uint64, len(f.row.Buckets)+1)
		}
		c[key] = x
	}
	return x
}

func (f *family) add(v float64, labels []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at(f.cells, labels).value += v
}

func (f *family) set(v float64, labels []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at(f.cells, labels).value = v
}

func (f *family) observe(v float64, labels []string) {
	i := sort.SearchFloat64s(f.row.Buckets, v) // the first bound that is not below v
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.at(f.cells, labels)
	x.buckets[i]++
	x.value += v
}

// sum adds a value, of a histogram with its buckets, to the cell it belongs to.
func (f *family) sum(into cells, v float64, buckets []uint64, labels []string) {
	x := f.at(into, labels)
	x.value += v
	for i, n := range buckets {
		x.buckets[i] += n
	}
}

// collect adds a source.
func (f *family) collect(s source) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sources = append(f.sources, s)
}

// Describe implements prometheus.Collector.
func (f *family) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

// Collect implements prometheus.Collector.
func (f *family) Collect(ch chan<- prometheus.Metric) {
	for _, m := range f.snapshot() {
		ch <- m
	}
}

// snapshot sums cells and sources under the lock and hands the result out
// without it, since who reads the channel may be slow.
func (f *family) snapshot() []prometheus.Metric {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(cells, len(f.cells))
	for key, x := range f.cells {
		all[key] = &cell{labels: x.labels, value: x.value, buckets: slices.Clone(x.buckets)}
	}
	for _, s := range f.sources {
		s(func(v float64, buckets []uint64, labels []string) { f.sum(all, v, buckets, labels) })
	}
	out := make([]prometheus.Metric, 0, len(all))
	for _, x := range all {
		out = append(out, f.metric(x))
	}
	return out
}

func (f *family) metric(x *cell) prometheus.Metric {
	var m prometheus.Metric
	var err error
	if x.buckets == nil {
		m, err = prometheus.NewConstMetric(f.desc, f.kind, x.value, x.labels...)
	} else {
		cumulated, sum := make(map[float64]uint64, len(x.buckets)), uint64(0)
		for i, bound := range f.row.Buckets {
			sum += x.buckets[i]
			cumulated[bound] = sum
		}
		m, err = prometheus.NewConstHistogram(f.desc, sum+x.buckets[len(f.row.Buckets)], x.value, cumulated, x.labels...)
	}
	if err != nil {
		return prometheus.NewInvalidMetric(f.desc, err)
	}
	return m
}
