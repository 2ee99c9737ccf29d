package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/replay"
)

// load has samples come in, of some tasks in turn.
type load struct {
	in    *kafka.Publisher
	tasks int
	now   int64 // of the last sample, in milliseconds
}

func newLoad(t *testing.T, r instance, tasks int) *load {
	t.Helper()
	return &load{publisher(t, r.Status().Brokers), tasks, time.Now().Add(-time.Minute).UnixMilli()}
}

// send has n samples of a metric come in, and returns them as a receiver has them.
func (l *load) send(t *testing.T, metric string, n int) map[string]string {
	t.Helper()
	return l.sendTo(t, "flink.native", metric, n)
}

func (l *load) sendTo(t *testing.T, topic, metric string, n int) map[string]string {
	t.Helper()
	sent := map[string]string{}
	for i := range n {
		l.now++
		task, value := fmt.Sprint("t-", 1+i%l.tasks), fmt.Sprint(l.now%1000)
		v := []byte(flat(task, metric, "gauge", l.now, value))
		if err := l.in.Publish(context.Background(), topic, replay.Key(v), v); err != nil {
			t.Fatal(err)
		}
		sent[seriesAt(map[string]string{"__name__": metric, "torrent_task_id": task}, l.now)] = value
	}
	if err := l.in.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	return sent
}

// Instances of a fleet change their sinks with one apply, each while it runs: who
// stays misses nothing, who comes has all from then on, who goes has all until then.
func TestSinksOfAFleetChange(t *testing.T) {
	t.Parallel()
	stays, staysURL := startReceiver(t)
	goes, goesURL := startReceiver(t)
	comes, comesURL := startReceiver(t)
	cfg := topicConfig(t)
	cfg.Brokers, cfg.EgressAllow = roomyBroker(t), []string{"127.0.0.0/8"}
	first, second := startFollowing(t, cfg), startInstance(t, cfg)
	to := func(by instance, sinks string) {
		t.Helper()
		out, err := by.Apply(context.Background(), pusher, pushing(withSinks(sinks)))
		if err != nil || len(out.Waiting) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, r := range []instance{first, second} {
			r.awaitPolicies(t, "the fleet", func(p *PolicyStatus) bool { return p.Revision == out.Revision && p.State != PolicyApplying })
			eventually(t, func() string { return text(r.Ready()) })
			r.changed(t)
		}
	}
	keep := remoteSink("stays", staysURL)
	to(first, keep+remoteSink("goes", goesURL))
	l := newLoad(t, first, 16)
	all := l.send(t, "a", 400)
	goes.has(t, "the sink that goes", all)

	to(second, keep+remoteSink("comes", comesURL)+"\n\tsink: page: {type: \"scrape\", path: \"/tasks\"}")
	later := l.send(t, "a", 400)
	until := maps.Clone(all)
	maps.Copy(all, later)
	stays.has(t, "the sink that stays", all)
	comes.hasAll(t, "the sink that comes", later)
	goes.has(t, "the sink that is gone", until)
	for name, r := range map[string]instance{"first": first, "second": second} {
		if s := r.Status().Sinks; len(s) != 3 || r.Scrape("/tasks") == nil {
			t.Errorf("the %s instance has %d sinks", name, len(s))
		}
	}

	// Back to what was: the sink that was gone is sent what it missed.
	out, err := second.Rollback(context.Background(), pusher, "", "back")
	if err != nil {
		t.Fatal(err)
	}
	first.awaitPolicies(t, "rolled back", func(p *PolicyStatus) bool { return p.Revision == out.Revision })
	maps.Copy(all, l.send(t, "a", 400))
	stays.has(t, "the sink that stays", all)
	goes.has(t, "the sink that is back", all)
	for who, v := range map[string]*receiver{"stays": stays, "goes": goes, "comes": comes} {
		v.once(t, who)
	}
	eventually(t, func() string {
		in, sent := int64(0), int64(0)
		for _, r := range []instance{first, second} {
			in += r.Status().Streams["native"].SamplesIn
			sent += r.Status().Sinks["stays"].Dispositions["out"]
		}
		if in != 1200 || sent != 1200 {
			return fmt.Sprintf("of 1200 samples the fleet read %d, and its sink sent %d", in, sent)
		}
		return ""
	})
}

// A set that changes sinks and loses too much is rolled back by itself, sinks and
// all: the sink that it took away has everything, as if it had never been gone.
func TestSinksAreRolledBack(t *testing.T) {
	t.Parallel()
	stays, staysURL := startReceiver(t)
	goes, goesURL := startReceiver(t)
	comes, comesURL := startReceiver(t)
	set := func(metric, sinks string) string {
		return withSinks(remoteSink("stays", staysURL)+sinks) + fmt.Sprintf(`
	control: drop: schema.#Drop & {description: "for the test", reason: "for the test", tier: "tenant", match: metrics: [%q]}`, metric)
	}
	page := func(path string) string {
		return fmt.Sprintf("\n\tsink: page: {type: \"scrape\", path: %q, default: true}", path)
	}
	cfg := testConfig(t, set("none", remoteSink("goes", goesURL)+page("/tasks")))
	cfg.EgressAllow, cfg.Probation.For = []string{"127.0.0.0/8"}, "100ms"
	r := startInstance(t, cfg)
	l := newLoad(t, r, 16)
	all := l.send(t, "b", 2*enough)
	r.settled(t, false, "native", 2*enough)
	good := r.awaitPolicies(t, "good", func(p *PolicyStatus) bool { return p.State == PolicyGood })

	r.nothingPasses()
	rewriteSet(t, cfg, policySet(set("b", remoteSink("comes", comesURL)+page("/other"))))
	bad := r.awaitPolicies(t, "bad", func(p *PolicyStatus) bool { return p.Revision != good.Revision && p.State == PolicyProbation })
	passed := l.send(t, "a", 50) // goes on under the bad set
	maps.Copy(all, passed)
	comes.hasAll(t, "the sink of the bad set", passed)
	l.send(t, "b", 2*enough) // which it drops, while it is in force
	p := r.awaitPolicies(t, "rolled back", func(p *PolicyStatus) bool { return p.Refused != nil })
	if p.Revision != good.Revision || p.Refused.Revision != bad.Revision || !strings.Contains(p.Refused.Error, "samples go on") || p.Origin.Kind != OriginRollback {
		t.Errorf("%+v, refused %+v", p, p.Refused)
	}
	if _, there := r.Status().Sinks["comes"]; there || r.Scrape("/other") != nil || r.Scrape("/tasks") == nil {
		t.Errorf("the sinks are not those of the good set: %v", slices.Sorted(maps.Keys(r.Status().Sinks)))
	}
	r.changed(t)
	had := comes.got()
	maps.Copy(all, l.send(t, "b", 100))
	h := r.settled(t, false, "native", 4*enough+150)
	out := h.Dispositions["out"]
	if out+h.Dispositions["dropped"] != 4*enough+150 || h.Imbalance != 0 {
		t.Errorf("%+v", h.Dispositions)
	}
	for who, v := range map[string]*receiver{"the sink that stays": stays, "the sink that is back": goes} {
		v.hasAll(t, who, all)
		eventually(t, func() string {
			if n := len(v.got()); int64(n) != out {
				return fmt.Sprintf("%s has %d samples, and %d went on", who, n, out)
			}
			return ""
		})
	}
	if got := comes.got(); !maps.Equal(got, had) {
		t.Errorf("the sink of the bad set has %d samples, and had %d when it was gone", len(got), len(had))
	}
	for who, v := range map[string]*receiver{"stays": stays, "goes": goes, "comes": comes} {
		v.once(t, who)
	}
}
