package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// instanceVariable makes the test binary an instance with this configuration, as
// JSON, that runs until it is killed.
const instanceVariable = "SLUICE_TEST_INSTANCE"

func serveInstance(conf string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(conf), &cfg); err != nil {
		return err
	}
	r, report, err := New(context.Background(), cfg, Options{})
	if err != nil || r == nil {
		return fmt.Errorf("%w: %v", err, report.Findings)
	}
	return r.Run(context.Background())
}

// oracle publishes samples of which it knows identity and value.
type oracle struct {
	base      int64
	published map[string]string // value by identity
}

// run publishes until stop is closed. Only one that ended without an error has
// had all of its records acknowledged.
func (o *oracle) run(p *kafka.Publisher, stop <-chan struct{}) error {
	ctx := context.Background()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for seq := int64(0); ; seq++ {
		for series := range int64(20) {
			task, metric, value := fmt.Sprint("t-", series/4), fmt.Sprint("m", series%4), fmt.Sprint(float64(seq)*1.5+float64(series))
			line := flat(task, metric, "gauge", o.base+seq, value)
			if err := p.Publish(ctx, "flink.native", []byte(task), []byte(line)); err != nil {
				return err
			}
			o.published[identity(task, metric, o.base+seq)] = value
		}
		select {
		case <-stop:
			return p.Flush(ctx)
		case <-tick.C:
		}
	}
}

func identity(task, metric string, at int64) string { return fmt.Sprint(task, " ", metric, " ", at) }

// delivered proves that a topic has every sample of the oracle, with its value,
// and no other. It returns how many are there more than once.
func (o *oracle) delivered(t *testing.T, brokers []string, topic string) (twice int) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range everything(t, brokers, topic) {
		var x struct {
			Task   string `json:"torrent_task_id"`
			At     int64  `json:"report_timestamp"`
			Metric string
			Labels map[string]string
			Points []struct{ V float64 }
		}
		if err := json.Unmarshal(r.Value, &x); err != nil {
			t.Fatalf("%s: %v: %s", topic, err, r.Value)
		}
		if x.Task == "" {
			x.Task = x.Labels["torrent_task_id"]
		}
		for _, point := range x.Points {
			id := identity(x.Task, x.Metric, x.At)
			if want, got := o.published[id], fmt.Sprint(point.V); got != want {
				t.Fatalf("%s: %s is %s, want %q: %s", topic, id, got, want, r.Value)
			}
			if seen[id] {
				twice++
			}
			seen[id] = true
		}
	}
	if len(seen) != len(o.published) {
		t.Errorf("%s has %d of %d samples", topic, len(seen), len(o.published))
	}
	return twice
}

// samples returns every sample that a range selector finds in the store.
func (r instance) samples(t *testing.T, selector string, id func(labels map[string]string, at int64) string) map[string]string {
	t.Helper()
	s, err := r.Store()
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Query(context.Background(), selector, time.Now().Add(time.Minute), QueryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	var matrix struct {
		Result []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	body, err := json.Marshal(res)
	if err == nil {
		err = json.Unmarshal(body, &matrix)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range matrix.Result {
		for _, v := range s.Values {
			got[id(s.Metric, int64(v[0].(float64)*1000+0.5))] = v[1].(string)
		}
	}
	return got
}

// startKilled starts an instance in a process of its own.
func startKilled(t *testing.T, cfg Config) (kill func()) {
	t.Helper()
	conf, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), instanceVariable+"="+string(conf))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := false
	kill = func() {
		if !done {
			done = true
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // it was killed, which is an error
		}
	}
	t.Cleanup(kill)
	return kill
}

// publishOverKills publishes while killThrice goes on, and returns what was published.
func publishOverKills(t *testing.T, cfg Config, group string) *oracle {
	t.Helper()
	o := &oracle{base: time.Now().Add(-10 * time.Minute).UnixMilli(), published: map[string]string{}}
	stop, published := make(chan struct{}), make(chan error, 1)
	p := publisher(t, cfg.Brokers)
	go func() { published <- o.run(p, stop) }()
	killThrice(t, cfg, group, 1500)
	close(stop)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	return o
}

// killThrice kills an instance three times, each time when it has committed so many
// more records of a group.
func killThrice(t *testing.T, cfg Config, group string, records int64) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	committed := func() (n int64) {
		offsets, err := kadm.NewClient(cl).FetchOffsets(context.Background(), group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined yet
			t.Fatal(err)
		}
		offsets.Each(func(o kadm.OffsetResponse) { n += max(o.At, 0) })
		return n
	}
	for kills := range 3 {
		kill, before := startKilled(t, cfg), committed()
		eventually(t, func() string {
			if n := committed() - before; n < records {
				return fmt.Sprintf("the instance committed %d records after %d kills", n, kills)
			}
			return ""
		})
		kill()
	}
}

// An instance that is killed three times under load loses nothing that was
// acknowledged to its producers, and makes nothing up. At no-loss it may write
// samples twice.
func TestKillUnderLoad(t *testing.T) {
	b, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{Topics: []kafka.Topic{
		{Name: "flink.native", Partitions: 2}, {Name: "sluice.processed", Partitions: 2}, {Name: "archive", Partitions: 2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	cfg := testConfig(t, `
	stream: native: {topics: ["flink.native"], level: "no-loss"}
	sink: store: {type: "store", default: true}
	sink: archive: {type: "kafka", topic: "archive", default: true}`)
	cfg.Brokers, cfg.DataDir, cfg.InstanceID = []string{b.Addr()}, t.TempDir(), "one"

	o := publishOverKills(t, cfg, "sluice.sink.archive")

	began := time.Now()
	r := startInstance(t, cfg)
	stored := func(labels map[string]string, at int64) string {
		return identity(labels["torrent_task_id"], labels["__name__"], at)
	}
	var got map[string]string
	eventually(t, func() string {
		got = r.samples(t, `{__name__=~"m."}[1h]`, stored)
		s := r.Status()
		for _, hops := range []map[string]Hop{s.Streams, s.Sinks} {
			for name, h := range hops {
				for _, p := range h.Partitions {
					if p.Lag != 0 {
						return fmt.Sprintf("%s: %+v", name, p)
					}
				}
			}
		}
		if len(got) == len(o.published) {
			return ""
		}
		return "the store has " + strconv.Itoa(len(got)) + " of " + strconv.Itoa(len(o.published)) + " samples"
	})
	for id, want := range o.published {
		if got[id] != want {
			t.Fatalf("store: %s is %q, want %s", id, got[id], want)
		}
	}
	if s := r.Status().Store; s.Conflicts != 0 {
		t.Errorf("the store was given %d samples with another value", s.Conflicts)
	}
	processed, archived := o.delivered(t, cfg.Brokers, "sluice.processed"), o.delivered(t, cfg.Brokers, "archive")
	t.Logf("%d samples, 3 kills: %d twice in sluice.processed, %d in archive; caught up in %v",
		len(o.published), processed, archived, time.Since(began).Round(time.Millisecond))
}
