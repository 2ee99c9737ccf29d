package transform

import (
	"cmp"
	"maps"
	"slices"

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

// Of names the plugin that counts are about.
type Of struct{ Name, Version, Digest string }

// Counted is what a plugin did since the process began, in all its uses.
type Counted struct {
	Of
	plugins.Counts
	Tried   Tried                // by transforms that only try it
	Breaker plugins.BreakerState // the worst of its uses
	Running bool
}

// Counts lists the plugins that run or ran.
func (p *Plugins) Counts() []Counted {
	p.mu.Lock()
	defer p.mu.Unlock()
	sums := map[Of]*Counted{}
	for of, c := range p.retired {
		sums[of] = &Counted{Of: of, Counts: add(plugins.Counts{}, c.Counts), Tried: c.tried}
	}
	for _, e := range p.entries {
		if e.live.use == nil {
			continue
		}
		of := e.of()
		sum := sums[of]
		if sum == nil {
			sum = &Counted{Of: of}
			sums[of] = sum
		}
		sum.Counts, sum.Tried = add(sum.Counts, e.live.use.Plugin().Counts()), sum.Tried.plus(e.tried.now())
		sum.Breaker, sum.Running = max(sum.Breaker, e.live.use.Breaker()), true
	}
	out := make([]Counted, 0, len(sums))
	for _, c := range sums {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Counted) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Digest, b.Digest))
	})
	return out
}

// ByVersion lists what Counts does, as one for each name and version: metrics do not
// tell two builds of one version apart.
func (p *Plugins) ByVersion() []Counted {
	var out []Counted
	for _, c := range p.Counts() {
		if n := len(out); n > 0 && out[n-1].Name == c.Name && out[n-1].Version == c.Version {
			last := &out[n-1]
			last.Counts, last.Tried = add(last.Counts, c.Counts), last.Tried.plus(c.Tried)
			last.Breaker, last.Running = max(last.Breaker, c.Breaker), last.Running || c.Running
			continue
		}
		out = append(out, c)
	}
	return out
}

func (e *entry) of() Of { return Of{e.about.Name, e.about.Version, e.about.Digest} }

// past is what a plugin did that has ended.
type past struct {
	plugins.Counts
	tried Tried
}

// maxRetired is of how many plugins that ended the counts are kept.
const maxRetired = 64

// retire keeps what a plugin did. p.mu is held.
func (p *Plugins) retire(e *entry) {
	of := e.of()
	if _, known := p.retired[of]; !known && len(p.retired) >= maxRetired {
		return
	}
	c := e.live.use.Plugin().Counts()
	c.Instances, c.Memory = 0, 0
	was := p.retired[of]
	p.retired[of] = past{add(was.Counts, c), was.tried.plus(e.tried.now())}
}
