package fleet

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// read gives the value of a metric at a place, now.
type read func(*at) record.Point

// collectors are the garbage collectors of a JVM, by the name of their group.
var collectors = []string{"G1_Young_Generation", "G1_Old_Generation", "All"}

// offer is a metric that jobs of the fleet have, under its full name.
type offer struct {
	catalogue.Entry
	scope, name string // with the groups of the metric in the scope, as reporters see it
	role        role   // of the operators that have it, 0: all
	perSplit    bool   // one for each partition that a source reads
	read        read
}

// offers lists what jobs of the fleet have of the entries, in their order, and
// behind it what their own code registers.
func offers(entries []catalogue.Entry) (out []offer) {
	for _, e := range slices.Concat(entries, userMetrics) {
		role, special := roles[e.Name]
		switch {
		case e.Origin == metric.Custom:
			role = custom
		case e.Needs != "" && !special:
			continue
		}
		named(e, func(name string, r read) {
			o := offer{Entry: e, scope: e.Scope, name: name, role: role, perSplit: strings.Contains(name, "topic.partition."), read: r}
			if i := strings.LastIndexByte(name, '.'); i >= 0 {
				o.scope, o.name = e.Scope+"."+name[:i], name[i+1:]
			}
			out = append(out, o)
		})
	}
	return out
}

// named gives the names that an entry stands for, and how each is read: none for
// a placeholder that nothing fills in.
func named(e catalogue.Entry, add func(name string, r read)) {
	prefix, rest, open := strings.Cut(e.Name, "<")
	if !open {
		add(e.Name, reading(e.Name, e))
		return
	}
	placeholder, suffix, _ := strings.Cut(rest, ">")
	switch {
	case placeholder == "collector":
		for _, c := range collectors {
			add(prefix+c+suffix, reading(prefix+c+suffix, e))
		}
	case placeholder == "input":
		for _, n := range []string{"1", "2"} {
			add(prefix+n+suffix, reading(prefix+n+suffix, e))
		}
	case placeholder == "name" && prefix == "KafkaProducer.":
		producer.readings(func(n string, r read) { add(prefix+n, r) })
	case placeholder == "name":
		consumer.readings(func(n string, r read) { add(prefix+n, r) })
	}
}

// reading returns how a metric is read: by its own entry in a table, found by the
// longest end of its name that the tables have, else by what it means.
func reading(name string, e catalogue.Entry) read {
	for {
		if f, ok := flows[strings.TrimSuffix(name, "PerSecond")]; ok {
			return flow(f)
		}
		if f, ok := levels[name]; ok {
			if e.Meaning == catalogue.Rate || e.Meaning == catalogue.Ratio {
				return decimal(f)
			}
			return whole(f)
		}
		if r, ok := others[name]; ok {
			return r
		}
		_, rest, more := strings.Cut(name, ".")
		if !more {
			return meant(e)
		}
		name = rest
	}
}

// meant gives a metric that no table has values fit for what it means.
func meant(e catalogue.Entry) read {
	switch e.Meaning {
	case catalogue.Count:
		return func(a *at) record.Point {
			return number(a.kind, math.Floor(a.running().Seconds()*float64(a.seed%100)/1000), 0)
		}
	case catalogue.Summary:
		return summary
	case catalogue.Flag:
		return flag(func(*at) bool { return false })
	case catalogue.Text:
		return text(func(*at) string { return "none" })
	case catalogue.Ratio:
		return decimal(func(a *at) float64 { return .5 + .4*a.wave() })
	case catalogue.Moment:
		return whole(func(a *at) float64 { return float64(a.job.now.Add(-time.Minute).UnixMilli()) })
	case catalogue.Rate:
		return decimal(func(a *at) float64 { return a.near(10) })
	}
	size := 10.0
	switch {
	case strings.HasPrefix(e.Unit, "bytes"):
		size = 4 << 20
	case strings.HasPrefix(e.Unit, "nanoseconds"):
		size = 3e6
	}
	return whole(func(a *at) float64 { return a.near(size) })
}

// number writes v as the kind asks: a meter has its rate beside it.
func number(kind metric.Kind, v, rate float64) record.Point {
	switch kind {
	case metric.Counter:
		return record.Point{Form: record.Count, Count: int64(v)}
	case metric.Meter:
		return record.Point{Form: record.Rate, Count: int64(v), Value: rate}
	}
	if v == math.MinInt64 { // exactly: it is a long, and means that there is no value yet
		return record.Point{Values: []byte(`"v":-9223372036854775808`)}
	}
	return record.Point{Form: record.Number, Value: v}
}

// flow counts share records per record that the job reads.
func flow(share func(*at) float64) read {
	return func(a *at) record.Point {
		s := share(a)
		return number(a.kind, math.Floor(s*a.job.attemptDone()), s*a.job.perMinute())
	}
}

func whole(f func(*at) float64) read {
	return func(a *at) record.Point { v := math.Round(f(a)); return number(a.kind, v, v) }
}

func decimal(f func(*at) float64) read {
	return func(a *at) record.Point { v := math.Round(f(a)*1e4) / 1e4; return number(a.kind, v, v) }
}

func text(f func(*at) string) read {
	return func(a *at) record.Point { return record.Point{Form: record.Text, Text: []byte(f(a))} }
}

func flag(f func(*at) bool) read {
	return func(a *at) record.Point {
		if f(a) {
			return record.Point{Values: []byte(`"b":true`)}
		}
		return record.Point{Values: []byte(`"b":false`)}
	}
}

// quantiles are those that Flink's reporters send, with how far each lies above
// the median in a long-tailed distribution.
var quantiles = []struct {
	q      string
	factor float64
}{{"0.5", 1}, {"0.75", 1.8}, {"0.95", 4}, {"0.98", 6}, {"0.99", 8}, {"0.999", 14}}

// summary reads a histogram of latencies over a window of 128 samples.
func summary(a *at) record.Point {
	median := math.Round(a.near(8))
	if a.job.lagging() {
		median *= 10
	}
	h := record.Hist{Window: 128, Min: math.Floor(median / 4), Max: 15 * median, Mean: math.Round(1.3 * median), Dev: math.Round(1.7 * median)}
	for _, q := range quantiles {
		h.Quantiles = append(h.Quantiles, record.Quantile{Q: []byte(q.q), Value: math.Round(q.factor * median)})
	}
	return record.Point{Form: record.Statistic, Count: int64(a.share() * a.job.attemptDone() / 100), Hist: h}
}
