package runtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// soon has an instance give topics up that nobody writes as soon as they are read.
func soon(r *Runtime) { r.sinkTail = 300 * time.Millisecond }

// reads waits until the sinks of an instance read these topics.
func (r instance) reads(t *testing.T, topics ...string) {
	t.Helper()
	eventually(t, func() string {
		for _, h := range r.hops(&r.sinks) {
			got := slices.Sorted(slices.Values(h.source.Topics()))
			if parts := partitionTopics(h); !slices.Equal(got, topics) || !slices.Equal(parts, topics) {
				return fmt.Sprintf("sink %s reads %v, has partitions of %v, want %v\n%s", h.name, got, parts, topics, r.log)
			}
		}
		return ""
	})
}

func partitionTopics(h *hop) (topics []string) {
	for _, p := range h.source.Status().Partitions {
		topics = append(topics, p.Topic)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

func deleteTopic(t *testing.T, brokers []string, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if deleted, err := kadm.NewClient(cl).DeleteTopics(t.Context(), topic); err != nil || deleted.Error() != nil {
		t.Fatal(err, deleted.Error())
	}
}

// complaints are the lines of warnings and errors in a log.
func (l *logged) complaints() int {
	text := l.String()
	return strings.Count(text, "level=WARN") + strings.Count(text, "level=ERROR")
}

const (
	toOld = nativeStream
	toNew = "\n\tstream: native: {topics: [\"flink.native\"], processed: \"new.processed\"}"
)

// The processed topic that no stream writes any more is sent to its end, however long
// the receiver is down, also over a restart; then it is left, and may be deleted.
func TestSinksLeaveATopicThatIsDone(t *testing.T) {
	t.Parallel()
	v, url := startReceiver(t)
	cfg := testConfig(t, toOld+remoteSink("all", url))
	cfg.Brokers, cfg.EgressAllow, cfg.DataDir = roomyBroker(t), []string{"127.0.0.0/8"}, t.TempDir()
	want := map[string]string{}
	var last int64
	send := func(t *testing.T, r instance) {
		t.Helper()
		l := newLoad(t, r, 4)
		l.now = max(l.now, last)
		maps.Copy(want, l.send(t, "a", 100))
		last = l.now
	}
	t.Run("while the receiver is down", func(t *testing.T) {
		r := startAdjusted(t, cfg, soon)
		send(t, r)
		v.has(t, "the sink", want) // and has its place in the topic
		v.setDown(true)
		send(t, r)
		r.settled(t, false, "native", 200)
		rewriteSet(t, cfg, policySet(toNew+remoteSink("all", url)))
		if report, err := r.Reload(t.Context()); err != nil || report.Refused() {
			t.Fatal(err, report.Findings)
		}
		send(t, r)
		r.settled(t, false, "native", 300)
		r.reads(t, "new.processed", "sluice.processed")
	})
	r := startAdjusted(t, cfg, soon)
	send(t, r)
	r.reads(t, "new.processed", "sluice.processed")
	v.setDown(false)
	v.has(t, "the sink", want)
	r.reads(t, "new.processed")
	deleteTopic(t, cfg.Brokers, "sluice.processed")
	before := r.log.complaints()
	send(t, r)
	v.has(t, "the sink", want)
	if n := r.log.complaints() - before; n > 1 { // the commit with which it was left may have been on its way
		t.Errorf("%d complaints about a topic that nobody reads:\n%s", n, r.log)
	}

	rewriteSet(t, cfg, policySet(toOld+remoteSink("all", url))) // and it comes back
	if report, err := r.Reload(t.Context()); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	send(t, r)
	v.has(t, "the sink", want)
	r.reads(t, "sluice.processed")
	v.once(t, "the sink")
}

// A topic that is deleted while it is still read is left like one that is done.
func TestSinksLeaveATopicThatIsDeleted(t *testing.T) {
	t.Parallel()
	v, url := startReceiver(t)
	cfg := testConfig(t, toOld+remoteSink("all", url))
	cfg.Brokers, cfg.EgressAllow = roomyBroker(t), []string{"127.0.0.0/8"}
	r := startAdjusted(t, cfg, func(r *Runtime) { r.sinkTail = 10 * time.Second })
	l := newLoad(t, r, 4)
	want := l.send(t, "a", 100)
	v.has(t, "the sink", want)
	rewriteSet(t, cfg, policySet(toNew+remoteSink("all", url)))
	if report, err := r.Reload(t.Context()); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	r.changed(t)
	maps.Copy(want, l.send(t, "a", 100))
	v.has(t, "the sink", want)
	before := r.log.complaints()
	deleteTopic(t, cfg.Brokers, "sluice.processed")
	maps.Copy(want, l.send(t, "a", 100))
	r.reads(t, "new.processed")
	v.has(t, "the sink", want)
	v.once(t, "the sink")
	if n := r.log.complaints() - before; n > 8 { // one for each partition, and what the group says
		t.Errorf("%d complaints about a topic that was deleted:\n%s", n, r.log)
	}
}

// killedMember leaves a consumer group as an instance does that is killed: until its
// session has ended, nobody is given partitions.
func killedMember(t *testing.T, brokers []string, group string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = group, "consumer", 5000, 5000
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "cooperative-sticky", Metadata: []byte{}}}
	for range 2 { // once to be given a name
		var answer *kmsg.JoinGroupResponse
		if answer, err = join.RequestWith(t.Context(), cl); err == nil {
			err, join.MemberID = kerr.ErrorForCode(answer.ErrorCode), answer.MemberID
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What waits in a topic that no stream writes any more is not given up by an instance
// that has no partition of it: the member that it comes after is not known to be dead.
func TestSinksSendWhatAKilledInstanceLeaves(t *testing.T) {
	t.Parallel()
	v, url := startReceiver(t)
	cfg := testConfig(t, toOld+remoteSink("all", url))
	cfg.Brokers, cfg.EgressAllow, cfg.DataDir = roomyBroker(t), []string{"127.0.0.0/8"}, t.TempDir()
	var want map[string]string
	t.Run("before it is killed", func(t *testing.T) {
		r := startInstance(t, cfg)
		l := newLoad(t, r, 4)
		want = l.send(t, "a", 100)
		v.has(t, "the sink", want) // and has its place in the topic
		v.setDown(true)
		maps.Copy(want, l.send(t, "a", 100))
		r.settled(t, false, "native", 200)
	})
	rewriteSet(t, cfg, policySet(toNew+remoteSink("all", url)))
	killedMember(t, cfg.Brokers, cfg.Group+"."+sinkGroup("all"))
	v.setDown(false)
	r := startAdjusted(t, cfg, soon)
	v.has(t, "the sink", want)
	r.reads(t, "new.processed")
	v.once(t, "the sink")
}

// A sink that is taken away has all that came before that, also where no instance has a
// partition of it then.
func TestASinkIsTakenAwayBeforeItHasPartitions(t *testing.T) {
	t.Parallel()
	stays, staysURL := startReceiver(t)
	goes, goesURL := startReceiver(t)
	keep := remoteSink("stays", staysURL)
	cfg := testConfig(t, nativeStream+keep+remoteSink("goes", goesURL))
	cfg.Brokers, cfg.EgressAllow, cfg.DataDir = roomyBroker(t), []string{"127.0.0.0/8"}, t.TempDir()
	var want map[string]string
	t.Run("while it is down", func(t *testing.T) {
		r := startInstance(t, cfg)
		l := newLoad(t, r, 4)
		want = l.send(t, "a", 100)
		goes.has(t, "the sink", want)
		goes.setDown(true)
		maps.Copy(want, l.send(t, "a", 100))
		stays.has(t, "the sink that stays", want)
	})
	killedMember(t, cfg.Brokers, cfg.Group+"."+sinkGroup("goes"))
	goes.setDown(false)
	var reload sync.WaitGroup
	t.Cleanup(reload.Wait)
	r := startAdjusted(t, cfg, func(r *Runtime) {
		r.catchUp = patience
		rewriteSet(t, cfg, policySet(nativeStream+keep))
		reload.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for err := ErrNotReady; errors.Is(err, ErrNotReady) && t.Context().Err() == nil; <-tick.C { // until sinks are open
				_, err = r.Reload(t.Context())
			}
		})
	})
	goes.has(t, "the sink that is taken away", want)
	r.changed(t)
	if s := r.Status().Sinks; len(s) != 1 {
		t.Errorf("%d sinks", len(s))
	}
	for who, v := range map[string]*receiver{"stays": stays, "goes": goes} {
		v.once(t, who)
	}
}

// Nobody leaves a topic that another instance may still write, however long it is quiet.
func TestSinksOfAFleetLeaveATopic(t *testing.T) {
	t.Parallel()
	m := startMoving(t, 2)
	first, late := m.all[0], m.all[1]
	quietFor := func(r instance) { // longer than it has to be
		since := map[lingering]time.Time{}
		for _, h := range r.hops(&r.sinks) {
			since[lingering{h, "sluice.processed"}] = time.Now().Add(-time.Hour)
		}
		r.giveUp(t.Context(), since, time.Now())
	}
	m.to(t, toOld, first, first, late)
	m.send(t, "flink.native", 100)
	m.exact(t)
	late.reloading.Lock()
	follow := sync.OnceFunc(late.reloading.Unlock)
	t.Cleanup(follow)
	m.to(t, toNew, first, first)
	m.send(t, "flink.native", 100)
	m.sink.has(t, "the sink, while one instance is late", m.want)
	quietFor(first)
	for _, h := range first.hops(&first.sinks) {
		if topics := h.source.Topics(); !slices.Contains(topics, "sluice.processed") {
			t.Errorf("%s reads %v, and another instance writes elsewhere", h.name, topics)
		}
	}
	follow()
	m.send(t, "flink.native", 100)
	m.exact(t)
	for _, r := range m.all {
		eventually(t, func() string {
			quietFor(r)
			for _, h := range r.hops(&r.sinks) {
				if topics := h.source.Topics(); !slices.Equal(topics, []string{"new.processed"}) {
					return fmt.Sprintf("%s reads %v", h.name, topics)
				}
			}
			return ""
		})
	}
	m.send(t, "flink.native", 100)
	m.exact(t)
}

// What waits for a sink whose receiver is down from the first start on is sent, though
// the set that another start has says nothing of the topic in which it waits.
func TestSinksSendWhatHasWaitedSinceTheFirstStart(t *testing.T) {
	t.Parallel()
	v, url := startReceiver(t)
	v.setDown(true)
	cfg := testConfig(t, toOld+remoteSink("all", url))
	cfg.Brokers, cfg.EgressAllow, cfg.DataDir = roomyBroker(t), []string{"127.0.0.0/8"}, t.TempDir()
	var want map[string]string
	t.Run("the first start", func(t *testing.T) {
		r := startInstance(t, cfg)
		l := newLoad(t, r, 4)
		want = l.send(t, "a", 100)
		r.settled(t, false, "native", 100)
	})
	rewriteSet(t, cfg, policySet(toNew+remoteSink("all", url)))
	v.setDown(false)
	r := startAdjusted(t, cfg, soon)
	v.has(t, "the sink", want)
	r.reads(t, "new.processed")
	v.once(t, "the sink")
}
