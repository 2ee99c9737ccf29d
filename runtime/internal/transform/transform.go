// Package transform puts plugins where the policies, the program and the engine ask
// for them: it finds modules, starts each once for all who use it with one config,
// and ends it when nobody does. It knows no rules beyond what a transform says of
// its plugin, and nothing of where modules are stored.
package transform

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Options say where plugins come from and what they may use.
type Options struct {
	// Get returns the module with a digest, "sha256:…"; nil: there is none but those
	// that come with a set. An error is for people.
	Get func(digest string) ([]byte, error)

	Limits   plugins.Limits // the most that a transform may let its plugin use; zero: the defaults. Memory is what the manifest asks for, or the default, within them
	CacheDir string         // of compiled modules; "": none
	Log      *slog.Logger   // what plugins say; nil: nobody listens
}

// Bounds of what is kept for the next who asks: plugins that nobody uses any more,
// so that a policy set that is rolled back finds its own still running.
const (
	maxIdle = 4
	linger  = 10 * time.Minute
)

// Plugins are the plugins that run. Safe for concurrent use.
type Plugins struct {
	opts Options

	mu      sync.Mutex
	closed  bool
	entries map[key]*entry
	idle    []*entry          // that nobody uses, the longest first
	modules map[string][]byte // by digest: those that came with the last sets
	retired map[Of]past
}

// key is what a running plugin is for.
type key struct {
	digest, config string
	limits         policy.TransformLimits
	writes         string // labels, with commas; "": those of the manifest
}

// entry is a running plugin.
type entry struct {
	key   key
	ready chan struct{} // closed when it runs, or does not
	err   error
	live  pool
	asked pool // for questions: apart from live traffic
	about program.Plugin
	tried tried

	users int         // guarded by Plugins.mu
	end   *time.Timer // while nobody uses it
}

// New returns a set of plugins of which none runs.
func New(o Options) *Plugins {
	return &Plugins{opts: o, entries: map[key]*entry{}, modules: map[string][]byte{}, retired: map[Of]past{}}
}

// Get returns a module by its digest: one that came with a set, or that is stored.
func (p *Plugins) Get(digest string) ([]byte, error) {
	p.mu.Lock()
	module := p.modules[digest]
	p.mu.Unlock()
	switch {
	case module != nil:
		return module, nil
	case p.opts.Get == nil:
		return nil, fmt.Errorf("there is no plugin with this digest here")
	}
	return p.opts.Get(digest)
}

// Inspect judges a module without running it.
func (p *Plugins) Inspect(module []byte) (policy.PluginInfo, error) {
	info, err := plugins.Inspect(module)
	return policy.PluginInfo{Digest: info.Digest, Manifest: info.Manifest}, err
}

// Offer makes the modules that come with a set known, in place of those that came
// with others and are not used.
func (p *Plugins) Offer(modules map[string][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.modules, func(digest string, _ []byte) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(p.entries)), func(k key) bool { return k.digest == digest })
	})
	maps.Copy(p.modules, modules)
}

var errClosed = errors.New("plugins have ended")

// Open returns the plugin of a rule. It runs for as long as what is returned can be
// reached, and a while longer; there is nothing to close.
func (p *Plugins) Open(rule *policy.Transform) (program.Transformer, error) {
	_, digest, ok := strings.Cut(rule.Plugin, "@")
	if !ok {
		return nil, fmt.Errorf("it is not named by its digest")
	}
	config, err := json.Marshal(rule.Config)
	if err != nil {
		return nil, fmt.Errorf("its config: %w", err)
	}
	if rule.Config == nil {
		config = []byte("{}")
	}
	e, err := p.join(key{digest, string(config), rule.Limits, strings.Join(rule.Writes, ",")})
	if err != nil {
		return nil, err
	}
	h := &handle{entry: e, all: p}
	runtime.AddCleanup(h, p.leave, e)
	return h, nil
}

// join returns a running plugin for one user more, which must leave.
func (p *Plugins) join(k key) (*entry, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	e, known := p.entries[k]
	if !known {
		e = &entry{key: k, ready: make(chan struct{})}
		p.entries[k] = e
	}
	p.wake(e)
	p.mu.Unlock()
	if !known {
		e.start(p)
	}
	<-e.ready
	if e.err != nil {
		p.leave(e)
		return nil, e.err
	}
	return e, nil
}

// wake counts a user. p.mu is held.
func (p *Plugins) wake(e *entry) {
	e.users++
	if e.end != nil {
		e.end.Stop()
		e.end = nil
	}
	p.idle = slices.DeleteFunc(p.idle, func(x *entry) bool { return x == e })
}

// leave counts a user less. With the last one the plugin is kept for a while.
func (p *Plugins) leave(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users--; e.users > 0 || p.closed {
		return
	}
	if e.err != nil {
		p.drop(e)
		return
	}
	e.end = time.AfterFunc(linger, func() { p.expire(e) })
	if p.idle = append(p.idle, e); len(p.idle) > maxIdle {
		p.drop(p.idle[0])
	}
}

// expire ends a plugin that nobody has used for long.
func (p *Plugins) expire(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users == 0 && p.entries[e.key] == e {
		p.drop(e)
	}
}

// drop ends a plugin. p.mu is held.
func (p *Plugins) drop(e *entry) {
	delete(p.entries, e.key)
	p.idle = slices.DeleteFunc(p.idle, func(x *entry) bool { return x == e })
	if e.end != nil {
		e.end.Stop()
	}
	if e.live.use != nil {
		p.retire(e)
		e.stop()
	}
}

// Close ends all plugins. Nothing may be on its way through one.
func (p *Plugins) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, e := range p.entries {
		p.drop(e)
	}
}

// start loads the module and tries it.
func (e *entry) start(p *Plugins) {
	defer close(e.ready)
	module, err := p.Get(e.key.digest)
	if err != nil {
		e.err = err
		return
	}
	info, err := plugins.Inspect(module)
	if err != nil {
		e.err = err
		return
	}
	o := plugins.Options{
		Limits: LimitsOf(&e.key.limits, &info.Manifest, p.opts.Limits), CacheDir: p.opts.CacheDir, Config: []byte(e.key.config),
	}
	if e.key.writes != "" {
		o.Writes = strings.Split(e.key.writes, ",")
	}
	p.listen(&o, &info.Manifest)
	loaded, err := plugins.Load(context.Background(), module, o)
	if err != nil {
		e.err = err
		return
	}
	e.live, e.asked = newPool(plugins.NewUse(loaded)), newPool(plugins.NewQuestions(loaded))
	e.about = describe(loaded)
}

// LimitsOf are the limits of a plugin in a rule: those that there are at most, and
// what the rule lowers.
func LimitsOf(rule *policy.TransformLimits, m *abi.Manifest, most plugins.Limits) plugins.Limits {
	most.Pages = pages(rule.Pages, m.Limits.Pages, most.Pages)
	if d, err := policy.ParseDuration(rule.Batch); err == nil && d > 0 {
		most.Batch = min(d, cmp.Or(most.Batch, plugins.DefaultLimits().Batch))
	}
	return most
}

// pages is how much memory a plugin gets: what its rule says, else its manifest, else
// the default, within the most that there is.
func pages(rule, asked, most int) int {
	d := plugins.DefaultLimits().Pages
	return min(cmp.Or(rule, asked, d), cmp.Or(most, d))
}

// listen has the log told what a plugin says, and what goes wrong around it.
func (p *Plugins) listen(o *plugins.Options, m *abi.Manifest) {
	if p.opts.Log == nil {
		return
	}
	log := p.opts.Log.With("plugin", m.Name, "version", m.Version)
	o.Log = func(level slog.Level, line string) {
		log.Log(context.Background(), level, "a plugin says", "line", line)
	}
	o.Trouble = func(what string, err error) { log.Warn(what, "error", err) }
}

func describe(loaded *plugins.Plugin) program.Plugin {
	m := loaded.Manifest()
	return program.Plugin{
		Name: m.Name, Version: m.Version, Digest: loaded.Digest(), Reads: m.Needs.Labels, Writes: m.Writes.Labels,
		Renames: m.Writes.Name, Drops: m.Writes.Drop, Values: m.Writes.Value, Emits: m.Writes.Emit,
	}
}

// stop ends the plugin.
func (e *entry) stop() {
	e.live.drain()
	e.asked.drain()
	_ = e.live.use.Plugin().Close(context.Background()) // frees memory; nothing could be done about a failure
}
