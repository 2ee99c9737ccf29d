package plugins

import (
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Counts are what a plugin did since it was loaded; all but Memory and Instances
// only grow.
type Counts struct {
	Calls   uint64              // batches that it was called with
	In      uint64              // records of them
	Out     uint64              // records that came back, made ones included
	Dropped uint64              // records that it dropped
	Made    uint64              // records beside those that it was given
	Failed  map[abi.Code]uint64 // records that were not transformed, by reason; those of a failed batch count each time it was tried
	Errors  map[abi.Code]uint64 // batches that failed as a whole, by reason

	Seconds  []uint64 // calls that took up to SecondsBounds[i]; the last: longer
	Duration float64  // seconds of all calls
	Compile  float64  // seconds that loading took until it was compiled
	Cached   bool     // it was taken from the cache

	Fuel         uint64 // instructions, loops and calls weighed alike on every machine; 0: not metered
	Memory       int64  // bytes of all instances
	Instances    int64
	Replacements uint64 // instances given up after an error, or because they had grown

	Lines   uint64            // of log that were left out
	Metrics map[string]uint64 // the plugin's own, by name
}

// SecondsBounds returns the upper bounds of Counts.Seconds, in seconds.
func SecondsBounds() []float64 {
	return []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1}
}

// counters are Counts as they are kept.
type counters struct {
	calls, in, out, dropped, made, fuel, replacements, lines atomic.Uint64
	memory, instances, nanoseconds                           atomic.Int64
	failed, errors                                           [128]atomic.Uint64
	seconds                                                  [12]atomic.Uint64
	metrics                                                  []atomic.Uint64
}

// done counts a call that ended, however it did.
func (c *counters) done(records int, took time.Duration, fuel int64) {
	c.calls.Add(1)
	c.in.Add(uint64(records))
	c.fuel.Add(uint64(max(fuel, 0)))
	c.nanoseconds.Add(int64(took))
	at := 0
	for _, bound := range SecondsBounds() {
		if took.Seconds() <= bound {
			break
		}
		at++
	}
	c.seconds[at].Add(1)
}

// wrong counts a batch that failed as a whole.
func (c *counters) wrong(code abi.Code, records int) {
	c.errors[code&127].Add(1)
	c.failed[code&127].Add(uint64(records))
}

// Counts returns what the plugin did so far.
func (p *Plugin) Counts() Counts {
	c := p.counts
	out := Counts{
		Calls: c.calls.Load(), In: c.in.Load(), Out: c.out.Load(), Dropped: c.dropped.Load(), Made: c.made.Load(),
		Failed: byCode(&c.failed), Errors: byCode(&c.errors),
		Duration: time.Duration(c.nanoseconds.Load()).Seconds(), Compile: p.compileTime.Seconds(), Cached: p.cached,
		Fuel: c.fuel.Load(), Memory: c.memory.Load(), Instances: c.instances.Load(), Replacements: c.replacements.Load(),
		Lines: c.lines.Load(), Metrics: map[string]uint64{},
	}
	for i := range c.seconds {
		out.Seconds = append(out.Seconds, c.seconds[i].Load())
	}
	for i, name := range p.manifest.Metrics {
		out.Metrics[name] = c.metrics[i].Load()
	}
	return out
}

func byCode(list *[128]atomic.Uint64) map[abi.Code]uint64 {
	out := map[abi.Code]uint64{}
	for i := range list {
		if n := list[i].Load(); n > 0 {
			out[abi.Code(i)] = n
		}
	}
	return out
}

func newCounters(m abi.Manifest) *counters {
	return &counters{metrics: make([]atomic.Uint64, len(m.Metrics))}
}
