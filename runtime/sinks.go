package runtime

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
	"github.com/sluice-metrics/sluice/runtime/internal/scrape"
	"github.com/sluice-metrics/sluice/runtime/internal/secret"
	"github.com/sluice-metrics/sluice/runtime/internal/store"
	"github.com/sluice-metrics/sluice/runtime/internal/transform"
)

// adapter is what the hop of a sink writes samples to.
type adapter struct {
	samples engine.SampleSink
	path    string            // of page
	page    *scrape.Endpoint  // of a sink of type scrape
	writer  *remotewrite.Sink // of a sink of type remote-write
	client  *http.Client      // of writer
}

// openSink makes the adapter of a sink that takes samples, for streams of a set.
// Nobody else knows of it before it is among r.adapters.
func (r *Runtime) openSink(set *loadedSet, name string, s policy.Sink) (*adapter, error) {
	switch s.Type {
	case "store":
		db, err := r.openStore(s)
		return &adapter{samples: db}, err
	case "scrape":
		e := scrape.New(scrape.Options{Stale: duration(s.Stale)})
		return &adapter{samples: e, page: e, path: cmp.Or(s.Path, defaultScrapePath)}, nil
	case "remote-write":
		return r.openRemoteWrite(set, name, s)
	}
	return nil, fmt.Errorf("sink %s: type %s takes no samples", name, s.Type)
}

// close lets go of what an adapter keeps open. The hops that write to it have ended.
// The store is closed with the last set that has one.
func (a *adapter) close() {
	if a != nil && a.client != nil {
		a.client.CloseIdleConnections()
	}
}

const defaultScrapePath = "/metrics/tasks"

func storeOptions(s policy.Sink) store.Options {
	return store.Options{Retention: duration(s.Retention), OutOfOrder: duration(s.OutOfOrder)}
}

// openStore returns the store of this instance, which is opened once.
func (r *Runtime) openStore(s policy.Sink) (*store.Store, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.store != nil {
		return r.store, nil
	}
	opts := storeOptions(s)
	opts.Logger, opts.Help = quiet(r.log), r.help
	db, err := store.Open(filepath.Join(r.dir, "store"), opts)
	if err != nil {
		return nil, err
	}
	r.store = db
	return db, nil
}

// help describes a metric family for the query API, from the catalogue.
func (r *Runtime) help(family string) (text, unit string) {
	e, ok := r.opened().known.Lookup(family)
	if !ok {
		return "", ""
	}
	return fmt.Sprintf("Flink metric %s of scope %s, in %s", e.Name, e.Scope, cmp.Or(e.Unit, "no unit")), e.Unit
}

func (r *Runtime) openRemoteWrite(set *loadedSet, name string, s policy.Sink) (*adapter, error) {
	allow, err := r.cfg.egressAllow()
	if err != nil {
		return nil, err
	}
	timeout := duration(s.Timeout)
	client := egress.New(egress.Policy{Allow: allow, Timeout: timeout})
	o := remotewrite.Options{
		URL: s.URL, Protocol: remotewrite.Protocol(s.Protocol), Headers: s.Headers, Bearer: s.Bearer,
		Client: client, Timeout: timeout, Secret: secret.Resolve, Hold: set.anyStreamHolds(),
		Rejected: rejections(r.log, name),
	}
	if s.Basic != nil {
		o.User, o.Password = s.Basic.User, s.Basic.Password
	}
	sink, err := remotewrite.New(o)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", name, err)
	}
	return &adapter{samples: sink, writer: sink, client: client}, nil
}

// rejections logs what a receiver refuses, once in ten seconds at most: the
// counts are in the metrics.
func rejections(log *slog.Logger, sink string) func(remotewrite.Reason, int, string) {
	limit := newThrottle(10 * time.Second)
	return func(reason remotewrite.Reason, samples int, answer string) {
		if limit.pass(time.Now()) {
			log.Warn("the receiver refuses samples", "sink", sink, "reason", reason.String(), "samples", samples, "answer", answer)
		}
	}
}

// anyStreamHolds reports whether samples of a level that never sheds may reach a sink.
func (l *loadedSet) anyStreamHolds() bool {
	for _, s := range l.streams() {
		if holds(s.Level) {
			return true
		}
	}
	return false
}

// ParseDuration reads a duration as policies and PromQL write it: 500ms, 1h30m, 15d.
func ParseDuration(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	return time.Duration(d), err
}

// duration reads a duration that the policy set was checked for; "" is 0.
func duration(s string) time.Duration {
	if s == "" {
		return 0
	}
	d, err := ParseDuration(s)
	if err != nil {
		panic(fmt.Sprintf("duration %q passed the check of the policy set", s))
	}
	return d
}

// sinkHop is the second hop of a sink: a group of its own on the processed topics.
// One that takes the place of another reads on what that read.
func (r *Runtime) sinkHop(c *topologyChange, name string, s policy.Sink) (*hop, error) {
	opts := engine.Options{Takes: s.Takes(name), Letters: r.producer, LetterTopic: c.set.letterTopic()}
	if s.Type == "kafka" {
		opts.Records, opts.Topic = r.producer, s.Topic
	} else {
		opts.Samples, opts.Sink = r.adapter(c, name).samples, name
	}
	topics := c.set.processedTopics()
	for _, before := range r.hops(&r.sinks) {
		if before.name == name {
			topics = append(topics, before.source.Topics()...)
		}
	}
	slices.Sort(topics)
	return r.newHop(c.set, name, sinkGroup(name), slices.Compact(topics), opts, false)
}

// adapter is that of a sink under a change: opened for it, or the one that stays.
func (r *Runtime) adapter(c *topologyChange, name string) *adapter {
	if a := c.adapters[name]; a != nil {
		return a
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.adapters[name]
}

func sinkGroup(name string) string { return "sink." + name }

// streamHop is the first hop of a stream. A direct stream feeds the sinks itself.
func (r *Runtime) streamHop(c *topologyChange, name string, s policy.Stream) (*hop, error) {
	opts := engine.Options{
		Letters: r.producer, LetterTopic: s.DeadLetter, Learn: r.dictionary.learn,
		Hold: holds(s.Level), Budgets: r.budgets, Taps: &r.taps, Transforms: transform.Workers{},
	}
	if !s.Direct {
		opts.Records, opts.Topic = r.producer, s.Processed
		return r.newHop(c.set, name, streamGroup(name), s.Topics, opts, true)
	}
	var all engine.Fanout
	for sinkName, sink := range c.set.sinks() {
		all = append(all, engine.Branch{Name: sinkName, Sink: r.adapter(c, sinkName).samples, Takes: sink.Takes(sinkName)})
	}
	if opts.Samples = all; len(all) == 1 {
		opts.Samples, opts.Takes, opts.Sink = all[0].Sink, all[0].Takes, all[0].Name
	}
	return r.newHop(c.set, name, streamGroup(name), s.Topics, opts, true)
}

func streamGroup(name string) string { return "stream." + name }
