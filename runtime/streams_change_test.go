package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// streaming is an instance whose streams a test changes, with a sink that is to have
// everything.
type streaming struct {
	instance
	load *load
	cfg  Config
	all  *receiver
	sink string
	want map[string]string
}

func startStreaming(t *testing.T, streams string) *streaming {
	t.Helper()
	all, url := startReceiver(t)
	sink := remoteSink("all", url)
	cfg := testConfig(t, streams+sink)
	cfg.EgressAllow, cfg.DataDir = []string{"127.0.0.0/8"}, t.TempDir()
	r := startInstance(t, cfg)
	return &streaming{r, newLoad(t, r, 16), cfg, all, sink, map[string]string{}}
}

// to has the streams changed by a reload.
func (s *streaming) to(t *testing.T, streams string) {
	t.Helper()
	rewriteSet(t, s.cfg, policySet(streams+s.sink))
	if report, err := s.Reload(context.Background()); err != nil || report.Refused() {
		t.Fatalf("%v, %v", err, report.Findings)
	}
}

// send has samples come in on a topic, that the sink is to have.
func (s *streaming) send(t *testing.T, topic string, n int) {
	t.Helper()
	maps.Copy(s.want, s.load.sendTo(t, topic, "a", n))
}

func (s *streaming) exact(t *testing.T) {
	t.Helper()
	s.all.has(t, "the sink", s.want)
	s.all.once(t, "the sink")
	balanced(t, s.Runtime)
}

const nativeStream = "\n\tstream: native: {topics: [\"flink.native\"]}"

// A stream that comes reads its topics from their start, one that goes is drained, and
// one that comes back goes on where it was; the others do not notice.
func TestStreamsComeAndGo(t *testing.T) {
	t.Parallel()
	const more = "\n\tstream: more: {topics: [\"flink.more\"], processed: \"more.processed\", deadLetter: \"more.letters\", level: \"none\"}"
	s := startStreaming(t, nativeStream)
	s.send(t, "flink.native", 300)
	joined := s.hops(&s.streams)[0].source.Status().Joined

	s.to(t, nativeStream+more)
	s.send(t, "flink.more", 300)
	s.send(t, "flink.native", 300)
	s.all.has(t, "the sink", s.want)
	if names := s.Streams(); len(names) != 2 || names[0].Name != "more" || names[0].Level != "none" || names[1].State != StreamRunning {
		t.Errorf("%+v", names)
	}
	if _, err := s.Letters(t.Context(), LetterFilter{Stream: "more"}, "", 10); err != nil {
		t.Errorf("its dead letters: %v", err)
	}
	s.settled(t, false, "more", 300)

	s.send(t, "flink.native", 200) // on its way while the other goes
	s.to(t, nativeStream)
	s.changed(t)
	if _, err := s.Stream("more"); !errors.Is(err, ErrNoStream) {
		t.Errorf("a stream that is gone: %v", err)
	}
	s.all.has(t, "the sink", s.want)
	waits := s.load.sendTo(t, "flink.more", "a", 100)
	s.send(t, "flink.native", 100)
	s.exact(t)

	s.to(t, nativeStream+more)
	maps.Copy(s.want, waits)
	s.exact(t)
	if h := s.settled(t, false, "more", 400); h.SamplesIn != 400 {
		t.Errorf("the stream that is back has read %d samples", h.SamplesIn)
	}
	if now := s.hops(&s.streams)[0].source.Status().Joined; s.hops(&s.streams)[0].name != "native" || now != joined {
		t.Errorf("the stream that stays has joined its group again: %v, before %v", now, joined)
	}
}

// A stream changes topics, level, processed topic and dead letters while samples come,
// by turns with one that comes and goes: nothing is lost, doubled or left behind.
func TestStreamsChangeUnderLoad(t *testing.T) {
	sets := []string{
		nativeStream,
		"\n\tstream: native: {topics: [\"flink.native\", \"flink.other\"]}",
		"\n\tstream: native: {topics: [\"flink.native\"], processed: \"native.processed\", level: \"none\"}",
		nativeStream + "\n\tstream: other: {topics: [\"flink.third\"], level: \"none\"}",
		"\n\tstream: native: {topics: [\"flink.native\"], deadLetter: \"native.letters\", level: \"none\"}",
	}
	s := startStreaming(t, nativeStream)
	s.send(t, "flink.native", 100)
	c := &changing{instance: s.instance}
	var goroutines int
	var heap uint64
	for n := 1; n <= 60; n++ {
		s.send(t, "flink.native", 50)
		s.to(t, sets[n%len(sets)])
		switch n % len(sets) {
		case 1:
			s.send(t, "flink.other", 20)
			s.all.has(t, "the sink", s.want) // before the topic goes
		case 3:
			s.send(t, "flink.third", 20)
			s.all.has(t, "the sink", s.want)
		}
		if n == 20 {
			goroutines, heap = c.quiet(t, 1)
		}
	}
	s.exact(t)
	in := int64(0)
	for _, b := range s.books { // of streams that are gone, too
		in += b.Sum().In
	}
	if in != 2*int64(len(s.want)) { // by streams, and by the sink
		t.Errorf("%d samples were read in two hops, %d sent", in, len(s.want))
	}
	c.flat(t, goroutines, heap)
}

// Topics that go from one stream to another are read on where they were: streams are
// renamed, split and put together.
func TestTopicsMoveBetweenStreams(t *testing.T) {
	t.Parallel()
	s := startStreaming(t, nativeStream)
	for n, streams := range []string{
		"\n\tstream: renamed: {topics: [\"flink.native\"]}",
		"\n\tstream: renamed: {topics: [\"flink.native\", \"flink.more\"]}",
		"\n\tstream: renamed: {topics: [\"flink.native\"]}\n\tstream: split: {topics: [\"flink.more\"]}",
		"\n\tstream: renamed: {topics: [\"flink.more\"]}\n\tstream: split: {topics: [\"flink.native\"]}",
		"\n\tstream: one: {topics: [\"flink.native\", \"flink.more\"]}",
	} {
		s.send(t, "flink.native", 50)
		s.to(t, streams)
		s.send(t, "flink.native", 50)
		if n > 0 {
			s.send(t, "flink.more", 50)
		}
		s.exact(t)
	}
}

// The sinks of direct streams change while the instance runs, and so does whether they
// are direct at all.
func TestSinksOfDirectStreamsChange(t *testing.T) {
	t.Parallel()
	one, oneURL := startReceiver(t)
	two, twoURL := startReceiver(t)
	set := func(direct bool, sinks string) string {
		return fmt.Sprintf("\n\tstream: native: {topics: [\"flink.native\"], level: \"none\", direct: %v}", direct) + sinks
	}
	const tasks = "\n\tsink: page: {type: \"scrape\", path: \"/tasks\", default: true}"
	cfg := testConfig(t, set(true, storeSink+remoteSink("one", oneURL)))
	cfg.EgressAllow, cfg.DataDir = []string{"127.0.0.0/8"}, t.TempDir()
	r := startInstance(t, cfg)
	l, all := newLoad(t, r, 4), map[string]string{}
	send := func() (sent map[string]string) {
		sent = l.send(t, "a", 100)
		maps.Copy(all, sent)
		return sent
	}
	to := func(text string) {
		t.Helper()
		rewriteSet(t, cfg, policySet(text))
		if report, err := r.Reload(context.Background()); err != nil || report.Refused() {
			t.Fatalf("%v, %v", err, report.Findings)
		}
		r.changed(t)
	}
	send()
	one.has(t, "one", all)

	to(set(true, storeSink+remoteSink("two", twoURL)+tasks))
	want := send()
	two.has(t, "two", want)
	eventually(t, func() string {
		if h := r.Scrape("/tasks"); h == nil || !strings.Contains(page(r, "/tasks"), `a{torrent_task_id="t-1"}`) {
			return "the page of the new sink"
		}
		return ""
	})
	if got := one.got(); len(got) != 100 {
		t.Errorf("the sink that is gone has %d samples", len(got))
	}

	to(set(false, storeSink+remoteSink("two", twoURL))) // over the processed topic
	maps.Copy(want, send())
	two.has(t, "two", want)
	if s := r.Status(); len(s.Sinks) != 2 || r.Scrape("/tasks") != nil {
		t.Errorf("%d sinks read the processed topic", len(s.Sinks))
	}

	to(set(true, remoteSink("two", twoURL))) // and back, without the store
	maps.Copy(want, send())
	two.has(t, "two", want)
	two.once(t, "two")
	if _, err := r.Store(); !errors.Is(err, ErrNoStore) || len(r.Status().Sinks) != 0 {
		t.Errorf("the store: %v; %d sinks read the processed topic", err, len(r.Status().Sinks))
	}
	to(set(true, storeSink+remoteSink("two", twoURL)))
	send()
	eventually(t, func() string { // what went by without it is not there
		if got := r.samples(t, `{__name__=~".+"}[1h]`, seriesAt); len(got) != len(all)-100 {
			return fmt.Sprintf("the store has %d samples, want %d", len(got), len(all)-100)
		}
		return ""
	})
}

// A stream that is paused stays so when it changes, and its pause ends with it.
func TestAPausedStreamChanges(t *testing.T) {
	t.Parallel()
	s := startStreaming(t, nativeStream)
	if _, err := s.PauseStream(t.Context(), pusher, "native", HaltRequest{Reason: "for the test", For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	s.to(t, "\n\tstream: native: {topics: [\"flink.native\", \"flink.other\"]}")
	s.changed(t)
	s.send(t, "flink.other", 50)
	if got, err := s.Stream("native"); err != nil || got.State != StreamPaused || got.Halt == nil || len(got.Topics) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	eventually(t, func() string { return text(s.Ready()) })
	if n := len(s.all.got()); n > 0 {
		t.Errorf("%d samples of a paused stream went out", n)
	}
	if _, err := s.ResumeStream(t.Context(), pusher, "native"); err != nil {
		t.Fatal(err)
	}
	s.exact(t)

	if _, err := s.PauseStream(t.Context(), pusher, "native", HaltRequest{Reason: "for the test"}); err != nil {
		t.Fatal(err)
	}
	s.to(t, "\n\tstream: other: {topics: [\"flink.third\"]}")
	s.to(t, nativeStream)
	if got, err := s.Stream("native"); err != nil || got.State != StreamRunning || got.Halt != nil {
		t.Errorf("a stream that is back: %+v, %v", got, err)
	}
}

// A new stream has the backlog of its topics to read: that is no fault of the set that
// brings it. One that is rolled back takes its streams with it.
func TestProbationOfANewStream(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, nativeStream+storeSink)
	cfg.Probation.For, cfg.Probation.Lag = "100ms", "1m"
	r := startInstance(t, cfg)
	good := r.awaitPolicies(t, "good", func(p *PolicyStatus) bool { return p.State == PolicyGood })
	now := newLoad(t, r, 1)
	now.now = time.Now().UnixMilli()
	now.send(t, "a", 50)
	r.settled(t, false, "native", 50)
	old := newLoad(t, r, 1)
	old.now = time.Now().Add(-time.Hour).UnixMilli()

	const with = nativeStream + "\n\tstream: more: {topics: [\"flink.more\"]}" + storeSink
	r.nothingPasses()
	rewriteSet(t, cfg, policySet(with))
	p := r.awaitPolicies(t, "the new stream", func(p *PolicyStatus) bool { return p.Revision != good.Revision && p.State == PolicyProbation })
	old.sendTo(t, "flink.more", "a", 50)
	r.settled(t, false, "more", 50)
	if lag := r.worstLag(time.Now()); lag < 3000 {
		t.Fatalf("the new stream is %v s late", lag)
	}
	r.probe(t.Context())
	if now := r.PolicyStatus(); now.Revision != p.Revision || now.Refused != nil {
		t.Errorf("rolled back: %+v", now.Refused)
	}

	r.rollBack(t.Context(), r.rev.Load(), "for the test")
	if p := r.PolicyStatus(); p.Revision != good.Revision || len(r.Streams()) != 1 {
		t.Errorf("%s with %d streams, want %s", p.Revision, len(r.Streams()), good.Revision)
	}
}

// What an instance cannot run leaves its streams and sinks as they are, and is said.
func TestTopologiesAnInstanceCannotRun(t *testing.T) {
	t.Parallel()
	const direct = "\n\tstream: native: {topics: [\"flink.native\"], level: \"none\", direct: true}" + storeSink
	cfg := testConfig(t, nativeStream+storeSink)
	cfg.Roles = []string{roleHop1}
	r := startInstance(t, cfg)
	was := r.Status().Revision
	rewriteSet(t, cfg, policySet(direct))
	if _, err := r.Reload(context.Background()); !errors.Is(err, ErrRejected) || !strings.Contains(text(err), "with direct streams an instance needs both roles") {
		t.Errorf("direct streams without the sinks: %v", err)
	}
	for name, body := range map[string]string{
		"stream native is gone, stream other is new": "\n\tstream: other: {topics: [\"flink.other\"]}" + storeSink,
		"stream native changes":                      "\n\tstream: native: {topics: [\"flink.native\"], level: \"none\"}" + storeSink,
		"sink store changes":                         nativeStream + "\n\tsink: store: {type: \"store\", retention: \"1d\", default: true}",
	} {
		c := Candidate{Files: map[string]string{"policy.cue": policySet(body)}, Reason: "for the test"}
		_, _, err := r.Canary(context.Background(), Actor{}, CanaryRequest{Share: 0.5, Candidate: c})
		_, _, also := r.Shadow(context.Background(), Actor{}, ShadowRequest{Candidate: c})
		for _, err := range []error{err, also} {
			if !errors.Is(err, ErrRejected) || !strings.Contains(text(err), name+"; a canary or shadow has the streams and sinks that run") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if s := r.Status(); s.Revision != was || len(s.Streams) != 1 || len(s.Sinks) != 0 {
		t.Errorf("%+v", s.Streams)
	}
}

// A stream that is pushed is read by all instances, and by them in parts.
func TestStreamsOfAFleetChange(t *testing.T) {
	t.Parallel()
	all, url := startReceiver(t)
	cfg := topicConfig(t)
	cfg.Brokers, cfg.EgressAllow = roomyBroker(t), []string{"127.0.0.0/8"}
	first, second := startFollowing(t, cfg), startInstance(t, cfg)
	const more = "\n\tstream: more: {topics: [\"flink.more\"], processed: \"more.processed\", partitions: 8}"
	for n, streams := range []string{nativeStream, nativeStream + more, nativeStream, nativeStream + more} {
		by := []instance{first, second}[n%2]
		out, err := by.Apply(context.Background(), pusher, pushing(streams+remoteSink("all", url)))
		if err != nil || len(out.Waiting) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, r := range []instance{first, second} {
			r.awaitPolicies(t, "the fleet", func(p *PolicyStatus) bool { return p.Revision == out.Revision && p.State != PolicyApplying })
			eventually(t, func() string { return text(r.Ready()) })
		}
	}
	for _, r := range []instance{first, second} { // which may take another rebalance
		eventually(t, func() string {
			if h := r.Status().Streams["more"]; len(h.Partitions) != 4 {
				return fmt.Sprintf("an instance has %d of 8 partitions", len(h.Partitions))
			}
			return ""
		})
	}
	l := newLoad(t, first, 64)
	want := l.sendTo(t, "flink.more", "a", 640)
	maps.Copy(want, l.send(t, "a", 640))
	all.has(t, "the sink", want)
	all.once(t, "the sink")
	for _, r := range []instance{first, second} {
		if h := r.Status().Streams["more"]; h.SamplesIn == 0 || h.SamplesIn == 640 {
			t.Errorf("an instance has read %d of 640 samples", h.SamplesIn)
		}
	}
}
