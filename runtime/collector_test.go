package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// sourceJob is a JobManager with one job that reads the topic orders; at is the
// offset of the last record that it read.
type sourceJob struct{ at atomic.Int64 }

func (s *sourceJob) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().UnixMilli()
	offset := fmt.Sprintf(`[{"id":"0.Source__orders.KafkaSourceReader.topic.orders.partition.0.currentOffset","value":"%d"}]`, s.at.Load())
	answer, ok := map[string]string{
		"/overview":                    `{"taskmanagers":1,"slots-total":2,"flink-version":"2.1.0"}`,
		"/taskmanagers":                `{"taskmanagers":[]}`,
		"/jobs/overview":               `{"jobs":[{"jid":"a1","name":"pay-t7","state":"RUNNING","start-time":1}]}`,
		"/jobs/a1":                     fmt.Sprintf(`{"jid":"a1","name":"pay-t7","state":"RUNNING","now":%d,"start-time":%d,"timestamps":{"RUNNING":%[2]d},"vertices":[{"id":"v1","name":"Source: orders","parallelism":1,"status":"RUNNING"}],"plan":{"nodes":[{"id":"v1"}]}}`, now, now-5000),
		"/jobs/a1/metrics":             `[{"id":"numRestarts","value":"3"}]`,
		"/jobs/a1/exceptions":          `{}`,
		"/jobs/a1/config":              `{"execution-config":{"user-config":{"tier":"gold"}}}`,
		"/jobs/a1/vertices/v1/metrics": offset,
	}[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
	}
	io.WriteString(w, answer)
}

func collectorOptions(flink string) CollectorOptions {
	return CollectorOptions{Flink: []string{flink}, Topic: "flink.custom", Every: time.Second, ClusterID: "session", JobNameRegex: "(t[0-9]+)$"}
}

// From a JobManager and brokers to series in the store of an instance.
func TestCollectorFeedsAnInstance(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, `
	stream: custom: {topics: ["flink.custom"]}
	sink: store: {type: "store", default: true}`))
	cfg := testConfig(t, simpleSet)
	cfg.Brokers = r.Status().Brokers
	conf, err := cfg.kafka(nil)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := kafka.NewAdmin(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.EnsureTopics(t.Context(), kafka.Topic{Name: "orders", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		r.publish(t, "orders", "x")
	}
	job := &sourceJob{}
	job.at.Store(9) // ten of them
	server := httptest.NewServer(job)
	defer server.Close()
	log := &logged{}
	o := collectorOptions(server.URL)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	c, err := NewCollector(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()

	has := func(expr, want string) {
		t.Helper()
		eventually(t, func() string {
			got := r.query(t, expr, time.Now())
			for _, v := range got {
				if v == want && len(got) == 1 {
					return ""
				}
			}
			return fmt.Sprintf("%s = %v, want %s; log: %s", expr, got, want, log)
		})
	}
	has(`flink_jobmanager_cluster_up{torrent_task_id="session"}`, "1")
	has(`flink_jobmanager_job_restarts{torrent_task_id="t7",job_name="pay-t7"}`, "3")
	has(`flink_jobmanager_job_state_info{torrent_task_id="t7",value="RUNNING"}`, "1")
	has(`flink_jobmanager_job_tags{torrent_task_id="t7",tag_tier="gold"}`, "1")
	has(`flink_kafka_source_topic_lag{torrent_task_id="t7",topic="orders"}`, "10")
	has(`flink_kafka_source_topic_recovery_seconds{torrent_task_id="t7",topic="orders"}`, "+Inf")
	job.at.Store(19)
	has(`flink_kafka_source_topic_lag{torrent_task_id="t7",topic="orders"}`, "0")
	has(`flink_kafka_source_topic_recovery_seconds{torrent_task_id="t7",topic="orders"}`, "0")

	server.Close()
	has(`flink_jobmanager_cluster_up{torrent_task_id="session"}`, "0")
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the collector ended with: %v", err)
	}
}

// Brokers that go away are said to be away; what they do not take before the end
// is counted in the error.
func TestCollectorWithoutBrokers(t *testing.T) {
	t.Parallel()
	broker, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{Topics: []kafka.Topic{{Name: "flink.custom", Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&sourceJob{})
	defer server.Close()
	cfg := testConfig(t, simpleSet)
	cfg.Brokers = broker.Config().Brokers
	log := &logged{}
	o := collectorOptions(server.URL)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	c, err := NewCollector(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	eventually(t, func() string {
		if strings.Contains(log.String(), "msg=collecting ") {
			return ""
		}
		return "the collector has not begun: " + log.String()
	})
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if strings.Contains(log.String(), "records wait for the brokers") {
			return ""
		}
		return "nobody says that records wait: " + log.String()
	})
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "records were not acknowledged") {
		t.Errorf("the collector ended with: %v", err)
	}
}

func TestCollectorOnce(t *testing.T) {
	t.Parallel()
	job := &sourceJob{}
	server := httptest.NewServer(job)
	defer server.Close()
	cfg := testConfig(t, simpleSet)
	c, err := NewCollector(cfg, collectorOptions(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out strings.Builder
	if err := c.Once(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	metrics := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var r struct{ Metric string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		metrics[r.Metric]++
	}
	for _, m := range []string{"up", "state", "restarts", "current_offset", "tags", "_report"} {
		if metrics[m] == 0 {
			t.Errorf("no %s in %v", m, metrics)
		}
	}
	if metrics["lag"] != 0 {
		t.Error("a lag without brokers")
	}

	server.Close()
	out.Reset()
	if err := c.Once(t.Context(), &out); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(out.String(), `"points":[{"v":0}]`) {
		t.Errorf("printed %s", &out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Once(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCollectorRefuses(t *testing.T) {
	t.Setenv("COLLECT_EMPTY", "")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		wrong func(*Config, *CollectorOptions)
		says  string
	}{
		{"nothing to do", func(_ *Config, o *CollectorOptions) { o.Flink = nil }, "nothing to collect"},
		{"too often", func(_ *Config, o *CollectorOptions) { o.Every = time.Millisecond }, "every: 1ms is less than a second"},
		{"no address", func(_ *Config, o *CollectorOptions) { o.Flink = []string{"jm:8081"} }, "flink:"},
		{"an address twice", func(_ *Config, o *CollectorOptions) { o.Flink = append(o.Flink, o.Flink[0]+"/") }, "is named twice"},
		{"an expression", func(_ *Config, o *CollectorOptions) { o.JobNameRegex = "(" }, "task-id-job-name-regex"},
		{"a token that is not there", func(_ *Config, o *CollectorOptions) { o.FlinkToken = "env://COLLECT_EMPTY" }, "flink-token"},
		{"a token in the clear", func(_ *Config, o *CollectorOptions) { o.FlinkToken = "s3cret" }, "flink-token: a secret is written as a reference"},
		{"certificates", func(_ *Config, o *CollectorOptions) { o.FlinkCA = file }, "holds no PEM certificate"},
		{"no certificates", func(_ *Config, o *CollectorOptions) { o.FlinkCA = file + "x" }, "flink-ca"},
		{"a process", func(_ *Config, o *CollectorOptions) { o.Host, o.PIDs = true, []string{"../1"} }, "pid:"},
		{"a directory", func(_ *Config, o *CollectorOptions) { o.Host, o.ProcRoot = true, file }, "proc-root"},
		{"another", func(_ *Config, o *CollectorOptions) { o.Host, o.CgroupRoot = true, file+"x" }, "cgroup-root"},
		{"brokers", func(_ *Config, o *CollectorOptions) { o.SourceBrokers = []string{"nonsense"} }, "brokers"},
		{"networks", func(c *Config, _ *CollectorOptions) { c.EgressAllow = []string{"x"} }, "egressAllow"},
	} {
		cfg, o := testConfig(t, simpleSet), collectorOptions("http://127.0.0.1:1")
		c.wrong(&cfg, &o)
		got, err := NewCollector(cfg, o)
		if got != nil || !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
	c, err := NewCollector(testConfig(t, simpleSet), collectorOptions("http://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Run(t.Context()); !errors.Is(err, ErrConfig) {
		t.Errorf("without brokers: %v", err)
	}
}

// An address that the operator wrote may be called, one that a name leads to may
// not, unless it is allowed.
func TestCollectorCallsWhatIsAllowed(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:8081": "[127.0.0.1/32]", "http://[::1]:8081": "[::1/128]", "http://[::ffff:10.0.0.1]:1": "[10.0.0.1/32]",
		"http://localhost:8081": "[127.0.0.0/8 ::1/128]", "http://jobmanager:8081": "[]", "://": "[]",
	} {
		if got := fmt.Sprint(namedAddress(address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestCollectorReadsTheHost(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, content := range map[string]string{
		"proc/loadavg": "1 2 3 4/5 6\n", "cgroup/cgroup.controllers": "cpu\n", "cgroup/cpu.max": "50000 100000\n", "cgroup/memory.events": "oom_kill 2\n",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := &logged{}
	c, err := NewCollector(testConfig(t, simpleSet), CollectorOptions{
		Host: true, Every: time.Second, ProcRoot: filepath.Join(root, "proc"), CgroupRoot: filepath.Join(root, "cgroup"), Dirs: []string{root},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out strings.Builder
	for range 2 {
		if err := c.Once(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{`"metric":"cpu.limit_cores"`, `"l":{"event":"oom_kill"},"c":2`, `"metric":"load"`, `"metric":"filesystem.size_bytes"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
	if n := strings.Count(log.String(), "file=cgroup/memory.current"); n != 1 {
		t.Errorf("a missing file is said %d times: %s", n, log)
	}
}

func TestCollectedMetrics(t *testing.T) {
	for _, m := range CollectedMetrics() {
		if m.Series == "flink_jobmanager_job_state_info" {
			return
		}
	}
	t.Error("the state of a job is not listed by the name of its series")
}
