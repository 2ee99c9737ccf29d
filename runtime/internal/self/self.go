// Package self holds Sluice's own metrics: one table that names them all, a
// typed handle for each, and the endpoint that exposes them. It knows nothing of
// what it counts, keeps every metric in a registry of its own (never the global
// one), and refuses labels whose number of values nothing bounds.
package self

import (
	"net/http"
	goruntime "runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the handles of all own metrics. All methods of all handles may be
// called from any goroutine. The table in table.go says what each one means.
type Metrics struct {
	Records            Counter
	Samples            Counter
	RuleSamples        Counter
	LedgerImbalance    Gauge
	DeadLetters        Counter
	Scans              Counter
	CachedSeries       Gauge
	CacheBytes         Gauge
	CacheEvictions     Counter
	EventLag           Histogram
	ConsumerLag        Gauge
	GapRecords         Counter
	PartitionState     Gauge
	PolicyInfo         Gauge
	PolicyLoads        Counter
	PolicyRefused      Gauge
	PolicyFallback     Gauge
	PolicyProbation    Gauge
	PolicySince        Gauge
	PolicyRollbacks    Counter
	PolicyApplySeconds Histogram
	CanaryShare        Gauge
	CanarySamples      Counter
	ShadowSeries       Gauge
	PluginCalls        Counter
	PluginRecords      Counter
	PluginFailed       Counter
	PluginSeconds      Histogram
	PluginFuel         Counter
	PluginMemory       Gauge
	PluginInstances    Gauge
	PluginReplaced     Counter
	PluginBreaker      Gauge
	PluginCounts       Counter
	PluginTried        Counter
	AuditLost          Counter
	AuthRefused        Counter
	ShortIDConflicts   Counter
	CollectRequests    Counter
	CollectWaiting     Gauge
	SinkSamples        Counter
	SinkRetries        Counter
	SinkSeconds        Histogram
	StoreHeadSeries    Gauge
	ScrapeSeries       Gauge
	MadeSamples        Counter
	BudgetSeries       Gauge
	BudgetKeys         Gauge
	BudgetLimit        Gauge
	BudgetRefused      Counter
	DegradeStep        Gauge
	DegradeMeasure     Gauge
	ShedSamples        Counter
	BuildInfo          Gauge
	registry           *prometheus.Registry
}

// New returns metrics that all read zero, registered beside those of the Go
// runtime and the process. Version is what sluice_build_info says.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	for _, r := range m.table() {
		m.registry.MustRegister(r.handle.bind(r.Row))
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.BuildInfo.Set(1, version, goruntime.Version())
	return m
}

// Handler serves all metrics in the Prometheus text or protobuf format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Table returns the description of every own metric, in the order in which they
// are documented.
func Table() []Row {
	rows := new(Metrics).table()
	out := make([]Row, len(rows))
	for i, r := range rows {
		out[i] = r.Row
		out[i].Type = r.handle.kind()
	}
	return out
}
