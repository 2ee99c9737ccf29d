package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
)

// EmbeddedOptions describe a broker inside the process. The zero value is one
// that keeps everything in memory.
type EmbeddedOptions struct {
	Dir    string  // of the data, made if missing, for this user only; "" keeps data in memory
	Port   int     // on 127.0.0.1; 0 means any free one
	Topics []Topic // made if missing

	Retention time.Duration // data that every group has read is kept this long; 0 means 15 min
	Unread    time.Duration // data that no member of any group waits for is kept this long; 0 means 24 h
	TrimEvery time.Duration // 0 means 1 min

	Virtual bool // in-process network instead of loopback, for tests in a synctest bubble
	Log     *slog.Logger
}

// Embedded is a Kafka broker inside the process: one node, on loopback, without
// users. What was acknowledged survives a kill of the process, not the loss of
// the machine's power; after a kill, a producer outside that retries may write a
// record twice. Transactions of several processes are not for it. With Dir it
// takes that directory for itself.
type Embedded struct {
	opts    EmbeddedOptions
	cluster *kfake.Cluster
	network *kfake.VirtualNetwork
	addr    string
	lock    *os.File
	log     *brokerLog

	adm  *kadm.Client
	stop context.CancelFunc
	done sync.WaitGroup

	trimming sync.Mutex
	marks    map[logID][]endMark // of the last Trim
	closed   bool
}

const (
	segmentBytes = 8 << 20 // freed as a whole, so this is also the least a partition takes
	compactEvery = 10 * time.Minute
	lockFile     = "LOCK"
	dataFolder   = "log"
	virtualPort  = 9092
)

// OpenEmbedded starts the broker and returns when it answers and has its topics.
// With a Dir that was used before, it goes on where that one ended, cleanly or
// not.
func OpenEmbedded(opts EmbeddedOptions) (*Embedded, error) {
	e := &Embedded{opts: opts.withDefaults(), log: &brokerLog{}}
	if err := e.start(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	trimming, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.done.Go(func() { e.trimForEver(trimming) })
	return e, nil
}

func (o EmbeddedOptions) withDefaults() EmbeddedOptions {
	if o.Retention <= 0 {
		o.Retention = 15 * time.Minute
	}
	if o.Unread <= 0 {
		o.Unread = 24 * time.Hour
	}
	if o.TrimEvery <= 0 {
		o.TrimEvery = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (e *Embedded) start() error {
	e.log.out = e.opts.Log
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("sluice-embedded"),
		kfake.WithLogger(e.log),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes":      strconv.Itoa(segmentBytes),
			"log.retention.ms":       "-1", // we trim ourselves; it would also bite compacted topics
			"log.cleaner.backoff.ms": strconv.FormatInt(compactEvery.Milliseconds(), 10),
		}),
	}
	if e.opts.Port != 0 {
		opts = append(opts, kfake.Ports(e.opts.Port))
	}
	listen := net.Listen
	if e.opts.Virtual {
		e.network = &kfake.VirtualNetwork{}
		listen = e.network.Listen
		opts = append(opts, kfake.Ports(virtualPort))
	}
	opts = append(opts, kfake.ListenFn(framed(listen)))
	if e.opts.Dir != "" {
		if err := e.takeDir(); err != nil {
			return fmt.Errorf("embedded broker: %w", err)
		}
		opts = append(opts, kfake.DataDir(filepath.Join(e.opts.Dir, dataFolder)))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	e.cluster, e.addr = cluster, cluster.ListenAddrs()[0]

	for _, t := range e.opts.Topics {
		if cluster.TopicInfo(t.Name) != nil {
			continue
		}
		if err := cluster.CreateTopic(t.Name, t.Partitions, t.Config); err != nil {
			return fmt.Errorf("embedded broker: creating topic %s: %w", t.Name, err)
		}
	}
	admin, err := NewAdmin(e.Config())
	if err != nil {
		return err
	}
	e.adm = admin.cl
	return nil
}

// takeDir makes sure that the directory is ours alone.
func (e *Embedded) takeDir() error {
	dir := e.opts.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); name != lockFile && name != dataFolder {
			return fmt.Errorf("%s is not the data directory of an embedded broker: it holds %q", dir, name)
		}
	}
	lock, err := lockExclusive(filepath.Join(dir, lockFile))
	if errors.Is(err, errLocked) {
		return fmt.Errorf("data directory %s is used by another process", dir)
	}
	if err != nil {
		return fmt.Errorf("locking data directory: %w", err)
	}
	e.lock = lock
	return os.Chmod(dir, 0o700)
}

// Config reaches this broker.
func (e *Embedded) Config() Config {
	c := Config{Brokers: []string{e.addr}, Log: e.opts.Log}
	if e.network != nil {
		c.dial = e.network.DialContext
	}
	return c
}

// Addr is the host:port of the broker, which is also what it advertises.
func (e *Embedded) Addr() string { return e.addr }

// Close stops the broker and, with Dir, leaves a state that opens fast. Clients
// should be closed before. It may be called twice.
func (e *Embedded) Close() error {
	if e.stop != nil {
		e.stop()
	}
	e.done.Wait()
	e.trimming.Lock()
	defer e.trimming.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	if e.adm != nil {
		e.adm.Close()
	}
	if e.cluster != nil {
		e.log.collect()
		e.cluster.Close()
	}
	err := e.log.collected()
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close()) // which also unlocks
	}
	if err != nil {
		return fmt.Errorf("closing embedded broker: %w", err)
	}
	return nil
}

// brokerLog passes the broker's log on. The broker tells only there that it could
// not save its state, so while it closes its errors are kept.
type brokerLog struct {
	out *slog.Logger

	mu         sync.Mutex
	collecting bool
	errs       []error
}

// Logf implements kfake.Logger.
func (l *brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.mu.Lock()
		defer l.mu.Unlock()
		err := fmt.Errorf(format, args...)
		if l.collecting {
			l.errs = append(l.errs, err)
			return
		}
		l.out.Warn("embedded broker", "error", err)
	case kfake.LogLevelWarn:
		l.out.Info(fmt.Sprintf("embedded broker: "+format, args...))
	}
}

func (l *brokerLog) collect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collecting = true
}

func (l *brokerLog) collected() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}
