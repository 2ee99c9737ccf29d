package fleet

import "math"

// clientMetrics are the metrics of a Kafka client, by how it forms their names.
type clientMetrics struct {
	rates   []clientRate // X-rate and X-total that follow the load
	events  []string     // X-rate and X-total of what hardly ever happens
	average []string     // X-avg and X-max
	unused  []string     // X-avg and X-max that are NaN because nothing was measured
	single  []string     // the name is complete
}

// clientRate is a rate and what one record adds to it.
type clientRate struct {
	name      string
	perRecord float64
}

// consumer and producer are what Flink forwards of its Kafka clients, all as gauges.
var consumer, producer = clientMetrics{
	rates: []clientRate{
		{"records-consumed", 1}, {"bytes-consumed", recordBytes}, {"fetch", .004}, {"incoming-byte", recordBytes * 1.05}, {"outgoing-byte", 3},
		{"request", .005}, {"response", .005}, {"network-io", .01}, {"select", .02}, {"heartbeat", .0005}, {"commit", .0001},
	},
	events:  []string{"join", "sync", "rebalance", "failed-rebalance", "connection-creation", "connection-close", "failed-authentication"},
	average: []string{"fetch-latency", "fetch-size", "fetch-throttle-time", "commit-latency", "request-size", "time-between-poll"},
	unused:  []string{"join-time", "sync-time", "rebalance-latency", "reauthentication-latency"},
	single: []string{
		"records-lag-max", "records-lead-min", "records-per-request-avg", "assigned-partitions", "connection-count", "io-ratio", "io-wait-ratio",
		"io-time-ns-avg", "io-wait-time-ns-avg", "poll-idle-ratio-avg", "last-poll-seconds-ago", "last-heartbeat-seconds-ago",
		"last-rebalance-seconds-ago", "heartbeat-response-time-max",
	},
}, clientMetrics{
	rates: []clientRate{
		{"record-send", 1}, {"outgoing-byte", recordBytes * 1.05}, {"incoming-byte", 1},
		{"request", .005}, {"response", .005}, {"network-io", .01}, {"select", .02},
	},
	events:  []string{"record-error", "record-retry", "batch-split", "buffer-exhausted", "connection-creation", "connection-close", "failed-authentication"},
	average: []string{"batch-size", "record-size", "request-size", "request-latency", "record-queue-time", "produce-throttle-time"},
	unused:  []string{"reauthentication-latency"},
	single: []string{
		"buffer-available-bytes", "buffer-total-bytes", "bufferpool-wait-ratio", "compression-rate-avg", "connection-count", "io-ratio", "io-wait-ratio",
		"io-time-ns-avg", "io-wait-time-ns-avg", "metadata-age", "records-per-request-avg", "requests-in-flight", "waiting-threads",
	},
}

// clientLevels are the single metrics with a value of their own.
var clientLevels = map[string]func(*at) float64{
	"records-lag-max":            func(a *at) float64 { return math.Round(a.share() * (a.job.backlog + a.near(12))) },
	"records-lead-min":           func(a *at) float64 { return math.Round(a.share() * a.job.load.done) },
	"assigned-partitions":        func(a *at) float64 { return float64(len(a.v.splitsOf(a.subtask))) },
	"connection-count":           func(*at) float64 { return 3 },
	"io-ratio":                   func(a *at) float64 { return .02 * a.job.use },
	"io-wait-ratio":              func(a *at) float64 { return 1 - .02*a.job.use },
	"poll-idle-ratio-avg":        func(a *at) float64 { return 1 - a.job.use },
	"last-poll-seconds-ago":      func(*at) float64 { return 0 },
	"last-rebalance-seconds-ago": func(*at) float64 { return -1 },
	"last-heartbeat-seconds-ago": func(a *at) float64 { return float64(a.job.now.Unix() % 3) },
	"buffer-available-bytes":     func(*at) float64 { return 32 << 20 },
	"buffer-total-bytes":         func(*at) float64 { return 32 << 20 },
	"bufferpool-wait-ratio":      func(*at) float64 { return 0 },
	"compression-rate-avg":       func(a *at) float64 { return .4 + .02*a.wave() },
	"waiting-threads":            func(*at) float64 { return 0 },
	"requests-in-flight":         func(a *at) float64 { return float64(a.job.now.Unix() % 2) },
}

// readings gives every metric of the client and how it is read.
func (c clientMetrics) readings(add func(name string, r read)) {
	for _, r := range c.rates {
		add(r.name+"-rate", decimal(func(a *at) float64 { return r.perRecord * a.share() * a.job.perMinute() }))
		add(r.name+"-total", whole(func(a *at) float64 { return math.Floor(r.perRecord * a.share() * a.job.attemptDone()) }))
	}
	for _, n := range c.events {
		add(n+"-rate", decimal(func(*at) float64 { return 0 }))
		add(n+"-total", whole(func(a *at) float64 { return float64(a.seed % 4) }))
	}
	for _, n := range c.average {
		add(n+"-avg", decimal(func(a *at) float64 { return a.near(20) }))
		add(n+"-max", decimal(func(a *at) float64 { return a.near(70) }))
	}
	for _, n := range c.unused {
		add(n+"-avg", decimal(nan))
		add(n+"-max", decimal(nan))
	}
	for _, n := range c.single {
		level, ok := clientLevels[n]
		if !ok {
			level = func(a *at) float64 { return a.near(10) }
		}
		add(n, decimal(level))
	}
}
