package self

import "slices"

// Row describes one metric.
type Row struct {
	Name    string
	Type    Type
	Unit    string   // of a value: "samples", "seconds", "1" for a constant
	Help    string   // one sentence
	Labels  []string // keys of the table of labels
	Buckets []float64
}

// Type is the Prometheus type of a metric.
type Type string

// The types in use.
const (
	CounterType   Type = "counter"
	GaugeType     Type = "gauge"
	HistogramType Type = "histogram"
)

type row struct {
	handle handle
	Row
}

// table is the whole list of own metrics: adding one is adding a field to
// Metrics and a line here.
func (m *Metrics) table() []row {
	lag := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
	request := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	return append(slices.Concat(m.limits(), m.policies(), m.plugins()), []row{
		{&m.Records, Row{Name: "sluice_records_total", Unit: "records", Labels: []string{"stream"},
			Help: "Kafka records read from the input topics of a stream."}},
		{&m.Samples, Row{Name: "sluice_samples_total", Unit: "samples", Labels: []string{"hop", "disposition"},
			Help: "Samples by what became of them; the sum over dispositions is what came in."}},
		{&m.RuleSamples, Row{Name: "sluice_rule_samples_total", Unit: "samples", Labels: []string{"rule", "disposition"},
			Help: "Samples that a rule of the policy set decided, by what became of them."}},
		{&m.LedgerImbalance, Row{Name: "sluice_ledger_imbalance", Unit: "samples", Labels: []string{"hop"},
			Help: "Samples in, less samples accounted for; anything but 0 is a fault of Sluice."}},
		{&m.DeadLetters, Row{Name: "sluice_dead_letters_total", Unit: "records", Labels: []string{"reason"},
			Help: "Records that could not be read and went to the dead-letter topic."}},
		{&m.Scans, Row{Name: "sluice_scan_total", Unit: "records", Labels: []string{"path"},
			Help: "Records scanned by their learned layout (fast) or field by field (slow)."}},
		{&m.CachedSeries, Row{Name: "sluice_cached_series", Unit: "series", Labels: []string{"hop"},
			Help: "Series whose verdict, or place in a sink, is cached."}},
		{&m.CacheBytes, Row{Name: "sluice_cache_bytes", Unit: "bytes", Labels: []string{"hop"},
			Help: "Memory that the series caches of all partitions account for."}},
		{&m.CacheEvictions, Row{Name: "sluice_cache_evictions_total", Unit: "series", Labels: []string{"reason"},
			Help: "Series that left the cache: not seen for the TTL, or pushed out by the byte cap."}},
		{&m.EventLag, Row{Name: "sluice_event_lag_seconds", Unit: "seconds", Labels: []string{"sink"}, Buckets: lag,
			Help: "Time from the report of a sample to its acknowledgement by the output."}},
		{&m.ConsumerLag, Row{Name: "sluice_consumer_lag_records", Unit: "records", Labels: []string{"group", "topic", "partition"},
			Help: "Records of a partition that the consumer group has not committed yet."}},
		{&m.GapRecords, Row{Name: "sluice_gap_records_total", Unit: "records", Labels: []string{"topic", "partition"},
			Help: "Records that the broker had deleted before they were read."}},
		{&m.PartitionState, Row{Name: "sluice_partition_state", Unit: "1", Labels: []string{"group", "topic", "partition", "state"},
			Help: "1 for the state that the worker of a partition is in."}},
		{&m.ShortIDConflicts, Row{Name: "sluice_short_id_conflicts_total", Unit: "identifiers",
			Help: "Short identifiers that stood for another value already, so that the way back from them is wrong for one."}},
		{&m.AuditLost, Row{Name: "sluice_audit_lost_total", Unit: "entries",
			Help: "Audit entries that are in the log only, because too many waited for the control topic."}},
		{&m.AuthRefused, Row{Name: "sluice_auth_refused_total", Unit: "requests", Labels: []string{"reason"},
			Help: "Requests that were refused, by whether they had no token, one that is not known, that has expired or that gives no role, failed too often, were of somebody known who may not, or of a page of another site."}},
		{&m.CollectRequests, Row{Name: "sluice_collect_requests_total", Unit: "requests", Labels: []string{"result"},
			Help: "Requests of reporters for their control document, by whether one was sent, it was unchanged or too many waited."}},
		{&m.CollectWaiting, Row{Name: "sluice_collect_waiting", Unit: "requests",
			Help: "Requests of reporters that wait for their control document to change."}},
		{&m.SinkSamples, Row{Name: "sluice_sink_samples_total", Unit: "samples", Labels: []string{"sink", "result"},
			Help: "Samples that a sink acknowledged, refused or dropped."}},
		{&m.SinkRetries, Row{Name: "sluice_sink_retries_total", Unit: "requests", Labels: []string{"sink"},
			Help: "Requests to a sink that were sent again after a fault."}},
		{&m.SinkSeconds, Row{Name: "sluice_sink_seconds", Unit: "seconds", Labels: []string{"sink"}, Buckets: request,
			Help: "Time that one batch took from hand-over to the acknowledgement of the sink."}},
		{&m.StoreHeadSeries, Row{Name: "sluice_store_head_series", Unit: "series",
			Help: "Series in the head of the embedded store."}},
		{&m.ScrapeSeries, Row{Name: "sluice_scrape_series", Unit: "series",
			Help: "Series that the scrape endpoint exposes."}},
		{&m.BuildInfo, Row{Name: "sluice_build_info", Unit: "1", Labels: []string{"version", "goversion"},
			Help: "1 for the version of Sluice and of the Go toolchain that built it."}},
	}...)
}

// limits are the rows about what keeps within bounds.
func (m *Metrics) limits() []row {
	return []row{
		{&m.MadeSamples, Row{Name: "sluice_made_samples_total", Unit: "samples", Labels: []string{"hop"},
			Help: "Samples written by aggregates and overflow series, beside those that came in."}},
		{&m.BudgetSeries, Row{Name: "sluice_budget_series", Unit: "series", Labels: []string{"budget"},
			Help: "Live series that a budget has let in, over all its tasks, metrics or teams."}},
		{&m.BudgetKeys, Row{Name: "sluice_budget_keys", Unit: "1", Labels: []string{"budget"},
			Help: "Tasks, metrics or teams that have series in a budget."}},
		{&m.BudgetLimit, Row{Name: "sluice_budget_limit", Unit: "series", Labels: []string{"budget"},
			Help: "Live series that a budget lets each of its tasks, metrics or teams have in this instance."}},
		{&m.BudgetRefused, Row{Name: "sluice_budget_refused_total", Unit: "series", Labels: []string{"budget"},
			Help: "Times that a budget had no room for a series."}},
		{&m.DegradeStep, Row{Name: "sluice_degrade_step", Unit: "1",
			Help: "Step of degradation in force: 0 gives nothing up, 1 what has priority P3, 2 also P2, 3 also P1."}},
		{&m.DegradeMeasure, Row{Name: "sluice_degrade_measure", Unit: "1", Labels: []string{"measure"},
			Help: "Measures that degradation goes by: memory and cpu as shares, memory_bytes in bytes, lag in seconds."}},
		{&m.ShedSamples, Row{Name: "sluice_shed_samples_total", Unit: "samples", Labels: []string{"rule"},
			Help: "Samples given up under overload, by the rule that did."}},
	}
}

// policies are the rows about policy sets.
func (m *Metrics) policies() []row {
	return []row{
		{&m.PolicyInfo, Row{Name: "sluice_policy_info", Unit: "1", Labels: []string{"revision"},
			Help: "1 for the revision of the policy set that runs."}},
		{&m.PolicyLoads, Row{Name: "sluice_policy_loads_total", Unit: "loads", Labels: []string{"result"},
			Help: "Policy sets loaded, by whether they were applied, unchanged or refused."}},
		{&m.PolicyRefused, Row{Name: "sluice_policy_refused", Unit: "1",
			Help: "Whether the source of policies has a set that does not run, or cannot be read: 1; the set before goes on."}},
		{&m.PolicyFallback, Row{Name: "sluice_policy_fallback", Unit: "1",
			Help: "Whether the last good policy set runs in place of the one that the source has: 1."}},
		{&m.PolicyProbation, Row{Name: "sluice_policy_probation", Unit: "1",
			Help: "Whether the policy set in force has yet to show that it is good: 1."}},
		{&m.PolicySince, Row{Name: "sluice_policy_applied_timestamp_seconds", Unit: "seconds",
			Help: "Unix time at which the policy set in force was put in force."}},
		{&m.CanaryShare, Row{Name: "sluice_policy_canary_share", Unit: "1",
			Help: "Share of the tasks that a canary governs; 0 when none runs, or it governs partitions."}},
		{&m.CanarySamples, Row{Name: "sluice_policy_canary_samples_total", Unit: "samples", Labels: []string{"side", "disposition"},
			Help: "Samples since the canary was given what it governs, by who decided about them (canary or rest) and what became of them."}},
		{&m.ShadowSeries, Row{Name: "sluice_policy_shadow_series", Unit: "series", Labels: []string{"change"},
			Help: "Live series by what the shadow would change: nothing (unchanged), the verdict, the labels, the sinks, what comes out of a transform, or only the rule that decides."}},
		{&m.PolicyRollbacks, Row{Name: "sluice_policy_rollbacks_total", Unit: "rollbacks",
			Help: "Policy sets that left a bound of their probation and were replaced by the last good one."}},
		{&m.PolicyApplySeconds, Row{Name: "sluice_policy_apply_seconds", Unit: "seconds", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			Help: "Time from a policy set that is ready until every worker runs it."}},
	}
}

// Bounds says, for every label name that a row may use, what bounds the number
// of its values. A label that nothing bounds has no place here.
func Bounds() map[string]string {
	return map[string]string{
		"stream":      "streams of the policy set",
		"hop":         "one per stream and one per sink",
		"disposition": "the dispositions of the ledger",
		"rule":        "rules of the policy set",
		"reason":      "the reasons of the wire contract and of the cache",
		"path":        "fast and slow",
		"group":       "one per stream and one per sink",
		"topic":       "topics that the streams name",
		"partition":   "partitions of those topics",
		"state":       "the states of a partition worker",
		"revision":    "one at a time",
		"side":        "canary, rest",
		"change":      "unchanged, verdict, labels, sinks, transform, rule",
		"result":      "the outcomes of a load or a request",
		"sink":        "sinks of the policy set",
		"measure":     "the measures of degradation",
		"budget":      "budgets of the policy set",
		"plugin":      "plugins that the policy sets have used, of which 64 are remembered",
		"code":        "the codes of plugins",
		"counter":     "counters that the manifests of plugins list",
		"version":     "one per process, and one per plugin",
		"goversion":   "one per process",
	}
}
