package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// switching has two policy sets put in force in turn while records come in, and
// reads what comes out.
type switching struct {
	r    instance
	sets [2]loadedSet // each says its number in the label "by", unless their series are the same

	published int64 // records, numbered by their value
	sent      chan int64
	seen      []uint8 // by number of the record
	delays    []delay
	mixed     int        // records that one revision decided and another signed
	control   bool       // nothing is applied
	resident  [2]float64 // MB, after a tenth of the applies and after all
	live      [2]float64 // MB of the heap, then
}

// delay is how long a record was on its way from the publisher to the processed topic.
type delay struct {
	at time.Time
	d  time.Duration
}

// newSwitching makes two sets that differ; with other series, too, unless they are the same.
func newSwitching(t testing.TB, same bool) *switching {
	set := func(by int) string {
		label, value := "by", by
		if same {
			label, value = "was", 0
		}
		return policySet(simpleSet + fmt.Sprintf(`
	rewrite: who: schema.#SetLabel & {description: "test %d", match: metrics: ["*"], label: "%s", value: "%d"}`, by, label, value))
	}
	cfg := testConfig(t, simpleSet)
	x := &switching{sent: make(chan int64, 1)}
	x.r = startInstance(t, cfg)
	for i := range x.sets {
		dir := writeSet(t, set(i))
		text, err := os.ReadFile(filepath.Join(dir, "policy.cue"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cfg.Policies, "policy.cue"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if x.sets[i], err = x.r.loadSource(t.Context()); err != nil || x.sets[i].report.Refused() {
			t.Fatal(err, x.sets[i].report.Findings)
		}
	}
	return x
}

// publish sends rate records a second until ctx ends; it then says how many.
func (x *switching) publish(ctx context.Context, t testing.TB, rate int) {
	p := publisher(t, x.r.Status().Brokers)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	n := int64(0)
	for began := time.Now(); ctx.Err() == nil; {
		for due := int64(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			task := "t-" + strconv.FormatInt(n%50, 10)
			line := flat(task, "m"+strconv.FormatInt(n/50%20, 10), "gauge", time.Now().UnixMilli(), strconv.FormatInt(n, 10))
			if err := p.Publish(t.Context(), "flink.native", []byte(task), []byte(line)); err != nil {
				t.Error(err)
				break
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	x.sent <- n
}

// read takes what comes out until it has every record that was sent.
func (x *switching) read(t testing.TB) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(x.r.Status().Brokers...), kgo.ConsumeTopics("sluice.processed"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableClientMetrics(), kgo.FetchMaxWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	revisions := map[string]string{}
	for i := range x.sets {
		revisions[strconv.Itoa(i)] = x.sets[i].bundle.Digest
	}
	total, got := int64(-1), int64(0)
	for total < 0 || got < total {
		poll, done := context.WithTimeout(ctx, 50*time.Millisecond) // how many there are may come after the last
		fetches := cl.PollFetches(poll)
		done()
		if err := fetches.Err(); err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			t.Fatalf("%d of %d records came out: %v", got, total, err)
		}
		now := time.Now()
		fetches.EachRecord(func(rec *kgo.Record) {
			if bytes.Contains(rec.Value, []byte(`"end":true`)) { // the series of the other set
				return
			}
			number, at, by := x.parse(t, rec.Value)
			for int64(len(x.seen)) <= number {
				x.seen = append(x.seen, 0)
			}
			if x.seen[number]++; x.seen[number] == 1 {
				got++
			}
			if number%8 == 0 { // enough to tell
				x.delays = append(x.delays, delay{now, now.Sub(time.UnixMilli(at))})
			}
			if want := revisions[by]; by != "" && want != header(rec, "sluice-rev") {
				x.mixed++
			}
		})
		if total < 0 {
			select {
			case total = <-x.sent:
				x.published = total
				defer time.AfterFunc(patience, cancel).Stop()
			default:
			}
		}
	}
}

// parse finds what matters in a record of one point, at a tenth of what a decoder costs.
func (x *switching) parse(t testing.TB, value []byte) (number, at int64, by string) {
	_, points, _ := bytes.Cut(value, []byte(`"points":`)) // the record has a "v" of its own
	after := func(in []byte, key string) []byte {
		_, rest, _ := bytes.Cut(in, []byte(key))
		return rest[:max(bytes.IndexAny(rest, `,"}`), 0)]
	}
	number, err := strconv.ParseInt(string(after(points, `"v":`)), 10, 64)
	if err == nil {
		at, err = strconv.ParseInt(string(after(value, `"report_timestamp":`)), 10, 64)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, value)
	}
	return number, at, string(after(value, `"by":"`))
}

// apply puts the sets in force in turn, one after every so much time, and says how long
// each took. A control lets the time pass.
func (x *switching) apply(t testing.TB, times int, every time.Duration) (took []time.Duration) {
	for i := range times {
		began := time.Now()
		if !x.control {
			x.change(t, i)
			took = append(took, time.Since(began))
		}
		if i == times/10 || i == times-1 {
			x.resident = [2]float64{x.resident[1], statusMB(t, "VmRSS:")}
			x.live = [2]float64{x.live[1], liveMB()}
		}
		select {
		case <-time.After(every - time.Since(began)):
		case <-t.Context().Done():
		}
	}
	return took
}

func (x *switching) change(t testing.TB, i int) {
	x.r.reloading.Lock()
	defer x.r.reloading.Unlock()
	if late := x.r.putInForce(t.Context(), &x.sets[i%2], nil); len(late) > 0 {
		t.Fatalf("apply %d: %v are late", i, late)
	}
}

// liveMB is what the last garbage collection found to be reachable.
func liveMB() float64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return float64(live[0].Value.Uint64()) / (1 << 20)
}

// exact proves that every record came out once, decided and signed by one revision.
func (x *switching) exact(t testing.TB) {
	lost, twice := 0, 0
	for n := range x.published {
		switch {
		case n >= int64(len(x.seen)) || x.seen[n] == 0:
			lost++
		case x.seen[n] > 1:
			twice++
		}
	}
	if lost+twice+x.mixed > 0 || int64(len(x.seen)) > x.published {
		t.Errorf("of %d records %d are lost, %d doubled, %d signed by another revision than decided", x.published, lost, twice, x.mixed)
	}
	balanced(t, x.r.Runtime)
}

// quantile of the delays between two times.
func (x *switching) quantile(q float64, from, to time.Time) time.Duration {
	var in []time.Duration
	for _, d := range x.delays {
		if d.at.After(from) && d.at.Before(to) {
			in = append(in, d.d)
		}
	}
	return quantileOf(in, q)
}

func quantileOf(in []time.Duration, q float64) time.Duration {
	if len(in) == 0 {
		return 0
	}
	slices.Sort(in)
	return in[min(int(float64(len(in))*q), len(in)-1)]
}

// run publishes throughout, quietly at first, and applies in the second part.
func (x *switching) run(t testing.TB, rate, applies int, every, quiet time.Duration) (took []time.Duration, began, switched, ended time.Time) {
	ctx, stop := context.WithCancel(t.Context())
	go x.publish(ctx, t, rate)
	read := make(chan struct{})
	go func() { defer close(read); x.read(t) }()
	began = time.Now()
	x.apply(t, 1, quiet)
	switched = time.Now()
	took = x.apply(t, applies, every)
	ended = time.Now()
	stop()
	<-read
	x.exact(t)
	return took, began, switched, ended
}

// Policies that change in quick succession lose nothing, double nothing, and leave
// no goroutine behind; each record is the work of one revision.
func TestAppliesUnderLoad(t *testing.T) {
	x := newSwitching(t, false)
	x.apply(t, 2, 0)
	before := goruntime.NumGoroutine()
	x.run(t, 2_000, 200, 10*time.Millisecond, 0)
	eventually(t, func() string {
		if n := goruntime.NumGoroutine(); n > before+100 { // of connections that come and go; 200 would be one an apply
			return fmt.Sprintf("%d goroutines, %d before", n, before)
		}
		return ""
	})
}

// A set that is replaced leaves nothing in memory.
func TestAppliesLeaveNothing(t *testing.T) {
	x := newSwitching(t, false)
	x.r.publish(t, "flink.native", flat("t-1", "a", "gauge", time.Now().UnixMilli(), "1"))
	x.r.settled(t, false, "native", 1)
	x.apply(t, 500, 0)
	before, goroutines := heapInUse(), goruntime.NumGoroutine()
	x.apply(t, 2_000, 0)
	eventually(t, func() string {
		heap, now := heapInUse(), goruntime.NumGoroutine()
		if heap > before+2<<20 || now > goroutines+20 { // 1 KiB each
			return fmt.Sprintf("%d KiB and %d goroutines, %d and %d before", heap>>10, now, before>>10, goroutines)
		}
		return ""
	})
}

// BenchmarkAppliesUnderLoad applies 1,000 times under 50,000 records a second. Delay is
// from the publisher to the processed topic; publisher, broker and reader share the
// process, and its memory holds the store's blocks and the reader's notes. What applies
// cost is the difference to the control, which has the same load for the same time; what
// of it is the store's, which keeps the end of every series that changed its name, the
// difference to applies that change none.
func BenchmarkAppliesUnderLoad(b *testing.B) {
	const applies = 1_000
	every := 30 * time.Millisecond
	for _, bb := range []struct {
		name          string
		same, control bool
	}{{"applies", false, false}, {"same-series", true, false}, {"control", true, true}} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				every = max(every, applyUnderLoad(b, bb.same, bb.control, applies, every)/applies) // on a busy machine the control takes as long
			}
		})
	}
}

func applyUnderLoad(b *testing.B, same, control bool, applies int, every time.Duration) time.Duration {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	debug.FreeOSMemory() // of the one before
	x := newSwitching(b, same)
	x.control = control
	x.seen, x.delays = make([]uint8, 0, 8_000_000), make([]delay, 0, 1_000_000)
	goroutines := goruntime.NumGoroutine()
	took, began, switched, ended := x.run(b, 50_000, applies, every, 10*time.Second)
	b.ReportMetric(float64(x.published), "records")
	b.ReportMetric(ended.Sub(switched).Seconds(), "seconds")
	b.ReportMetric(ms(quantileOf(took, .99)), "apply-p99-ms")
	b.ReportMetric(ms(x.quantile(.99, began.Add(2*time.Second), switched)), "quiet-p99-ms")
	b.ReportMetric(ms(x.quantile(.99, switched, ended)), "switching-p99-ms")
	b.ReportMetric(x.resident[0], "resident-first-MB")
	b.ReportMetric(x.resident[1], "resident-last-MB")
	b.ReportMetric(x.live[0], "live-first-MB")
	b.ReportMetric(x.live[1], "live-last-MB")
	b.ReportMetric(float64(goruntime.NumGoroutine()-goroutines), "goroutines")
	return ended.Sub(switched)
}
