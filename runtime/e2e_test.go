package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/replay"
)

// patience is how long a test waits for what must come. It only decides when a
// fault is reported.
const patience = 3 * time.Minute

// eventually waits until done says nothing more is missing.
func eventually(t testing.TB, missing func() string) {
	t.Helper()
	eventuallyWithin(t, patience, missing)
}

func eventuallyWithin(t testing.TB, limit time.Duration, missing func() string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// policySet is a set of one team in CUE.
func policySet(body string) string {
	return "package policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\npolicy: schema.#Policy & {\n\tteam: \"platform\"\n" + body + "\n}\n"
}

// simpleSet keeps everything and stores it.
const simpleSet = `
	stream: native: {topics: ["flink.native"]}
	sink: store: {type: "store", default: true}`

// writeSet puts a set into a directory of its own.
func writeSet(t testing.TB, set string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "policy.cue"), []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// testConfig is the configuration of an instance with this set and a broker of its own.
func testConfig(t testing.TB, body string) Config {
	t.Helper()
	cfg, found, err := LoadConfig(context.Background(), "")
	if err != nil {
		t.Fatal(err, found)
	}
	cfg.Policies, cfg.Partitions = writeSet(t, policySet(body)), 2
	cfg.Plugins.Batch = "10s" // which a machine under load keeps, too
	return cfg
}

// logged is a log that a test can look at.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// instance is one that runs until the test ends.
type instance struct {
	*Runtime
	log *logged
}

// startInstance returns when the instance is ready. At the end of the test it
// must stop without an error and with books that balance.
func startInstance(t testing.TB, cfg Config) instance {
	t.Helper()
	return startAdjusted(t, cfg, func(*Runtime) {})
}

// startAdjusted starts an instance after a test has had its hand in it.
func startAdjusted(t testing.TB, cfg Config, adjust func(*Runtime)) instance {
	t.Helper()
	out := &logged{}
	r, report, err := New(context.Background(), cfg, Options{Log: slog.New(slog.NewTextHandler(out, nil))})
	if err != nil || r == nil {
		t.Fatal(err, report.Findings)
	}
	adjust(r)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the instance ended with: %v", err)
		}
		balanced(t, r)
		if t.Failed() {
			t.Log(out)
		}
	})
	eventually(t, func() string {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the instance ended: %v\n%s", err, out)
		default:
		}
		return text(r.Ready())
	})
	return instance{r, out}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func balanced(t testing.TB, r *Runtime) {
	t.Helper()
	s := r.Status()
	for _, hops := range []map[string]Hop{s.Streams, s.Sinks} {
		for name, h := range hops {
			if h.Imbalance != 0 {
				t.Errorf("%s: imbalance %d: %+v", name, h.Imbalance, h)
			}
		}
	}
}

// publish writes records to a topic and returns when they are acknowledged.
func (r instance) publish(t *testing.T, topic string, values ...string) {
	t.Helper()
	p := publisher(t, r.Status().Brokers)
	for _, v := range values {
		if err := p.Publish(context.Background(), topic, replay.Key([]byte(v)), []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func publisher(t testing.TB, brokers []string) *kafka.Publisher {
	t.Helper()
	p, err := kafka.NewPublisher(kafka.Config{Brokers: brokers}, kafka.ProducerOptions{RecordBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// settled waits until a hop has read so many records and nothing is on its way.
func (r instance) settled(t *testing.T, sinks bool, name string, records uint64) Hop {
	t.Helper()
	var h Hop
	eventually(t, func() string {
		if h = r.Status().Streams[name]; sinks {
			h = r.Status().Sinks[name]
		}
		if h.Records >= records && h.Dispositions["in-flight"] == 0 {
			return ""
		}
		return fmt.Sprintf("%s: %d of %d records, %v, error %q\n%s", name, h.Records, records, h.Dispositions, h.Error, r.log)
	})
	return h
}

// query returns the values of an instant query by series, as JSON of its labels.
func (r instance) query(t *testing.T, expr string, at time.Time) map[string]string {
	t.Helper()
	s, err := r.Store()
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Query(context.Background(), expr, at, QueryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var vector struct {
		Result []struct {
			Metric json.RawMessage
			Value  [2]any
		}
	}
	if err := json.Unmarshal(body, &vector); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	got := map[string]string{}
	for _, s := range vector.Result {
		got[string(s.Metric)] = s.Value[1].(string)
	}
	return got
}

// stored waits until a query gives these values, and no others.
func (r instance) stored(t *testing.T, expr string, at time.Time, want map[string]string) {
	t.Helper()
	eventually(t, func() string {
		got := r.query(t, expr, at)
		if maps.Equal(got, want) {
			return ""
		}
		return fmt.Sprintf("%s is\n%s\nwant\n%s", expr, lines(got), lines(want))
	})
}

func lines(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s %s\n", k, m[k])
	}
	return b.String()
}

// everything reads a topic up to its present end.
func everything(t *testing.T, brokers []string, topic string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableClientMetrics(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	end := ends(t, cl, topic)
	var all []*kgo.Record
	at := map[int32]int64{}
	for behind(at, end) {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) {
			if r.Offset < end[r.Partition] {
				all = append(all, r)
			}
			at[r.Partition] = r.Offset + 1
		})
	}
	return all
}

func behind(at, end map[int32]int64) bool {
	for p, n := range end {
		if at[p] < n {
			return true
		}
	}
	return false
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// ends returns how many records each partition of a topic has been given.
func ends(t *testing.T, cl *kgo.Client, topic string) map[int32]int64 {
	t.Helper()
	listed, err := kadm.NewClient(cl).ListEndOffsets(context.Background(), topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out
}
