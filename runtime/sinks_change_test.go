package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"
)

// changing is an instance whose sinks a test changes.
type changing struct {
	instance
	load *load
	cfg  Config
	want map[string]string
}

func startChanging(t *testing.T, sinks string) *changing {
	t.Helper()
	cfg := testConfig(t, withSinks(sinks))
	cfg.EgressAllow, cfg.DataDir = []string{"127.0.0.0/8"}, t.TempDir()
	r := startInstance(t, cfg)
	return &changing{r, newLoad(t, r, 1), cfg, map[string]string{}}
}

func withSinks(sinks string) string {
	return "\n\tstream: native: {topics: [\"flink.native\"]}\n" + sinks
}

func remoteSink(name, url string) string {
	return fmt.Sprintf("\n\tsink: %s: {type: \"remote-write\", url: %q, default: true}", name, url)
}

const storeSink = "\n\tsink: store: {type: \"store\", default: true}"

// send has n samples come in, that whoever takes all is to have.
func (c *changing) send(t *testing.T, n int) {
	t.Helper()
	maps.Copy(c.want, c.load.send(t, "a", n))
}

// to has the sinks changed by a reload.
func (c *changing) to(t *testing.T, sinks string) {
	t.Helper()
	rewriteSet(t, c.cfg, policySet(withSinks(sinks)))
	report, err := c.Reload(context.Background())
	if err != nil || report.Refused() {
		t.Fatalf("%v, %v", err, report.Findings)
	}
}

// has waits until a receiver has samples, and what is there is among them.
func (v *receiver) has(t *testing.T, who string, want map[string]string) {
	t.Helper()
	eventually(t, func() string {
		if got := v.got(); !maps.Equal(got, want) {
			return fmt.Sprintf("%s has %d samples, want %d", who, len(got), len(want))
		}
		return ""
	})
}

// hasAll waits until a receiver has samples, and maybe others.
func (v *receiver) hasAll(t *testing.T, who string, want map[string]string) {
	t.Helper()
	eventually(t, func() string {
		got := v.got()
		for at := range want {
			if got[at] == "" {
				return fmt.Sprintf("%s has %d samples, and not %s", who, len(got), at)
			}
		}
		return ""
	})
}

// once proves that a receiver was sent no sample twice: where nobody is killed and
// every change is in order, no level doubles anything.
func (v *receiver) once(t *testing.T, who string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.twice > 0 {
		t.Errorf("%s was sent %d samples twice", who, v.twice)
	}
}

// changed waits until what was taken away has ended.
func (r instance) changed(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		r.mu.RLock()
		defer r.mu.RUnlock()
		if n := len(r.sinkRuns.left) + len(r.streamRuns.left); n > 0 {
			return fmt.Sprintf("%d to end", n)
		}
		return ""
	})
}

func TestSinksComeAndGo(t *testing.T) {
	t.Parallel()
	one, oneURL := startReceiver(t)
	two, twoURL := startReceiver(t)
	first := storeSink + remoteSink("one", oneURL)
	c := startChanging(t, first)
	c.send(t, 100)
	one.has(t, "one", c.want)

	c.to(t, first+remoteSink("two", twoURL)+"\n\tsink: page: {type: \"scrape\", path: \"/tasks\", default: true}\n\tsink: copy: {type: \"kafka\", topic: \"copy\", default: true}")
	later := c.load.send(t, "a", 100)
	maps.Copy(c.want, later)
	one.has(t, "one", c.want)
	two.hasAll(t, "a new sink", later)
	eventually(t, func() string {
		if h := c.Scrape("/tasks"); h == nil || !strings.Contains(page(c.instance, "/tasks"), `a{torrent_task_id="t-1"}`) {
			return "the page of the new sink"
		}
		return ""
	})
	if h := c.settled(t, true, "copy", 0); h.Imbalance != 0 {
		t.Errorf("copy: %+v", h)
	}

	// One is taken away, with all that came before; the page has another path.
	c.send(t, 500)
	until := maps.Clone(c.want)
	c.settled(t, false, "native", 700)
	c.to(t, storeSink+remoteSink("two", twoURL)+"\n\tsink: page: {type: \"scrape\", path: \"/other\", default: true}")
	one.has(t, "the sink that is gone", until)
	if c.Scrape("/tasks") != nil || c.Scrape("/other") == nil {
		t.Error("the page is not where the set has it")
	}
	if _, there := c.Status().Sinks["one"]; there {
		t.Error("a sink that is gone is in the status")
	}
	c.changed(t)
	c.send(t, 100)
	eventually(t, func() string {
		if got := c.samples(t, `{__name__=~".+"}[1h]`, seriesAt); !maps.Equal(got, c.want) {
			return fmt.Sprintf("the store has %d samples, want %d", len(got), len(c.want))
		}
		return ""
	})
	if got := one.got(); !maps.Equal(got, until) {
		t.Errorf("the sink that is gone has %d samples, want %d", len(got), len(until))
	}

	// It comes back, and goes on where it was.
	c.to(t, first)
	c.send(t, 100)
	one.has(t, "the sink that is back", c.want)
	balanced(t, c.Runtime)
}

// A sink that changes goes on where it was, with the counts that it had.
func TestASinkChanges(t *testing.T) {
	t.Parallel()
	one, oneURL := startReceiver(t)
	two, twoURL := startReceiver(t)
	c := startChanging(t, storeSink+remoteSink("remote", oneURL))
	c.send(t, 300)
	one.has(t, "the first", c.want)
	c.settled(t, true, "remote", 300)
	c.to(t, "\n\tsink: store: {type: \"store\", retention: \"1d\", outOfOrder: \"5m\", default: true}"+remoteSink("remote", twoURL))
	first := maps.Clone(c.want)
	c.send(t, 300)
	if h := c.settled(t, true, "remote", 600); h.Dispositions["out"] != 600 || h.Imbalance != 0 {
		t.Errorf("%+v", h.Dispositions)
	}
	want := maps.Clone(c.want)
	maps.DeleteFunc(want, func(at, _ string) bool { _, there := first[at]; return there })
	two.has(t, "the second", want)
	if got := one.got(); !maps.Equal(got, first) {
		t.Errorf("the first has %d samples, want %d", len(got), len(first))
	}
	if h := c.settled(t, true, "store", 600); h.Dispositions["out"] != 600 {
		t.Errorf("the store: %+v", h.Dispositions)
	}
	c.stored(t, "count_over_time(a[1h])", time.UnixMilli(c.load.now), map[string]string{`{"torrent_task_id":"t-1"}`: "600"})
}

// What cannot be opened leaves everything as it is, and is said.
func TestSinksThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	one, url := startReceiver(t)
	c := startChanging(t, remoteSink("one", url))
	was := c.Status().Revision
	if err := os.WriteFile(filepath.Join(c.cfg.DataDir, "store"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ sinks, says string }{
		"a store on a file":  {remoteSink("one", url) + storeSink, "sink store cannot be opened"},
		"a store for a sink": {remoteSink("two", url) + storeSink, "sink store cannot be opened"},
		"two pages":          {"\n\tsink: a: {type: \"scrape\", default: true}\n\tsink: b: {type: \"scrape\"}", "is claimed by sink a and by sink b"},
		"two stores":         {storeSink + "\n\tsink: more: {type: \"store\"}", "of type store"},
	} {
		rewriteSet(t, c.cfg, policySet(withSinks(tt.sinks)))
		report, err := c.Reload(context.Background())
		said := text(err)
		for _, f := range report.Findings {
			said += f.Error()
		}
		if !strings.Contains(said, tt.says) || err != nil && !errors.Is(err, ErrRejected) {
			t.Errorf("%s: %v, %v, want %q", name, err, report.Findings, tt.says)
		}
		if s := c.Status(); s.Revision != was || len(s.Sinks) != 1 || s.Policy.Refused == nil {
			t.Errorf("%s: %d sinks of %s, refused: %+v", name, len(s.Sinks), s.Revision, s.Policy.Refused)
		}
	}
	if _, err := c.Store(); !errors.Is(err, ErrNoStore) {
		t.Errorf("the store of a set that has none: %v", err)
	}
	if _, _, err := c.Canary(context.Background(), Actor{}, CanaryRequest{Share: 0.5, Candidate: Candidate{
		Files: map[string]string{"policy.cue": policySet(withSinks(remoteSink("two", url)))}, Reason: "for the test",
	}}); !errors.Is(err, ErrRejected) || !strings.Contains(text(err), "sink one is gone, sink two is new") {
		t.Errorf("a canary with other sinks: %v", err)
	}
	c.send(t, 10)
	one.has(t, "the sink that was there", c.want)
}

// Sinks come and go two hundred times while samples come: who stays misses nothing,
// and nothing stays of those that went.
func TestSinksChangeTwoHundredTimes(t *testing.T) {
	stays, staysURL := startReceiver(t)
	_, url := startReceiver(t)
	keep := remoteSink("stays", staysURL)
	sets := []string{
		keep, keep + storeSink + remoteSink("more", url), keep + "\n\tsink: page: {type: \"scrape\"}\n\tsink: other: {type: \"store\", retention: \"1d\", default: true}",
		keep + remoteSink("more", url+"/changed"), keep + "\n\tsink: copy: {type: \"kafka\", topic: \"copy\", default: true}" + storeSink,
	}
	c := startChanging(t, sets[0])
	var goroutines int
	var heap uint64
	for n := 1; n <= 200; n++ {
		c.to(t, sets[n%len(sets)])
		c.send(t, 5)
		if n == 40 { // connections that stay are made, and caches filled
			goroutines, heap = c.quiet(t, 1)
		}
	}
	stays.has(t, "the sink that stays", c.want)
	stays.once(t, "the sink that stays")
	h := c.settled(t, true, "stays", 1000)
	if h.Dispositions["out"] != 1000 || h.Imbalance != 0 {
		t.Errorf("%+v", h.Dispositions)
	}
	balanced(t, c.Runtime)
	c.flat(t, goroutines, heap)
}

// flat proves that goroutines and heap are what they were many changes ago. Connections
// come and go, and the embedded broker holds every record: one goroutine, or the caches
// of one hop, for each change would be more.
func (c *changing) flat(t *testing.T, goroutines int, heap uint64) {
	t.Helper()
	eventually(t, func() string {
		now, size := c.quiet(t, 1)
		t.Logf("%d goroutines, %d before; %d KiB, %d before", now, goroutines, size>>10, heap>>10)
		if now > goroutines+10 {
			return fmt.Sprintf("%d goroutines go on, %d did before", now, goroutines)
		}
		if size > heap+heap/4 {
			return fmt.Sprintf("%d KiB are alive, %d were before", size>>10, heap>>10)
		}
		return ""
	})
}

// quiet waits until nothing ends or begins any more, and counts what is alive.
func (c *changing) quiet(t *testing.T, sinks int) (goroutines int, heap uint64) {
	t.Helper()
	c.changed(t)
	eventually(t, func() string {
		c.mu.RLock()
		store := c.storeCloses
		c.mu.RUnlock()
		if s := c.Status(); len(s.Sinks) != sinks || !s.Ready {
			return fmt.Sprintf("rest: %+v", s.Waiting)
		}
		if store != nil {
			<-store
		}
		return ""
	})
	heap = heapInUse()
	return goruntime.NumGoroutine(), heap
}
