package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
)

// givesUp is a ladder: noise goes first, then all but what is vital.
const givesUp = `
	control: vital: schema.#Keep & {tier: "guard", match: metrics: ["vital"]}
	degrade: noise: schema.#Degrade & {match: metrics: ["noise"], priority: "P3", action: "drop", when: lag: "1s", accept: "loss"}
	degrade: rest:  schema.#Degrade & {match: metrics: ["*"], priority: "P2", action: "drop", when: lag: "2s", accept: "loss"}`

// slowSink is a receiver of remote write that answers when it is let.
type slowSink struct {
	gate chan struct{} // closed: it answers
	mu   sync.Mutex
}

func (s *slowSink) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = make(chan struct{})
}

func (s *slowSink) goOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.gate)
}

func (s *slowSink) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		gate := s.gate
		s.mu.Unlock()
		select {
		case <-gate:
			next.ServeHTTP(w, req)
		case <-req.Context().Done():
		}
	})
}

// startFast starts an instance whose ladder lives a hundred times as fast.
func startFast(t *testing.T, cfg Config) instance {
	t.Helper()
	began := time.Now()
	return startAdjusted(t, cfg, func(r *Runtime) {
		r.degradation.every = 10 * time.Millisecond
		r.degradation.now = func() time.Time { return began.Add(100 * time.Since(began)) }
	})
}

func (r instance) step(t *testing.T, want string) {
	t.Helper()
	eventually(t, func() string {
		if s := r.DegradeStatus(); s.Step != want {
			return fmt.Sprintf("step %s, want %s: %+v", s.Step, want, s)
		}
		return ""
	})
}

func TestASlowSinkMakesTheLadderClimbAndComeBack(t *testing.T) {
	received, sink := &receiver{samples: map[string]string{}}, &slowSink{}
	sink.stop()
	sink.goOn()
	srv := httptest.NewServer(sink.before(received))
	t.Cleanup(srv.Close)
	cfg := testConfig(t, fmt.Sprintf(`
	stream: native: {topics: ["flink.native"], level: "none", direct: true}
	sink: remote: {type: "remote-write", url: %q, default: true}`, srv.URL)+givesUp)
	cfg.EgressAllow = []string{"127.0.0.0/8"}
	r := startFast(t, cfg)
	want := map[string]string{}
	send := func(metrics ...string) {
		at := time.Now().Add(time.Minute).UnixMilli() // so that only the sink makes it late, not the machine
		var values []string
		for _, m := range []string{"noise", "other", "vital"} {
			values = append(values, flat("t-1", m, "gauge", at, "1"))
			if slices.Contains(metrics, m) {
				want[seriesAt(map[string]string{"__name__": m, "torrent_task_id": "t-1"}, at)] = "1"
			}
		}
		r.publish(t, "flink.native", values...)
	}
	arrived := func() {
		t.Helper()
		eventually(t, func() string {
			if got := received.got(); !maps.Equal(got, want) {
				return fmt.Sprintf("the receiver has\n%swant\n%s", lines(got), lines(want))
			}
			return ""
		})
	}
	send("noise", "other", "vital")
	arrived()

	sink.stop()
	send("noise", "other", "vital") // read before anything is late
	r.step(t, "P3")
	r.step(t, "P2")
	send("vital")
	if s := r.DegradeStatus(); s.Cause == nil || s.Cause.Measure != "lag" || s.Cause.Bound != 2 || s.Cause.Value <= 2 || len(s.Rules) != 2 || !s.Rules[0].Shedding || !s.Rules[1].Shedding {
		t.Errorf("status %+v, cause %+v", s, s.Cause)
	}
	sink.goOn()
	arrived()
	r.step(t, "P0")
	send("noise", "other", "vital")
	arrived()

	in := r.settled(t, false, "native", 12)
	if in.Dispositions["shed"] != 2 || in.Dispositions["out"] != 10 {
		t.Errorf("dispositions %v, want 10 out and 2 shed", in.Dispositions)
	}
	var said []string
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "given up") {
			said = append(said, line[strings.Index(line, "level="):])
		}
	}
	for i, words := range [][]string{
		{"level=WARN", "overload", "step=P3 before=P0", "measure=lag", "bound=1s"}, {"level=WARN", "step=P2 before=P3", "bound=2s"},
		{"level=INFO", "step=P3 before=P2"}, {"level=INFO", "step=P0 before=P3"},
	} {
		for _, w := range words {
			if len(said) != 4 || !strings.Contains(said[i], w) {
				t.Fatalf("the log lacks %q:\n%s", w, strings.Join(said, ""))
			}
		}
	}
}

func TestDegradeByHand(t *testing.T) {
	cfg := testConfig(t, simpleSet+givesUp)
	r := startFast(t, cfg)
	now := time.Now().Truncate(time.Millisecond)
	send := func(at time.Time) {
		for _, m := range []string{"noise", "other", "vital"} {
			r.publish(t, "flink.native", flat("t-1", m, "gauge", at.UnixMilli(), "1"))
		}
	}
	s, err := r.Degrade(t.Context(), operator, "P2", 7*24*time.Hour, "the store is being moved")
	if err != nil || s.Step != "P2" || s.Automatic != "P0" || s.Hand == nil || s.Hand.Reason != "the store is being moved" || s.Hand.By != "ann" || s.Cause != nil {
		t.Fatalf("%v: %+v", err, s)
	}
	send(now)
	r.settled(t, false, "native", 3)
	s = *r.DegradeStatus()
	for i, want := range []DegradeRule{{"platform/noise", "P3", "drop", true, 1}, {"platform/rest", "P2", "drop", true, 1}} {
		if len(s.Rules) != 2 || s.Rules[i] != want {
			t.Fatalf("rules %+v, want %+v", s.Rules, want)
		}
	}
	body := scrapeMetrics(r)
	for _, line := range []string{"sluice_degrade_step 2", `sluice_shed_samples_total{rule="platform/noise"} 1`, `sluice_degrade_measure{measure="memory"} 0.`} {
		if !strings.Contains(body, line) {
			t.Errorf("metrics lack %s", line)
		}
	}

	rewriteSet(t, cfg, policySet(simpleSet+givesUp+"\n\tdescription: \"another set\""))
	if _, err := r.Reload(context.Background()); err != nil || r.DegradeStatus().Step != "P2" {
		t.Errorf("after a reload: %v, %+v", err, r.DegradeStatus())
	}
	if s, err = r.AutoDegrade(t.Context(), operator); err != nil || s.Step != "P0" || s.Hand != nil {
		t.Errorf("automatic again: %+v", s)
	}
	if _, err := r.Degrade(t.Context(), operator, "P1", time.Minute, "not for long"); err != nil { // 0.6 s at this speed
		t.Fatal(err)
	}
	r.step(t, "P0")
	if !strings.Contains(r.log.String(), "the time by hand is over") {
		t.Error("the log does not say that the time is over")
	}
	if r.Status().Degrade == nil {
		t.Error("the status lacks degrade")
	}
}

func scrapeMetrics(r instance) string {
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestWrongDegradation(t *testing.T) {
	r, _, err := New(context.Background(), testConfig(t, simpleSet+givesUp), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for want, tt := range map[string]struct {
		step, reason string
		length       time.Duration
	}{
		`rejected: step: "P4" is none of P0, P1, P2, P3`: {"P4", "a reason", time.Hour},
		`rejected: step: "" is none of P0, P1, P2, P3`:   {"", "a reason", time.Hour},
		"rejected: for: 0s is not from 1s to 7d":         {"P1", "a reason", 0},
		"rejected: for: -1h0m0s is not from 1s to 7d":    {"P1", "a reason", -time.Hour},
		"rejected: for: 168h0m1s is not from 1s to 7d":   {"P1", "a reason", MaxDegradeTime + time.Second},
		"rejected: reason: write 3 to 500 characters":    {"P1", "no", time.Hour},
	} {
		if _, err := r.Degrade(t.Context(), operator, tt.step, tt.length, tt.reason); !errors.Is(err, ErrRejected) || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if s := r.DegradeStatus(); s.Step != "P0" || s.Hand != nil {
		t.Errorf("what is refused changes nothing: %+v", s)
	}
	plain, _, err := New(context.Background(), testConfig(t, simpleSet), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Degrade(t.Context(), operator, "P1", time.Hour, "a reason"); !errors.Is(err, ErrNoDegrade) {
		t.Errorf("without rules: %v", err)
	}
	if plain.Status().Degrade != nil {
		t.Error("without rules the status has degrade")
	}
}

// The automatic step goes with the rules that made it.
func TestReloadKeepsTheStep(t *testing.T) {
	cfg := testConfig(t, simpleSet+givesUp)
	r, _, err := New(context.Background(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	r.degradation.now = func() time.Time { return now }
	r.degradation.probe = func() ladder.Values { return ladder.Values{ladder.Lag: 60, ladder.CPU: math.NaN()} }
	for range 12 {
		now = now.Add(time.Second)
		r.observe()
	}
	if s := r.DegradeStatus(); s.Step != "P2" {
		t.Fatalf("status %+v", s)
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"1s"`, `"10s"`, "P2"}, {`"2s"`, `"20s"`, "P2"}, {"rest:", "others:", "P3"}, {"noise:", "din:", "P0"},
	} {
		text := strings.NewReplacer(tt.old, tt.new, `"2s"`, `"20s"`).Replace(policySet(simpleSet + givesUp))
		if tt.want == "P0" {
			text = strings.Replace(text, "rest:", "others:", 1)
		}
		rewriteSet(t, cfg, text)
		if _, err := r.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s := r.DegradeStatus(); s.Step != tt.want || r.degradation.inForce().String() != tt.want {
			t.Errorf("with %s: step %s, want %s", tt.new, s.Step, tt.want)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	machine := fstest.MapFS{"proc/meminfo": file("MemTotal:       16384 kB\nMemFree: 1 kB\n")}
	with := func(files map[string]string) fstest.MapFS {
		all := maps.Clone(machine)
		for name, text := range files {
			all[name] = file(text)
		}
		return all
	}
	group := map[string]string{
		"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/cgroup.controllers": "", "sys/fs/cgroup/a/b/cgroup.controllers": "",
		"sys/fs/cgroup/a/memory.max": "5000\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
	}
	for name, tt := range map[string]struct {
		goLimit int64
		root    fstest.MapFS
		want    float64
	}{
		"GOMEMLIMIT":              {1 << 20, with(group), 1 << 20},
		"a cgroup above":          {math.MaxInt64, with(group), 5000},
		"a container of its own":  {math.MaxInt64, with(map[string]string{"sys/fs/cgroup/memory.max": "7000\n"}), 7000},
		"no limit on the cgroup":  {math.MaxInt64, with(map[string]string{"sys/fs/cgroup/memory.max": "max\n"}), 16 << 20},
		"a file with nonsense":    {math.MaxInt64, with(map[string]string{"sys/fs/cgroup/memory.max": "many\n"}), 16 << 20},
		"the machine":             {math.MaxInt64, machine, 16 << 20},
		"nothing tells":           {math.MaxInt64, fstest.MapFS{}, math.NaN()},
		"a machine with nonsense": {math.MaxInt64, fstest.MapFS{"proc/meminfo": file("MemTotal: much kB\n")}, math.NaN()},
	} {
		got := memoryLimit(tt.goLimit, tt.root)
		if got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestTheGaugeReadsThisProcess(t *testing.T) {
	g := newGauge(func() float64 { return 1.5 })
	if first := g.read(); !math.IsNaN(first[ladder.CPU]) {
		t.Errorf("the first reading of the processors is %v", first[ladder.CPU])
	}
	held := make([]byte, 64<<20)
	for i := range held {
		held[i] = byte(i) // work that takes time and memory
	}
	v := g.read()
	if v[ladder.MemoryBytes] < 64<<20 || v[ladder.Memory] != v[ladder.MemoryBytes]/g.limit || v[ladder.Lag] != 1.5 {
		t.Errorf("reading %v of a limit of %v", v, g.limit)
	}
	if _, known := processorTime(); known && !(v[ladder.CPU] > 0) {
		t.Errorf("processors: %v", v[ladder.CPU])
	}
	_ = held[len(held)-1]
}

func TestAShareOfAnUnknownLimitIsWarnedOf(t *testing.T) {
	for memory, want := range map[string]bool{`"85%"`: true, `"2GiB"`: false} {
		out := &logged{}
		r, _, err := New(context.Background(), testConfig(t, simpleSet+`
	degrade: a: schema.#Degrade & {match: metrics: ["*"], priority: "P3", action: "drop", when: memory: `+memory+`, accept: "loss"}`),
			Options{Log: slog.New(slog.NewTextHandler(out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		r.degradation.probe = func() ladder.Values { return ladder.Values{ladder.Memory: math.NaN(), ladder.MemoryBytes: 1 << 20} }
		r.observe()
		r.warnOfLimit()
		if got := strings.Contains(out.String(), "the memory limit is not known"); got != want {
			t.Errorf("a bound of %s: warned: %v", memory, got)
		}
	}
}
