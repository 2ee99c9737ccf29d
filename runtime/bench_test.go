package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// benchRecords is the size of the load: 15 reports of 200,000 series.
const benchRecords = 3_000_000

// BenchmarkDirect measures the whole program in direct mode, Kafka group →
// verdicts → remote write, against a client that only consumes the same records,
// by CPU time of this process; broker and receiver are another process. Rates
// depend on the machine, the ratio hardly.
func BenchmarkDirect(b *testing.B) {
	p := startPeer(b, benchRecords)
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(1)) // one core each: an idle one would mark for the collector
	round := 0
	for b.Loop() {
		round++
		raw := consumeRaw(b, p, fmt.Sprint("raw-", round))
		forgetPeak(b)
		direct, samples := consumeDirect(b, p, fmt.Sprint("direct-", round))
		b.ReportMetric(raw.Seconds()/benchRecords*1e6, "raw-cpu-s/M")
		b.ReportMetric(direct.Seconds()/benchRecords*1e6, "direct-cpu-s/M")
		b.ReportMetric(direct.Seconds()/raw.Seconds(), "ratio")
		b.ReportMetric(float64(samples)/benchRecords, "samples/record")
		b.ReportMetric(peakMB(b), "peak-MB")
	}
}

// consumeRaw reads all records as a member of a group and does nothing else.
func consumeRaw(b *testing.B, p peer, group string) time.Duration {
	b.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.Broker), kgo.ConsumerGroup(group), kgo.ConsumeTopics(peerTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	began, n := time.Duration(0), 0
	for n < benchRecords {
		fetches := cl.PollFetches(context.Background())
		if n == 0 {
			began = cpuTime(b)
		}
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		n += fetches.NumRecords()
	}
	return cpuTime(b) - began
}

// consumeDirect runs an instance until it has governed and delivered all records.
func consumeDirect(b *testing.B, p peer, group string) (cpu time.Duration, samples int64) {
	b.Helper()
	before := received(b, p)
	dir := b.TempDir()
	set := directSet(p.Sink + "/write")
	if err := os.WriteFile(filepath.Join(dir, "policy.cue"), []byte(set), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, _, err := LoadConfig(context.Background(), "")
	if err != nil {
		b.Fatal(err)
	}
	cfg.Brokers, cfg.Policies, cfg.Group, cfg.EgressAllow = []string{p.Broker}, dir, group, []string{"127.0.0.0/8"}
	cfg.CacheBytes = "1GiB"
	r, report, err := New(context.Background(), cfg, Options{})
	if err != nil || r == nil {
		b.Fatal(err, report.Findings)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	began := cpuTime(b)
	go func() { ended <- r.Run(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for done := false; !done; {
		<-tick.C
		t := Total(r.Status().Streams)
		done = t.Records == benchRecords && t.Dispositions["in-flight"] == 0
	}
	cpu = cpuTime(b) - began
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	samples = received(b, p) - before
	if total := Total(r.Status().Streams); samples != total.Dispositions["out"] || total.Imbalance != 0 {
		b.Fatalf("the receiver got %d samples, the ledger says %d, imbalance %d", samples, total.Dispositions["out"], total.Imbalance)
	}
	return cpu, samples
}

// directSet is the policy of the load in CUE.
func directSet(url string) string {
	var s strings.Builder
	fmt.Fprintf(&s, `package policies
import "github.com/sluice-metrics/sluice/schema"
policy: schema.#Policy & {
	team: "platform"
	stream: load: {topics: [%q], level: "none", direct: true}
	sink: receiver: {type: "remote-write", url: %q, default: true}
	rewrite: {
		"drop-ids": schema.#DropLabels & {match: metrics: ["*"], labels: ["tm_id", "task_id", "operator_id", "task_attempt_num"]}
		"operator": schema.#RenameLabel & {match: metrics: ["*"], from: "operator_name", to: "operator"}
		"name":     schema.#ShortID & {match: metrics: ["*"], label: "task_name", longer: 20}
	}
`, peerTopic, url)
	for name, rule := range testkit.Policy(10).Control {
		fmt.Fprintf(&s, "\tcontrol: %q: schema.#Drop & {match: metrics: [%q], reason: \"noise\"}\n", name, rule.Match.Metrics[0])
	}
	return s.String() + "}\n"
}

func received(b *testing.B, p peer) int64 {
	b.Helper()
	resp, err := http.Get(p.Sink + "/count")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseInt(string(body), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// forgetPeak makes peakMB begin anew (proc_pid_clear_refs(5)).
func forgetPeak(b *testing.B) {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// peakMB is the most memory this process has had resident.
func peakMB(b *testing.B) float64 {
	b.Helper()
	return statusMB(b, "VmHWM:")
}

// statusMB is a figure of this process in kB that the system knows, 0 where it does not say.
func statusMB(t testing.TB, name string) float64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	} else if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), name)
	var kb float64
	if _, err := fmt.Sscan(after, &kb); err != nil {
		t.Fatal(err)
	}
	return kb / 1024
}
