package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
)

// moving is a fleet whose streams a test changes, with one sink that is to have
// everything once.
type moving struct {
	cfg  Config
	all  []instance
	load *load
	sink *receiver
	url  string
	want map[string]string
}

func startMoving(t *testing.T, instances int) *moving {
	t.Helper()
	sink, url := startReceiver(t)
	cfg := topicConfig(t)
	cfg.Brokers, cfg.EgressAllow, cfg.Partitions = roomyBroker(t), []string{"127.0.0.0/8"}, 4
	m := &moving{cfg: cfg, all: []instance{startFollowing(t, cfg)}, sink: sink, url: url, want: map[string]string{}}
	for range instances - 1 {
		m.all = append(m.all, startInstance(t, cfg))
	}
	m.load = newLoad(t, m.all[0], 16)
	return m
}

// to pushes streams to an instance and returns when those that are named run them.
func (m *moving) to(t *testing.T, streams string, by instance, who ...instance) {
	t.Helper()
	out, err := by.Apply(context.Background(), pusher, pushing(streams+remoteSink("all", m.url)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range who {
		r.awaitPolicies(t, "the fleet", func(p *PolicyStatus) bool { return p.Revision == out.Revision && p.State != PolicyApplying })
	}
}

func (m *moving) send(t *testing.T, topic string, n int) {
	t.Helper()
	maps.Copy(m.want, m.load.sendTo(t, topic, "a", n))
}

// exact proves that the sink has had every sample once, and that the ledgers of the
// fleet say so, too.
func (m *moving) exact(t *testing.T) {
	t.Helper()
	m.sink.has(t, "the sink", m.want)
	m.sink.once(t, "the sink")
	eventually(t, func() string {
		read := int64(0)
		for _, r := range m.all {
			r.mu.RLock()
			for group, b := range r.books {
				if strings.HasPrefix(group, streamGroup("")) {
					read += b.Sum().In
				}
			}
			r.mu.RUnlock()
		}
		if read != int64(len(m.want)) {
			return fmt.Sprintf("the streams of the fleet have read %d samples, and %d were sent", read, len(m.want))
		}
		return ""
	})
}

func (m *moving) state(r instance, stream, state string) func() string {
	return func() string {
		s, err := r.Stream(stream)
		if err != nil || s.State != state {
			return fmt.Sprintf("%+v, %v", s, err)
		}
		return ""
	}
}

// A topic that goes from one stream to another is read by the one before until every
// instance runs the new set, then by the other one from there: also where an instance
// is late, and where one starts meanwhile.
func TestATopicMovesInAFleet(t *testing.T) {
	t.Parallel()
	m := startMoving(t, 3)
	first, late, third := m.all[0], m.all[1], m.all[2]
	sets := []string{
		"\n\tstream: one: {topics: [\"flink.native\", \"flink.more\"]}",
		"\n\tstream: two: {topics: [\"flink.native\", \"flink.more\"]}",                            // renamed
		"\n\tstream: two: {topics: [\"flink.native\"]}\n\tstream: one: {topics: [\"flink.more\"]}", // split, to one that was there
		"\n\tstream: two: {topics: [\"flink.more\"]}\n\tstream: one: {topics: [\"flink.native\"]}", // and crossed
	}
	m.to(t, sets[0], first, first, late, third)
	for n, set := range sets[1:] {
		m.send(t, "flink.native", 100)
		m.send(t, "flink.more", 100)
		for _, r := range m.all {
			eventually(t, func() string { return text(r.Ready()) })
		}
		late.reloading.Lock()
		follow := sync.OnceFunc(late.reloading.Unlock)
		t.Cleanup(follow)
		m.to(t, set, first, first, third)
		waits := []string{"two", "one", "two"}[n]
		eventually(t, m.state(first, waits, StreamWaiting))
		if s := first.Status(); !strings.Contains(s.Streams[waits].Error, "waits until other instances give up flink.") {
			t.Errorf("why it waits: %q", s.Streams[waits].Error)
		}
		eventually(t, func() string { return text(first.Ready()) }) // as all is being read
		m.send(t, "flink.native", 100)
		m.send(t, "flink.more", 100)
		m.sink.has(t, "the sink, while one instance is late", m.want)
		if n == 0 { // one that starts now knows nothing of the set before
			m.all = append(m.all, startInstance(t, m.cfg))
			eventually(t, m.state(m.all[3], waits, StreamWaiting))
			m.send(t, "flink.native", 100)
			m.sink.has(t, "the sink, while one starts", m.want)
		}
		follow()
		for _, r := range m.all {
			eventually(t, m.state(r, waits, StreamRunning))
		}
		m.send(t, "flink.native", 100)
		m.exact(t)
	}
}

// A stream that has another name in the set that an instance is started with goes on
// where it was, with a static member as without, also when it gets its first name back.
func TestAStreamIsRenamedBetweenStarts(t *testing.T) {
	for _, id := range []string{"", "fixed"} {
		t.Run("member "+id, func(t *testing.T) {
			t.Parallel()
			renameBetweenStarts(t, id)
		})
	}
}

func renameBetweenStarts(t *testing.T, id string) {
	sink, url := startReceiver(t)
	cfg := testConfig(t, "")
	cfg.Brokers, cfg.EgressAllow, cfg.InstanceID = roomyBroker(t), []string{"127.0.0.0/8"}, id
	want := map[string]string{}
	for _, name := range []string{"one", "two", "one", "two"} {
		rewriteSet(t, cfg, policySet(fmt.Sprintf("\n\tstream: %s: {topics: [\"flink.native\"]}", name)+remoteSink("all", url)))
		r, _, err := New(context.Background(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		eventually(t, func() string { return text(r.Ready()) })
		maps.Copy(want, newLoad(t, instance{Runtime: r}, 4).send(t, "a", 100))
		sink.has(t, "the sink", want)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	sink.once(t, "the sink")
}
