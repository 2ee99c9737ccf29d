package runtime

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/collector"
	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
	"github.com/sluice-metrics/sluice/runtime/internal/host"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/replay"
	"github.com/sluice-metrics/sluice/runtime/internal/secret"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// CollectorOptions say what a collector collects and how it names it.
type CollectorOptions struct {
	Flink      []string // addresses of JobManagers
	FlinkToken string   // reference to the bearer token they want; "" sends none
	FlinkCA    string   // file of the certificates to trust; "" means those of the system

	// SourceBrokers are those of the topics that Flink's sources read; without any,
	// the configured brokers are asked, and without those there is no lag.
	SourceBrokers []string

	Topic string        // to write to
	Every time.Duration // from one round to the next, at least a second

	TaskID       string // of everything; "" finds one per job
	JobNameRegex string // finds the task in a job's name
	ClusterID    string // task of what belongs to no job; "" means the name of this machine

	Host       bool     // read the machine and the container
	ProcRoot   string   // "" means /proc
	CgroupRoot string   // directory of one cgroup; "" means that of this process
	PIDs       []string // processes; none means this one
	Dirs       []string // directories whose file systems are measured

	Log *slog.Logger
}

// CollectedMetric is one thing that a collector may write.
type CollectedMetric struct {
	Series  string // name of the series in Prometheus
	Kind    metric.Kind
	Unit    string
	Meaning string
}

// CollectedMetrics lists everything that a collector may write.
func CollectedMetrics() (out []CollectedMetric) {
	for _, m := range collector.Metrics() {
		series := metric.SeriesName(m.Scope, m.Name)
		if m.Unit == collector.UnitText { // the text is the label value
			series += "_info"
		}
		out = append(out, CollectedMetric{series, m.Kind, m.Unit, m.Meaning})
	}
	return out
}

// Collector collects what Flink's reporters cannot report.
type Collector struct {
	cfg       Config
	opts      CollectorOptions
	log       *slog.Logger
	client    *http.Client
	offsets   *kafka.Admin // nil without brokers
	collector *collector.Collector
}

// NewCollector makes a collector without connecting to anything. Errors are
// ErrConfig and name the option.
func NewCollector(cfg Config, o CollectorOptions) (*Collector, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Collector{cfg: cfg, opts: o, log: o.Log}
	if err := c.open(); err != nil {
		c.Close()
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

func (c *Collector) open() error {
	o := &c.opts
	if o.Every < time.Second {
		return fmt.Errorf("every: %s is less than a second", o.Every)
	}
	if len(o.Flink) == 0 && !o.Host {
		return errors.New("there is nothing to collect: give the address of a JobManager, or do not leave out the host")
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name of this machine: %w", err)
	}
	if o.ClusterID == "" {
		o.ClusterID = name
	}
	rid := make([]byte, 6)
	rand.Read(rid) // never fails
	opts := collector.Options{
		HostName: name, RID: hex.EncodeToString(rid), Log: o.Log,
		Identity: collector.Identity{TaskID: o.TaskID, ClusterID: o.ClusterID},
	}
	if o.JobNameRegex != "" {
		if opts.Identity.JobName, err = regexp.Compile(o.JobNameRegex); err != nil {
			return fmt.Errorf("task-id-job-name-regex: %w", err)
		}
	}
	if opts.Clusters, err = c.clusters(); err != nil {
		return err
	}
	if c.offsets, err = c.openOffsets(); err != nil {
		return err
	}
	if c.offsets != nil {
		opts.Offsets = c.offsets
	}
	if o.Host {
		if opts.Host, err = c.openHost(); err != nil {
			return err
		}
	}
	c.collector = collector.New(opts)
	return nil
}

// callTimeout bounds a call to a JobManager, roundTimeout all calls of a round.
func (c *Collector) roundTimeout() time.Duration { return max(c.opts.Every, 5*time.Second) }
func (c *Collector) callTimeout() time.Duration  { return min(c.roundTimeout(), 10*time.Second) }

func (c *Collector) clusters() ([]*flinkrest.Client, error) {
	policy := egress.Policy{Timeout: c.callTimeout()}
	for _, p := range c.cfg.EgressAllow {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, fmt.Errorf("egressAllow: %w", err)
		}
		policy.Allow = append(policy.Allow, prefix)
	}
	for _, u := range c.opts.Flink {
		policy.Allow = append(policy.Allow, namedAddress(u)...)
	}
	if c.opts.FlinkCA != "" {
		pem, err := os.ReadFile(c.opts.FlinkCA)
		if err != nil {
			return nil, fmt.Errorf("flink-ca: %w", err)
		}
		policy.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		if !policy.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("flink-ca: %s holds no PEM certificate", c.opts.FlinkCA)
		}
	}
	c.client = egress.New(policy)
	var token func() (string, error)
	if ref := c.opts.FlinkToken; ref != "" {
		token = func() (string, error) { return secret.Resolve(ref) }
		if _, err := token(); err != nil {
			return nil, fmt.Errorf("flink-token: %w", err)
		}
	}
	var clients []*flinkrest.Client
	names := map[string]bool{}
	for _, u := range c.opts.Flink {
		client, err := flinkrest.New(flinkrest.Options{URL: u, HTTP: c.client, Token: token})
		if err != nil {
			return nil, fmt.Errorf("flink: %w", err)
		}
		if names[client.Name()] {
			return nil, fmt.Errorf("flink: %s is named twice", client.Name())
		}
		names[client.Name()] = true
		clients = append(clients, client)
	}
	return clients, nil
}

// namedAddress is the address that an operator wrote into a URL: to write it is
// to allow it. What a name resolves to is not allowed by the name.
func namedAddress(address string) []netip.Prefix {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	if u.Hostname() == "localhost" {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil
	}
	a = a.WithZone("").Unmap()
	return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
}

func (c *Collector) openOffsets() (*kafka.Admin, error) {
	cfg := c.cfg
	if len(c.opts.SourceBrokers) > 0 {
		cfg.Brokers = c.opts.SourceBrokers
	}
	if len(cfg.Brokers) == 0 {
		return nil, nil
	}
	conf, err := cfg.kafka(c.log)
	if err != nil {
		return nil, err
	}
	return kafka.NewAdmin(conf)
}

func (c *Collector) openHost() (*host.Reader, error) {
	o := host.Options{PIDs: c.opts.PIDs, Dirs: c.opts.Dirs, Space: host.MeasureSpace, Say: c.sayUnread}
	if len(o.PIDs) == 0 {
		o.PIDs = []string{"self"}
	}
	for _, pid := range o.PIDs {
		if n, err := strconv.Atoi(pid); pid != "self" && (err != nil || n < 1) {
			return nil, fmt.Errorf("pid: %q is no process: write a number", pid)
		}
	}
	for _, dir := range []struct{ option, path string }{{"proc-root", c.opts.ProcRoot}, {"cgroup-root", c.opts.CgroupRoot}} {
		if dir.path == "" {
			continue
		}
		if st, err := os.Stat(dir.path); err != nil || !st.IsDir() {
			return nil, fmt.Errorf("%s: %s is no directory", dir.option, dir.path)
		}
	}
	const procRoot, cgroupRoot = "/proc", "/sys/fs/cgroup"
	o.Proc = os.DirFS(cmp.Or(c.opts.ProcRoot, procRoot))
	if _, err := fs.Stat(o.Proc, "."); err != nil {
		c.sayUnread(procRoot, err)
		o.Proc = nil
	}
	if c.opts.CgroupRoot != "" {
		o.Cgroup = os.DirFS(c.opts.CgroupRoot)
		return host.New(o), nil
	}
	o.Cgroup = os.DirFS(cgroupRoot)
	if o.Proc != nil {
		own, err := fs.Sub(o.Cgroup, host.OwnCgroup(o.Proc, o.Cgroup))
		if err != nil {
			return nil, err
		}
		o.Cgroup = own
	}
	return host.New(o), nil
}

// sayUnread is called once per file: containers hide some, and kernels lack some.
func (c *Collector) sayUnread(path string, err error) {
	level := slog.LevelInfo
	if errors.Is(err, host.ErrCgroupV1) {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "not collected", "file", path, "reason", err)
}

// settling is how long a JobManager that nobody asked before takes to have the
// metrics of its task managers: it fetches them when it is asked.
const settling = 2 * time.Second

// Once collects and writes the records of one round, one JSON object a line; a
// JobManager is asked twice, so that it has something to say. The
// error is ErrUnreachable when a JobManager did not answer; what there is to
// write is written all the same.
func (c *Collector) Once(ctx context.Context, out io.Writer) error {
	w := bufio.NewWriter(out)
	records := c.round(ctx)
	if len(c.collector.Down()) < len(c.opts.Flink) {
		select {
		case <-ctx.Done():
		case <-time.After(settling):
			records = c.round(ctx)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, r := range records {
		_, _ = w.Write(r.Value) // Flush has the error
		_ = w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if down := c.collector.Down(); len(down) > 0 {
		return fmt.Errorf("%w: no JobManager answers at %s", ErrUnreachable, strings.Join(down, ", "))
	}
	return nil
}

func (c *Collector) round(ctx context.Context) []collector.Record {
	ctx, cancel := context.WithTimeout(ctx, c.roundTimeout())
	defer cancel()
	return c.collector.Round(ctx, time.Now())
}

// parting is how long the last records may take to be acknowledged.
const parting = 3 * time.Second

// Run collects and writes to the topic until ctx ends, which is no error. While
// the brokers do not answer, records wait in a buffer; when that is full, rounds
// wait too.
func (c *Collector) Run(ctx context.Context) error {
	conf, err := c.cfg.elsewhere()
	if err != nil {
		return err
	}
	to, err := replay.Open(ctx, conf, c.opts.Topic)
	if err != nil {
		return err
	}
	defer to.Close()
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(parting, stop) })()

	c.log.Info("collecting", "flink", c.opts.Flink, "host", c.opts.Host, "topic", c.opts.Topic, "every", c.opts.Every)
	waits := newThrottle(time.Minute)
	tick := time.NewTicker(c.opts.Every)
	defer tick.Stop()
	for {
		for _, r := range c.round(ctx) {
			if err := to.Publish(sending, c.opts.Topic, r.Key, r.Value); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			if err := to.Flush(sending); err != nil {
				s := to.Stats()
				return fmt.Errorf("%d records were not acknowledged: %w", s.Records-s.Acked, err)
			}
			return nil
		case <-tick.C:
		}
		if s := to.Stats(); s.Records > s.Acked && waits.pass(time.Now()) {
			c.log.Warn("records wait for the brokers", "records", s.Records-s.Acked)
		}
	}
}

// Close closes the connections that are left.
func (c *Collector) Close() {
	if c.offsets != nil {
		c.offsets.Close()
	}
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
}
