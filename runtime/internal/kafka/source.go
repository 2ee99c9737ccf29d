package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Worker is what a Source drives: one per partition, from one goroutine.
// engine.Worker is one.
type Worker interface {
	// Process handles messages and hands them on, not yet acknowledged. Without
	// messages it is called now and then, so that time passes for it. The slice
	// and the bytes in it are the worker's only until it returns. After an error
	// the worker is closed and a new one starts at the last acknowledged offset.
	Process(ctx context.Context, msgs []engine.Message) error

	// Flush returns when everything processed is acknowledged. An error is final
	// for this worker, as with Process.
	Flush(ctx context.Context) error

	// Drain is the last Flush of a worker whose partition is given up: what it holds
	// back goes out too.
	Drain(ctx context.Context) error

	// Acked is the offset that may be committed: everything before it is
	// acknowledged. -1 means nothing is.
	Acked() int64

	// Pending is the number of samples or records processed and not flushed.
	Pending() int

	// Close lets go of everything, without flushing.
	Close()
}

// Open makes the worker of a partition.
type Open func(engine.Partition) (Worker, error)

// SourceOptions describe one consumer group. The zero value of everything but
// Group and Topics is usable.
type SourceOptions struct {
	Group  string
	Topics []string

	FlushPending int           // flush a worker at this many pending; 0 means 20,000
	FlushEvery   time.Duration // flush a worker at the latest after this; 0 means 100 ms
	DrainTimeout time.Duration // most a partition may take to be given up; 0 means 10 s, at most 25 s

	FetchBytes     int32 // of one fetch, as decompressed; 0 means 4 MiB
	PartitionBytes int32 // of one fetch and partition; 0 means 1 MiB
	QueueBytes     int64 // queued for all workers together; 0 means 8 MiB
	BatchBytes     int   // most one batch may decompress to, else it is a gap; 0 means 64 MiB

	OnGap func(Gap) // is told of every gap, from the partition's goroutine; may be nil

	session time.Duration // of the group; tests have no time to wait for sessionTimeout
}

// The group's clocks. A static member that restarts within sessionTimeout keeps
// its partitions; a dead one is missed for no longer than that.
const (
	sessionTimeout = 10 * time.Second // heartbeats ten times as often, rebalances three times as long
	longestDrain   = 25 * time.Second // leaves a rebalance time to commit
	commitEvery    = time.Second
	lagEvery       = 5 * time.Second

	// fetchWait bounds how long a broker sits on a fetch. A partition that is
	// resumed joins the next fetch, so this is also what resuming costs at worst.
	fetchWait = 500 * time.Millisecond

	rangePatience = 20 * fetchWait // with a question for the range of a log
)

// Source consumes topics as a member of a consumer group and drives one worker
// per partition assigned to it. See Run.
type Source struct {
	opts   SourceOptions
	config Config
	client []kgo.Opt
	open   Open

	cl    *kgo.Client
	adm   *kadm.Client
	ctx   context.Context // of the workers: outlives the context of Run until they have drained
	wg    sync.WaitGroup  // goroutines of partitions
	ratio ratio           // of decompressed to fetched bytes

	mu        sync.Mutex
	parts     map[topicPartition]*partition
	tasks     []func()           // to run in the poll loop, where no rebalance can happen
	interrupt context.CancelFunc // of the poll that waits
	gaps      []Gap              // the latest ones
	lost      int64              // records in all gaps
	gapCount  int
	joined    time.Time // first assignment, which may be an empty one
	failed    error     // of the group, until it works again
	commitErr error
	halt      State // StatePaused, StateDraining or StateDrained: nothing is fetched; "": it is
	quits     bool  // see Quit
}

type topicPartition struct {
	topic string
	id    int32
}

// NewSource checks options and configuration without connecting. Errors are
// *ConfigError.
func NewSource(config Config, opts SourceOptions) (*Source, error) {
	base, err := config.options()
	opts = opts.withDefaults()
	if err := errors.Join(err, opts.validate()); err != nil {
		return nil, err
	}
	s := &Source{opts: opts, config: config, parts: map[topicPartition]*partition{}}
	s.ratio.used = firstRatio
	s.client = append(base,
		kgo.ConsumerGroup(opts.Group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(opts.session),
		kgo.HeartbeatInterval(opts.session/10),
		kgo.RebalanceTimeout(3*opts.session),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(opts.FetchBytes/firstRatio),
		kgo.FetchMaxPartitionBytes(opts.PartitionBytes/firstRatio),
		kgo.MaxDecompressBatchBytes(opts.BatchBytes),
		kgo.BlockRebalanceOnPoll(),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commitEvery),
		kgo.AutoCommitCallback(s.committed),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.lostAll),
		kgo.AdjustFetchOffsetsFn(s.starting),
		kgo.WithHooks(&s.ratio),
		kgo.WithPools(&pool{}),
	)
	if config.InstanceID != "" {
		s.client = append(s.client, kgo.InstanceID(config.InstanceID))
	}
	return s, nil
}

func (o SourceOptions) withDefaults() SourceOptions {
	if o.FlushPending <= 0 {
		o.FlushPending = 20_000
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 100 * time.Millisecond
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = 10 * time.Second
	}
	if o.FetchBytes <= 0 {
		o.FetchBytes = 4 << 20
	}
	if o.PartitionBytes <= 0 {
		o.PartitionBytes = 1 << 20
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 8 << 20
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 64 << 20
	}
	if o.session <= 0 {
		o.session = sessionTimeout
	}
	return o
}

func (o SourceOptions) validate() error {
	var errs []error
	if o.Group == "" {
		errs = append(errs, wrong("group", "missing"))
	}
	if len(o.Topics) == 0 {
		errs = append(errs, wrong("topics", "at least one is needed"))
	}
	if o.DrainTimeout > longestDrain {
		errs = append(errs, wrong("drain-timeout", "%v is longer than %v, after which the group would go on without this member",
			o.DrainTimeout, longestDrain))
	}
	return errors.Join(errs...)
}

// Run joins the group and consumes until ctx ends, which is no error, or until a
// fault that only an operator can mend: no rights, another member with the same
// InstanceID. It is called once. For each partition assigned, open is called and
// the worker is handed its records in offset order from one goroutine; when the
// partition is given up, what was processed is flushed, the acknowledged offset is
// committed and the worker closed, all within DrainTimeout, else without commit,
// so that the next owner reads again what was not acknowledged. Every worker is
// closed when Run returns.
func (s *Source) Run(ctx context.Context, open Open) error {
	s.open = open
	workers, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	s.ctx = workers
	if err := s.connect(); err != nil {
		return err
	}

	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.watchEnds(watching) })

	err := s.poll(ctx)

	stop()
	watch.Wait()
	s.leave(ctx)
	kill()
	s.wg.Wait()
	return err
}

// Wake has every worker called soon, with an empty batch where there are no
// records, so that it takes up what has changed around it. It does not wait.
func (s *Source) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		select {
		case p.woken <- struct{}{}:
		default: // asked for already
		}
	}
}

// Add has the group consume more topics, also while it runs; those that it consumes
// already are left as they are. Their partitions come with the next rebalance.
func (s *Source) Add(topics ...string) {
	s.mu.Lock()
	known := s.opts.Topics
	for _, topic := range topics {
		if !slices.Contains(s.opts.Topics, topic) {
			s.opts.Topics = append(slices.Clip(s.opts.Topics), topic)
		}
	}
	added, cl := s.opts.Topics[len(known):], s.cl
	if cl != nil && s.halt != "" {
		cl.PauseFetchTopics(added...)
	}
	s.mu.Unlock()
	if cl != nil { // which may be calling back: not under the lock
		cl.AddConsumeTopics(added...)
	}
}

// Remove has the group consume topics no longer, also while it runs. Their partitions
// are given up with the next rebalance, as when another member takes them.
func (s *Source) Remove(topics ...string) {
	s.mu.Lock()
	s.opts.Topics = slices.DeleteFunc(slices.Clone(s.opts.Topics), func(topic string) bool { return slices.Contains(topics, topic) })
	cl := s.cl
	s.mu.Unlock()
	if cl == nil {
		return
	}
	s.post(func() {
		now := s.Topics()
		gone := slices.DeleteFunc(slices.Clone(topics), func(topic string) bool { return slices.Contains(now, topic) })
		cl.ResumeFetchTopics(gone...) // the client would remember that they are paused
		cl.PurgeTopicsFromConsuming(gone...)
	})
}

// Topics returns what it consumes.
func (s *Source) Topics() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.Topics
}

// connect makes the client. It calls back from then on; every callback takes the
// lock first and so finds the client in its place.
func (s *Source) connect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cl, err := kgo.NewClient(append(s.client, kgo.ConsumeTopics(s.opts.Topics...))...)
	if err != nil {
		return fmt.Errorf("consumer group %s: %w", s.opts.Group, err)
	}
	s.cl, s.adm = cl, kadm.NewClient(cl)
	if s.halt != "" {
		cl.PauseFetchTopics(s.opts.Topics...)
	}
	return nil
}

// Quit has Run leave the group for good when it ends. Without it a static member keeps
// its partitions for sessionTimeout, so that a restart costs the group nothing.
func (s *Source) Quit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quits = true
}

// leave gives up every partition through the revoke callback and closes the
// client, in bounded time also when no broker answers.
func (s *Source) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.DrainTimeout+2*time.Second)
	defer cancel()
	s.cl.AllowRebalance()
	if err := s.cl.LeaveGroupContext(ctx); err != nil {
		s.config.logger().Info("leaving the consumer group", "group", s.opts.Group, "error", err)
	}
	s.quit(ctx)
	s.cl.Close()
	s.cl.AllowRebalance() // Close polls, which would hold up for ever what the leaving above still does
}

// quit has the group forget this member at once, where it is a static one that does not
// come back.
func (s *Source) quit(ctx context.Context) {
	s.mu.Lock()
	quits := s.quits && s.config.InstanceID != ""
	s.mu.Unlock()
	if !quits {
		return
	}
	left, err := s.adm.LeaveGroup(ctx, kadm.LeaveGroup(s.opts.Group).InstanceIDs(s.config.InstanceID))
	if err == nil {
		err = left.Error()
	}
	if err != nil && !errors.Is(err, kerr.UnknownMemberID) {
		s.config.logger().Info("leaving the consumer group for good", "group", s.opts.Group, "error", err)
	}
}

// fatal reports whether the client would go on for ever without a chance.
func fatal(err error) bool {
	for _, e := range []error{
		kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.FencedInstanceID,
		kerr.InvalidGroupID, kerr.InconsistentGroupProtocol, kerr.InvalidSessionTimeout,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
