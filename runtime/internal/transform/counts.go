package transform

import (
	"maps"

	"github.com/sluice-metrics/sluice/plugins"
)

// add sums counts of one plugin.
func add(a, b plugins.Counts) plugins.Counts {
	a.Calls, a.In, a.Out, a.Dropped, a.Made = a.Calls+b.Calls, a.In+b.In, a.Out+b.Out, a.Dropped+b.Dropped, a.Made+b.Made
	a.Failed, a.Errors, a.Metrics = sum(a.Failed, b.Failed), sum(a.Errors, b.Errors), sum(a.Metrics, b.Metrics)
	seconds := make([]uint64, max(len(a.Seconds), len(b.Seconds)))
	copy(seconds, a.Seconds)
	for i, n := range b.Seconds {
		seconds[i] += n
	}
	a.Seconds = seconds
	a.Duration, a.Compile, a.Cached = a.Duration+b.Duration, a.Compile+b.Compile, a.Cached || b.Cached
	a.Fuel, a.Memory, a.Instances, a.Replacements = a.Fuel+b.Fuel, a.Memory+b.Memory, a.Instances+b.Instances, a.Replacements+b.Replacements
	a.Lines += b.Lines
	return a
}

func sum[K comparable](a, b map[K]uint64) map[K]uint64 {
	out := maps.Clone(a)
	if out == nil {
		out = map[K]uint64{}
	}
	for k, n := range b {
		out[k] += n
	}
	return out
}
