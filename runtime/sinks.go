package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/common/model"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
	"github.com/sluice-metrics/sluice/runtime/internal/scrape"
	"github.com/sluice-metrics/sluice/runtime/internal/secret"
	"github.com/sluice-metrics/sluice/runtime/internal/store"
)

// openSink makes the adapter of a sink that takes samples.
func (r *Runtime) openSink(name string, s policy.Sink) (engine.SampleSink, error) {
	switch s.Type {
	case "store":
		return r.openStore(s)
	case "scrape":
		e := scrape.New(scrape.Options{Stale: duration(s.Stale)})
		r.mu.Lock()
		defer r.mu.Unlock()
		path := cmp.Or(s.Path, defaultScrapePath)
		if r.scrapes[path] != nil {
			return nil, fmt.Errorf("two sinks of type scrape have the path %s", path)
		}
		r.scrapes[path] = e
		return e, nil
	case "remote-write":
		return r.openRemoteWrite(name, s)
	}
	return nil, fmt.Errorf("sink %s: type %s takes no samples", name, s.Type)
}

const defaultScrapePath = "/metrics/tasks"

func (r *Runtime) openStore(s policy.Sink) (engine.SampleSink, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.store != nil {
		return nil, errors.New("a set may have one sink of type store")
	}
	db, err := store.Open(filepath.Join(r.dir, "store"), store.Options{
		Retention: duration(s.Retention), OutOfOrder: duration(s.OutOfOrder), Logger: quiet(r.log), Help: r.help,
	})
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

func (r *Runtime) openRemoteWrite(name string, s policy.Sink) (engine.SampleSink, error) {
	allow, err := r.cfg.egressAllow()
	if err != nil {
		return nil, err
	}
	timeout := duration(s.Timeout)
	o := remotewrite.Options{
		URL: s.URL, Protocol: remotewrite.Protocol(s.Protocol), Headers: s.Headers, Bearer: s.Bearer,
		Client:  egress.New(egress.Policy{Allow: allow, Timeout: timeout}),
		Timeout: timeout, Secret: secret.Resolve, Hold: r.anyStreamHolds(),
		Rejected: rejections(r.log, name),
	}
	if s.Basic != nil {
		o.User, o.Password = s.Basic.User, s.Basic.Password
	}
	sink, err := remotewrite.New(o)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writers[name] = sink
	return sink, nil
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
func (r *Runtime) anyStreamHolds() bool {
	for _, s := range r.opened().streams() {
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
func (r *Runtime) sinkHop(name string, s policy.Sink) (*hop, error) {
	opts := engine.Options{Takes: takes(name, s), Letters: r.producer, LetterTopic: r.opened().letterTopic()}
	if s.Type == "kafka" {
		opts.Records, opts.Topic = r.producer, s.Topic
	} else {
		sink, err := r.openSink(name, s)
		if err != nil {
			return nil, err
		}
		opts.Samples, opts.Sink = sink, name
	}
	return r.newHop(name, "sink."+name, r.opened().processedTopics(), opts, false)
}

// streamHop is the first hop of a stream. A direct stream feeds the sinks itself.
func (r *Runtime) streamHop(name string, s policy.Stream) (*hop, error) {
	opts := engine.Options{
		Letters: r.producer, LetterTopic: s.DeadLetter, Learn: r.dictionary.learn,
		Hold: holds(s.Level), Budgets: r.budgets, Taps: &r.taps,
	}
	if !s.Direct {
		opts.Records, opts.Topic = r.producer, s.Processed
		return r.newHop(name, "stream."+name, s.Topics, opts, true)
	}
	var all engine.Fanout
	for sinkName, sink := range r.opened().sinks() {
		to, err := r.openSink(sinkName, sink)
		if err != nil {
			return nil, err
		}
		all = append(all, engine.Branch{Name: sinkName, Sink: to, Takes: takes(sinkName, sink)})
	}
	if opts.Samples = all; len(all) == 1 {
		opts.Samples, opts.Takes, opts.Sink = all[0].Sink, all[0].Takes, all[0].Name
	}
	return r.newHop(name, "stream."+name, s.Topics, opts, true)
}
