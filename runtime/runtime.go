package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/depot"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/lifecycle"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/scrape"
	"github.com/sluice-metrics/sluice/runtime/internal/self"
	"github.com/sluice-metrics/sluice/runtime/internal/store"
	"github.com/sluice-metrics/sluice/runtime/internal/transform"
)

// Options are what an instance needs beside its configuration.
type Options struct {
	Log     *slog.Logger
	Version string

	// Child is how to evaluate a policy set within bounds, see Loading.
	Child []string

	// Fleet, when set, has recorded Flink jobs report to this instance, many times over.
	Fleet *FleetOptions
}

// Runtime is one instance. Its methods may be called from any goroutine, before
// and while Run runs.
type Runtime struct {
	cfg      Config
	opts     Options
	log      *slog.Logger
	topology atomic.Pointer[loadedSet] // the set that streams and sinks were opened by
	rev      atomic.Pointer[revision]
	metrics  *self.Metrics

	loading   Loading
	from      policyOrigin
	policies  *standing
	chosen    atomic.Bool  // streams and sinks are opened by what is in topology
	reloading sync.Mutex   // one at a time
	waiting   atomic.Int64 // requests for a control document
	recording atomic.Int64 // requests for traffic
	trying    atomic.Int64 // evaluations of sets that are not to be put in force

	degradation *degradation
	rollouts    *rollouts
	overriding  overriding
	halts       halts       // of streams
	taps        engine.Taps // of streams
	tops        tops

	depot *depot.Depot // plugins

	name    string                 // in the fleet
	address atomic.Pointer[string] // of its API, when told
	audits  *auditQueue

	dictionary *dictionary
	budgets    *engine.Budgets // of all streams
	started    time.Time
	dir        string                        // of the data; set by Run
	kafka      kafka.Config                  // set by Run
	producer   *kafka.Sink                   // set by Run
	control    atomic.Pointer[kafka.Control] // set by Run

	streamRuns, sinkRuns hopRuns // which come and go
	sinkTail, catchUp    time.Duration

	mu          sync.RWMutex // guards what Run opens and others look at
	brokers     []string
	streams     []*hop
	sinks       []*hop
	store       *store.Store
	adapters    map[string]*adapter     // by sink
	books       map[string]*ledger.Book // by group
	storeCloses chan struct{}           // is closed when the store that was taken away is; nil: none was
	ended       bool
}

// New loads the policy set and returns an instance that is ready to run. It
// opens no connection and no file beside the set's and the last good one. The
// report tells what was found; without a runtime and an error, it refuses the set.
// A set that is refused, or cannot be read, is no obstacle where there is a last
// good one, which then runs.
func New(ctx context.Context, cfg Config, opts Options) (*Runtime, Report, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	r := &Runtime{
		cfg: cfg, opts: opts, log: opts.Log, started: time.Now(),
		loading: Loading{Child: opts.Child, Plugins: cfg.Plugins, cache: &policy.Cache{}, known: sync.OnceValues(loadCatalogue)},
		metrics: self.New(opts.Version), name: cfg.instanceName(), audits: newAuditQueue(), dictionary: newDictionary(), budgets: engine.NewBudgets(),
		adapters: map[string]*adapter{}, books: map[string]*ledger.Book{},
		streamRuns: hopRuns{what: "stream"}, sinkRuns: hopRuns{what: "sink"}, sinkTail: sinkTail, catchUp: catchUp,
	}
	r.depot = depot.New(pluginDir(cfg.DataDir), r.fleetLog, opts.Log)
	r.loading.plugins = transform.New(transform.Options{Get: r.depot.Get, Limits: limitsOf(cfg.Plugins), CacheDir: r.pluginCache(), Log: opts.Log})
	report, err := r.firstSet(ctx)
	if err != nil || r.opened() == nil {
		return nil, report, err
	}
	if err := r.opened().checkTopology(cfg); err != nil {
		return nil, report, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if len(cfg.Brokers) > 0 {
		if r.kafka, err = cfg.kafka(opts.Log); err != nil {
			return nil, report, err
		}
	}
	r.rollouts = newRollouts()
	r.degradation = newDegradation(newGauge(func() float64 { return r.worstLag(time.Now()) }).read)
	rev := newRevision(r.opened())
	r.rev.Store(rev)
	r.policies.begin(r.opened(), rev, measures{lag: math.NaN()})
	r.policies.switched(rev, nil)
	r.adopt(rev)
	r.instrument()
	return r, report, nil
}

// opened is the set that streams and sinks were opened by, or will be.
func (r *Runtime) opened() *loadedSet { return r.topology.Load() }

// stopTimeout bounds an orderly end: longer than a worker may take to drain.
const stopTimeout = 15 * time.Second

// Run runs the instance until ctx ends, which is no error, or until a part
// fails. It is called once.
func (r *Runtime) Run(ctx context.Context) error {
	remove, err := r.openDir()
	if err != nil {
		return err
	}
	parts := []lifecycle.Part{
		r.brokerPart(),
		{Name: "control topic", Run: r.runControl},
		{Name: "plugins", Run: r.keepPlugins},
		{Name: "newest policies", Run: r.startFromTopic},
		{Name: "audit", Run: r.writeAudit},
		{Name: "heartbeat", Run: r.heartbeat},
		{Name: "overrides", Run: r.followOverrides},
		{Name: "canary", Run: r.resumeCanary},
		{Name: "wiring", Run: r.wire},
	}
	if r.cfg.does(roleHop1) {
		parts = append(parts, lifecycle.Part{Name: "reporters", Run: r.tellReporters}, lifecycle.Part{Name: "short identifiers", Run: r.tellShortIDs}, lifecycle.Part{Name: "degradation", Run: r.degrade})
	}
	parts = append(parts, r.wanted()...)
	parts = append(parts,
		lifecycle.Part{Name: "policies", Run: r.follow},
		lifecycle.Part{Name: "probation", Run: r.probation},
		lifecycle.Part{Name: "rollout", Run: r.rollout})
	if r.cfg.AllowPush && r.cfg.Policies != sourceTopic {
		parts = append(parts, lifecycle.Part{Name: "pushed policies", Run: r.followPushes})
	}
	parts = append(parts,
		lifecycle.Part{Name: "announcement", Run: r.announce})
	if r.opts.Fleet != nil {
		parts = append(parts, lifecycle.Part{Name: "fleet", Run: r.runFleet})
	}
	err = lifecycle.Run(ctx, stopTimeout, parts...)
	r.policies.keep.endTrial()
	return errors.Join(err, remove())
}

// openDir makes the directory for data: the one configured, or one that is
// removed at the end.
func (r *Runtime) openDir() (remove func() error, err error) {
	if r.dir = r.cfg.DataDir; r.dir != "" {
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			return nil, fmt.Errorf("%w: dataDir: %w", ErrConfig, err)
		}
		return func() error { return nil }, nil
	}
	if r.dir, err = os.MkdirTemp("", "sluice-"); err != nil {
		return nil, fmt.Errorf("%w: no room for data: %w", ErrConfig, err)
	}
	if r.opts.Fleet == nil {
		r.log.Warn("no data directory is configured: what is stored is removed at the end", "directory", r.dir)
	}
	return func() error { return os.RemoveAll(r.dir) }, nil
}

// announce says once that the instance does what it is there for.
func (r *Runtime) announce(ctx context.Context, ready func()) error {
	ready()
	if r.AwaitReady(ctx) == nil {
		s := r.Status()
		r.log.Info("ready", "policies", s.Policies, "revision", s.Revision, "brokers", s.Brokers)
		<-ctx.Done()
	}
	return nil
}

// brokerPart is the broker inside the process, or a part that does nothing when
// brokers are configured.
func (r *Runtime) brokerPart() lifecycle.Part {
	return lifecycle.Part{Name: "broker", Run: func(ctx context.Context, ready func()) error {
		if len(r.cfg.Brokers) > 0 {
			r.setBrokers(r.cfg.Brokers)
			ready()
			<-ctx.Done()
			return nil
		}
		b, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{
			Dir: filepath.Join(r.dir, "broker"), Port: r.cfg.BrokerPort, Topics: r.opened().topics(r.partitions()), Log: r.log,
		})
		if err != nil {
			return err
		}
		r.kafka = b.Config()
		r.kafka.Log = r.log
		r.setBrokers([]string{b.Addr()})
		r.log.Info("embedded broker", "address", b.Addr())
		ready()
		<-ctx.Done()
		return b.Close()
	}}
}

// wire makes topics, producer, sinks and hops. It is ready when all of them can
// run, and closes what it has opened when the hops have ended.
func (r *Runtime) wire(ctx context.Context, ready func()) error {
	err := r.open(ctx)
	if err == nil {
		ready()
		<-ctx.Done()
	}
	return errors.Join(err, r.close())
}

func (r *Runtime) open(ctx context.Context) error {
	admin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := r.ensureTopics(ctx, admin, r.opened()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if r.producer, err = kafka.NewSink(r.kafka, kafka.ProducerOptions{}); err != nil {
		return err
	}
	c, err := r.openHops(&loadedSet{bundle: &policy.Bundle{}}, r.opened())
	if err != nil {
		r.discard(c)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams, r.sinks, r.adapters = c.streams, c.sinks, c.adapters
	for _, h := range slices.Concat(r.streams, r.sinks) {
		h.apply(r.rev.Load(), r.rollouts.canary.Load()) // it may be another one than when the hop was made
	}
	return nil
}

// wanted returns the parts that run the hops, the sinks before the streams that
// feed them. The hops themselves exist only once wire is ready.
func (r *Runtime) wanted() []lifecycle.Part {
	return []lifecycle.Part{
		{Name: "topics of sinks", Run: r.giveUpTopics},
		{Name: "sinks", Run: func(ctx context.Context, ready func()) error { return r.runHops(ctx, ready, &r.sinkRuns, &r.sinks) }},
		{Name: "streams", Run: func(ctx context.Context, ready func()) error {
			return r.runHops(ctx, ready, &r.streamRuns, &r.streams)
		}},
	}
}

func (r *Runtime) hops(of *[]*hop) []*hop {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(*of)
}

// ensureTopics makes the topics of a set that there are not, with as many partitions
// as the inputs have that there are.
func (r *Runtime) ensureTopics(ctx context.Context, admin *kafka.Admin, set *loadedSet) error {
	existing, err := admin.Topics(ctx)
	if err != nil {
		return err
	}
	partitions := r.partitions()
	for _, s := range set.streams() {
		for _, topic := range s.Topics {
			partitions = max(partitions, existing[topic])
		}
	}
	return admin.EnsureTopics(ctx, set.topics(partitions)...)
}

// close lets go of what open opened. The hops have ended.
func (r *Runtime) close() error {
	r.halts.stop()
	if r.producer != nil {
		r.producer.Close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, a := range r.adapters {
		a.close()
	}
	if r.store == nil {
		return nil
	}
	return r.store.Close()
}

func (r *Runtime) setBrokers(b []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.brokers = b
}

// Metrics serves Sluice's own metrics.
func (r *Runtime) Metrics() http.Handler { return r.metrics.Handler() }

// AcceptsGzip reports whether the headers Accept-Encoding of a request allow an answer
// in gzip.
func AcceptsGzip(headers []string) bool { return scrape.AcceptsGzip(headers) }

// ScrapePaths lists the paths that the set's sinks of type scrape want to be served at.
func (r *Runtime) ScrapePaths() []string {
	var paths []string
	for _, s := range r.opened().sinks() {
		if s.Type == "scrape" {
			paths = append(paths, cmp.Or(s.Path, defaultScrapePath))
		}
	}
	return slices.Sorted(slices.Values(paths))
}

// Scrape serves the business metrics of the sink with this path; nil: there is none.
// Sinks come and go with the policies.
func (r *Runtime) Scrape(path string) http.Handler {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, a := range r.adapters {
		if a.page != nil && a.path == path {
			return a.page.Handler()
		}
	}
	if !slices.Contains(r.ScrapePaths(), path) {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the sink is not open yet", http.StatusServiceUnavailable)
	})
}

// Ready returns nil when the instance does all it is there for, or what it waits for.
func (r *Runtime) Ready() error {
	r.mu.RLock()
	hops, ended := slices.Concat(r.streams, r.sinks), r.ended
	r.mu.RUnlock()
	switch {
	case ended:
		return errStopped
	case r.cfg.Policies == sourceTopic && !r.chosen.Load():
		return fmt.Errorf("%w: waits for the first policies to be pushed: sluice apply DIR", ErrNotReady)
	case len(hops) == 0:
		return fmt.Errorf("%w: waits for the broker", ErrNotReady)
	}
	for _, h := range hops {
		if why := h.waiting(); why != "" {
			return fmt.Errorf("%w: %s", ErrNotReady, why)
		}
	}
	return nil
}

// Status returns what the instance does.
func (r *Runtime) Status() Status {
	s := Status{
		Version: r.opts.Version, Revision: r.rev.Load().digest, Policies: r.cfg.Policies, Started: r.started,
		Embedded: len(r.cfg.Brokers) == 0, Streams: map[string]Hop{}, Sinks: map[string]Hop{},
	}
	if s.Policies == "" {
		s.Policies = defaultSet
	}
	s.Policy = r.PolicyStatus()
	if err := r.Ready(); err != nil {
		s.Waiting = err.Error()
	}
	s.Ready = s.Waiting == ""
	for _, h := range r.hops(&r.streams) {
		s.Streams[h.name] = r.streamStatus(h)
	}
	for _, h := range r.hops(&r.sinks) {
		s.Sinks[h.name] = h.status()
	}
	r.eachWriter(s.fault)
	s.Budgets = r.budgetStatus()
	if x := r.Rollout(); x.Canary != nil || x.Shadow != nil {
		s.Rollout = &x
	}
	s.Overrides = r.Overrides()
	s.Taps = r.taps.Count()
	if d := r.DegradeStatus(); len(d.Rules) > 0 || d.Hand != nil {
		s.Degrade = d
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	s.Brokers = r.brokers
	if r.store != nil {
		s.Store = storeStatus(r.store.Stats())
	}
	return s
}
