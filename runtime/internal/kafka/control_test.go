package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const testControl = "sluice.control"

// runControl runs a reader until stop, which waits for its end.
func runControl(t *testing.T, config Config) (c *Control, stop func()) {
	t.Helper()
	c, err := NewControl(config, testControl)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() { done <- c.Run(ctx, func() { once.Do(func() { close(ready) }) }) }()
	var ended sync.Once
	stop = func() {
		ended.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error("Run:", err)
			}
		})
	}
	t.Cleanup(stop)
	<-ready
	return c, stop
}

func put(t *testing.T, c *Control, key, value string) {
	t.Helper()
	if err := c.Put(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// said lists what is known of a kind, by offset.
func said(c *Control, prefix string) (out []string) {
	for _, e := range c.List(prefix) {
		out = append(out, e.Key+"="+string(e.Value))
	}
	return out
}

func wantSaid(t *testing.T, c *Control, prefix string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, said(c, prefix)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", prefix, diff)
	}
}

func TestControlSaysWhatItWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		a, _ := runControl(t, b.broker.Config())
		other, _ := runControl(t, b.broker.Config())
		changed, elsewhere := other.Changed("rule"), other.Changed("task")
		put(t, a, "rule/1", "one")
		put(t, a, "rule/2", "two")
		put(t, a, "collect", "")
		put(t, a, "rule/1", "three")
		wantSaid(t, a, "rule/", "rule/2=two", "rule/1=three")
		if e, ok := a.Get("collect"); !ok || len(e.Value) != 0 || e.Heard.After(time.Now()) {
			t.Errorf("an empty value is %+v, %t", e, ok)
		}
		<-changed
		select {
		case <-elsewhere:
			t.Error("a rule changes tasks")
		default:
		}
		put(t, other, "task/1", "off") // which it sees after all before
		wantSaid(t, other, "rule/", "rule/2=two", "rule/1=three")
		if err := other.Delete(t.Context(), "rule/2"); err != nil {
			t.Fatal(err)
		}
		wantSaid(t, other, "rule/", "rule/1=three")
		until(t, time.Second, "the deletion elsewhere", func() bool { _, ok := a.Get("rule/2"); return !ok })

		topic := b.broker.cluster.TopicInfo(testControl)
		if n := len(b.broker.cluster.PartitionInfos(testControl)); n != 1 || *topic.Configs["cleanup.policy"] != "compact" {
			t.Errorf("topic %+v with %d partitions", topic, n)
		}
	})
}

func TestControlTakesLargeValuesAndRefusesLarger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		c, _ := runControl(t, b.broker.Config())
		noise := make([]byte, MaxControlValue-len("bundle/1"))
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		put(t, c, "bundle/1", string(noise))
		if e, _ := c.Get("bundle/1"); string(e.Value) != string(noise) {
			t.Errorf("read back %d of %d bytes", len(e.Value), len(noise))
		}
		var large *TooLargeError
		if err := c.Put(t.Context(), "bundle/12", noise); !errors.As(err, &large) || large.Max != MaxControlValue {
			t.Errorf("a byte more: error %v", err)
		}
	})
}

// A topic that somebody else made may take less. What does not fit is refused with
// the setting to change, and what fits goes on.
func TestControlTakesATopicAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		if err := b.broker.cluster.CreateTopic(testControl, 1, map[string]string{"max.message.bytes": "1000"}); err != nil {
			t.Fatal(err)
		}
		c, _ := runControl(t, b.broker.Config())
		noise := make([]byte, 2000)
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		if err := c.Put(t.Context(), "bundle/1", noise); err == nil || !strings.Contains(err.Error(), "max.message.bytes") {
			t.Errorf("error %v", err)
		}
		put(t, c, "bundle/2", "small")
		wantSaid(t, c, "bundle/", "bundle/2=small")
	})
}

// Compaction leaves holes, also at the end, and transactions leave control records.
func TestControlReadsOverHolesAndControlRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		c, stop := runControl(t, b.broker.Config())
		for i := range 20 {
			put(t, c, fmt.Sprintf("a/%d", i%3), fmt.Sprint(i))
		}
		b.broker.cluster.Compact()
		again, _ := runControl(t, b.broker.Config())
		wantSaid(t, again, "a/", "a/2=17", "a/0=18", "a/1=19")
		stop()

		commit(t, b.broker.Config(), kgo.TryCommit, "t/1")
		commit(t, b.broker.Config(), kgo.TryAbort, "t/2")
		third, _ := runControl(t, b.broker.Config())
		put(t, third, "t/3", "yes")
		wantSaid(t, third, "t/", "t/1=t/1", "t/2=t/2", "t/3=yes") // it reads what is written, committed or not

		// The end of the log lies behind the last record that there is.
		b.broker.cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.broker.cluster.KeepControl()
			r := req.(*kmsg.ListOffsetsRequest)
			if r.Topics[0].Topic != testControl || r.Topics[0].Partitions[0].Timestamp != -1 {
				return nil, nil, false
			}
			resp := r.ResponseKind().(*kmsg.ListOffsetsResponse)
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Offset = 1000
			resp.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: testControl, Partitions: []kmsg.ListOffsetsResponseTopicPartition{p}}}
			return resp, nil, true
		})
		began := time.Now()
		hole, _ := runControl(t, b.broker.Config())
		if !hole.Loaded() || time.Since(began) > 5*time.Second {
			t.Errorf("loaded %t after %v", hole.Loaded(), time.Since(began))
		}
		wantSaid(t, hole, "a/", "a/2=17", "a/0=18", "a/1=19")
		wantSaid(t, hole, "barrier/")

		// Who only reads comes to the same, and has written nothing.
		end := b.broker.cluster.PartitionInfo(testControl, 0).HighWatermark
		reads := readControl(t, b.broker.Config(), testControl)
		wantSaid(t, reads, "a/", "a/2=17", "a/0=18", "a/1=19")
		if now := b.broker.cluster.PartitionInfo(testControl, 0).HighWatermark; now != end {
			t.Errorf("reading has written %d records", now-end)
		}
		wantSaid(t, readControl(t, b.broker.Config(), "sluice.none"), "a/")
		if b.broker.cluster.TopicInfo("sluice.none") != nil {
			t.Error("reading has made a topic")
		}
	})
}

func readControl(t *testing.T, config Config, topic string) *Control {
	t.Helper()
	c, err := NewControl(config, topic)
	if err == nil {
		err = c.Read(t.Context())
	}
	if err != nil || !c.Loaded() {
		t.Fatal(err)
	}
	return c
}

// commit writes one record in a transaction.
func commit(t *testing.T, config Config, how kgo.TransactionEndTry, key string) {
	t.Helper()
	opts, err := config.options()
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.TransactionalID("t"), kgo.DefaultProduceTopic(testControl))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	record := &kgo.Record{Key: []byte(key), Value: []byte(key)}
	if err := cl.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(t.Context(), how); err != nil {
		t.Fatal(err)
	}
}

func TestControlGoesOnAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		here, _ := runControl(t, b.broker.Config())
		config := b.broker.Config()
		net := &cable{dial: config.dial}
		config.dial = net.plug
		c, _ := runControl(t, config)
		put(t, c, "a/1", "before")
		net.pull()
		put(t, here, "a/2", "meanwhile")
		soon, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := c.Put(soon, "a/3", []byte("late")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		wantSaid(t, c, "a/", "a/1=before")
		net.mend()
		until(t, 20*time.Second, "what was written meanwhile", func() bool { _, ok := c.Get("a/2"); return ok })
		put(t, c, "a/4", "after")
		until(t, 20*time.Second, "what was written afterwards, elsewhere", func() bool { _, ok := here.Get("a/4"); return ok })
		wantSaid(t, here, "a/", said(c, "a/")...)
	})
}

// Compaction forgets deletions after a time: who was away for long reads anew.
func TestControlForgetsWhatWasDeletedDuringALongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		short := map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "7200000"}
		if err := b.broker.cluster.CreateTopic(testControl, 1, short); err != nil {
			t.Fatal(err)
		}
		here, _ := runControl(t, b.broker.Config())
		config := b.broker.Config()
		net := &cable{dial: config.dial}
		config.dial = net.plug
		c, _ := runControl(t, config)
		put(t, c, "a/1", "kept")
		put(t, c, "a/2", "deleted")
		net.pull()
		if err := here.Delete(t.Context(), "a/2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		put(t, here, "a/3", "new")
		b.broker.cluster.Compact() // the deletion is older than delete.retention.ms
		net.mend()
		until(t, time.Minute, "the new value", func() bool { _, ok := c.Get("a/3"); return ok })
		wantSaid(t, c, "a/", "a/1=kept", "a/3=new")
	})
}

func TestControlWithoutABrokerIsReadyAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		config := b.broker.Config()
		net := &cable{dial: config.dial, cut: true}
		config.dial = net.plug
		var out strings.Builder
		var mu sync.Mutex
		config.Log = slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return out.Write(p)
		}), nil))
		began := time.Now()
		c, _ := runControl(t, config)
		if took := time.Since(began); took != loadPatience || c.Loaded() {
			t.Errorf("ready after %v, loaded %t", took, c.Loaded())
		}
		time.Sleep(2 * time.Minute)
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Put(soon, "a", nil)
		if err == nil || !strings.Contains(err.Error(), "no broker of") || c.Err() == nil {
			t.Errorf("error %v, %v", err, c.Err())
		}
		net.mend()
		until(t, time.Minute, "the topic", c.Loaded)
		put(t, c, "a/1", "one")
		mu.Lock()
		defer mu.Unlock()
		if n := strings.Count(out.String(), "control topic cannot be read"); n != 1 || c.Err() != nil {
			t.Errorf("said %d times:\n%s, %v", n, out.String(), c.Err())
		}
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestControlThatCannotBeRead(t *testing.T) {
	t.Parallel()
	guarded := listen(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, testControl), kfake.User("PLAIN", "ann", "a"))
	for name, config := range map[string]Config{
		"away":      {Brokers: []string{"127.0.0.1:1"}},
		"no rights": {Brokers: []string{guarded}, SASL: SASL{SASLPlain, "ann", secret("a")}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		c, err := NewControl(config, testControl)
		if err == nil {
			err = c.Read(ctx)
		}
		if err == nil || c.Loaded() {
			t.Errorf("%s: error %v", name, err)
		}
		cancel()
	}
}

func TestControlWithoutRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		c, _ := runControl(t, b.broker.Config())
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: 1})
		if err := c.Put(t.Context(), "a/1", []byte("one")); err == nil || !strings.Contains(err.Error(), "topic "+testControl) {
			t.Errorf("without the right to write: error %v", err)
		}
		put(t, c, "a/1", "one")
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		blind, _ := runControl(t, b.broker.Config())
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := blind.Put(soon, "a/3", nil); err == nil {
			t.Error("no error although it cannot be read back")
		}
	})
}

// On the embedded broker the topic outlives restarts, age and trimming.
func TestControlIsKept(t *testing.T) {
	dir := t.TempDir()
	open := func() (*Embedded, *Control, func()) {
		e, err := OpenEmbedded(EmbeddedOptions{Dir: dir, Retention: time.Nanosecond, Unread: time.Nanosecond, TrimEvery: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		c, stop := runControl(t, e.Config())
		return e, c, func() {
			stop()
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	e, c, stop := open()
	put(t, c, "a/1", "one")
	put(t, c, "a/2", "two")
	put(t, c, "a/1", "three")
	if err := c.Delete(t.Context(), "a/2"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one only learns how old things are
		if err := e.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e.cluster.Compact()
	stop()
	_, c, stop = open()
	defer stop()
	wantSaid(t, c, "a/", "a/1=three")
	put(t, c, "a/4", "four")
	wantSaid(t, c, "a/", "a/1=three", "a/4=four")
}

func TestControlOutlivesTheRetentionOfOtherTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, 1, EmbeddedOptions{TrimEvery: 24 * time.Hour})
		c, stop := runControl(t, b.broker.Config())
		put(t, c, "a/1", "one")
		stop()
		b.pub.Close()
		b.admin.Close()
		time.Sleep(8 * 24 * time.Hour)
		c, _ = runControl(t, b.broker.Config())
		wantSaid(t, c, "a/", "a/1=one")
	})
}
