package runtime

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/depot"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/transform"
)

// PluginBounds are the most that a transform may let its plugin use; zero is what
// plugins can have by themselves.
type PluginBounds = policy.PluginBounds

// mostOfPlugins completes such bounds.
func mostOfPlugins(b PluginBounds) (policy.PluginLimits, error) {
	d := plugins.DefaultLimits()
	most, err := b.Limits()
	if err != nil {
		return most, fmt.Errorf("%w: plugins: %w", ErrConfig, err)
	}
	return policy.PluginLimits{Pages: cmp.Or(most.Pages, d.Pages), Batch: cmp.Or(most.Batch, d.Batch)}, nil
}

// limitsOf are bounds as plugins have them. Those that are wrong, loading a set says.
func limitsOf(b PluginBounds) plugins.Limits {
	most, err := mostOfPlugins(b)
	if err != nil {
		return plugins.Limits{}
	}
	return plugins.Limits{Pages: most.Pages, Batch: most.Batch}
}

// keptPlugins runs the plugins that a data directory has.
func keptPlugins(dataDir string, most PluginBounds, log *slog.Logger) *transform.Plugins {
	kept := depot.New(pluginDir(dataDir), func() control.Log { return nil }, log)
	return transform.New(transform.Options{Get: kept.Get, Limits: limitsOf(most), Log: log})
}

// RunningPlugin is a plugin that the policies have run since the instance started,
// and what it did in all its uses.
type RunningPlugin struct {
	explain.PluginView
	Running      bool                 `json:"running"`            // false: no policies in force have it
	Breaker      string               `json:"breaker"`            // closed: it is called; open, half-open: it fails and rests
	Calls        uint64               `json:"calls"`              // batches
	In           uint64               `json:"in"`                 // records of them
	Out          uint64               `json:"out"`                // records that came back, made ones among them
	Dropped      uint64               `json:"dropped"`            // records that it dropped
	Made         uint64               `json:"made"`               // records that it made
	Failed       map[string]uint64    `json:"failed,omitempty"`   // records that it did not transform, by code
	Seconds      float64              `json:"seconds"`            // of all calls
	Fuel         uint64               `json:"fuel"`               // of all calls
	Memory       int64                `json:"memory"`             // bytes of its instances
	Instances    int64                `json:"instances"`          // of which some are spare
	Replacements uint64               `json:"replacements"`       // instances that were given up
	Counters     map[string]uint64    `json:"counters,omitempty"` // its own, by name
	Tried        *explain.TriedPlugin `json:"tried,omitempty"`    // by transforms that only try it
}

// triedBy returns nil for a plugin that was not tried.
func triedBy(t transform.Tried) *explain.TriedPlugin {
	if t == (transform.Tried{}) {
		return nil
	}
	return &explain.TriedPlugin{Samples: t.Rows, Changed: t.Changed, Dropped: t.Dropped, Failed: t.Failed, Made: t.Made}
}

// triedHere returns what was found out about a plugin that is tried; nil: nothing yet.
func (r *Runtime) triedHere(digest string) *explain.TriedPlugin {
	for _, c := range r.loading.plugins.Counts() {
		if c.Digest == digest {
			return triedBy(c.Tried)
		}
	}
	return nil
}

// Plugins lists the plugins that the policies run or ran, by name and version.
func (r *Runtime) Plugins() []RunningPlugin {
	out := []RunningPlugin{}
	for _, c := range r.loading.plugins.Counts() {
		out = append(out, RunningPlugin{
			PluginView: explain.PluginView{Name: c.Name, Version: c.Version, Digest: c.Digest}, Running: c.Running, Breaker: c.Breaker.String(),
			Calls: c.Calls, In: c.In, Out: c.Out, Dropped: c.Dropped, Made: c.Made, Failed: failedBy(&c.Counts),
			Seconds: c.Duration, Fuel: c.Fuel, Memory: c.Memory, Instances: c.Instances, Replacements: c.Replacements, Counters: c.Metrics,
			Tried: triedBy(c.Tried),
		})
	}
	return out
}

func failedBy(c *plugins.Counts) map[string]uint64 {
	out := map[string]uint64{}
	for code, n := range c.Failed {
		out[code.String()] = n
	}
	return out
}

// instrumentPlugins feeds the metrics of plugins. Those of one version that were
// built twice are one to them.
func (r *Runtime) instrumentPlugins() {
	m := r.metrics
	each := func(f func(c *transform.Counted)) {
		for _, c := range r.loading.plugins.ByVersion() {
			f(&c)
		}
	}
	number := func(of func(c *transform.Counted) uint64) func(func(uint64, ...string)) {
		return func(emit func(uint64, ...string)) {
			each(func(c *transform.Counted) { emit(of(c), c.Name, c.Version) })
		}
	}
	gauge := func(of func(c *transform.Counted) float64) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			each(func(c *transform.Counted) { emit(of(c), c.Name, c.Version) })
		}
	}
	m.PluginCalls.Collect(number(func(c *transform.Counted) uint64 { return c.Calls }))
	m.PluginFuel.Collect(number(func(c *transform.Counted) uint64 { return c.Fuel }))
	m.PluginReplaced.Collect(number(func(c *transform.Counted) uint64 { return c.Replacements }))
	m.PluginMemory.Collect(gauge(func(c *transform.Counted) float64 { return float64(c.Memory) }))
	m.PluginInstances.Collect(gauge(func(c *transform.Counted) float64 { return float64(c.Instances) }))
	m.PluginBreaker.Collect(gauge(func(c *transform.Counted) float64 {
		return map[plugins.BreakerState]float64{plugins.BreakerOpen: 1, plugins.BreakerHalfOpen: 0.5}[c.Breaker]
	}))
	m.PluginRecords.Collect(func(emit func(uint64, ...string)) {
		each(func(c *transform.Counted) {
			emit(c.In, c.Name, c.Version, "in")
			emit(c.Out, c.Name, c.Version, "out")
			emit(c.Dropped, c.Name, c.Version, "dropped")
			emit(c.Made, c.Name, c.Version, "made")
		})
	})
	m.PluginTried.Collect(func(emit func(uint64, ...string)) {
		each(func(c *transform.Counted) { emitTried(c, emit) })
	})
	m.PluginFailed.Collect(func(emit func(uint64, ...string)) {
		each(func(c *transform.Counted) {
			for code, n := range c.Failed {
				emit(n, c.Name, c.Version, code.String())
			}
		})
	})
	m.PluginCounts.Collect(func(emit func(uint64, ...string)) {
		each(func(c *transform.Counted) {
			for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
				emit(c.Metrics[name], c.Name, c.Version, name)
			}
		})
	})
	m.PluginSeconds.Collect(func(emit func(count uint64, below func(time.Duration) uint64, sum float64, labels ...string)) {
		each(func(c *transform.Counted) { emit(c.Calls, below(c.Seconds), c.Duration, c.Name, c.Version) })
	})
}

// emitTried gives what a plugin would have done, by result.
func emitTried(c *transform.Counted, emit func(uint64, ...string)) {
	if t := c.Tried; t.Rows > 0 {
		emit(t.Rows-min(t.Rows, t.Changed+t.Dropped+t.Failed), c.Name, c.Version, "unchanged")
		emit(t.Changed, c.Name, c.Version, "changed")
		emit(t.Dropped, c.Name, c.Version, "dropped")
		emit(t.Failed, c.Name, c.Version, "failed")
		emit(t.Made, c.Name, c.Version, "made")
	}
}

// below returns how many calls took at most a time that is one of the bounds.
func below(counts []uint64) func(time.Duration) uint64 {
	return func(d time.Duration) (n uint64) {
		for i, bound := range plugins.SecondsBounds() {
			if bound > d.Seconds() || i >= len(counts) {
				break
			}
			n += counts[i]
		}
		return n
	}
}
