package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAdminMakesWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 3)
		want := []Topic{
			{Name: testTopic, Partitions: 12},
			{Name: "processed", Partitions: 5, Config: map[string]string{"retention.ms": "3600000"}},
			{Name: "letters"},
		}
		for range 2 {
			if err := b.admin.EnsureTopics(t.Context(), want...); err != nil {
				t.Fatal(err)
			}
		}
		got, err := b.admin.Topics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int32{testTopic: 3, "processed": 5, "letters": 10}, got); diff != "" {
			t.Errorf("topics (-want +got):\n%s", diff)
		}
		if v := b.broker.cluster.TopicInfo("processed").Configs["retention.ms"]; v == nil || *v != "3600000" {
			t.Errorf("retention.ms is %v", v)
		}
	})
}

func TestAdminSaysWhichTopicCannotBe(t *testing.T) {
	for _, tt := range []struct {
		fault *kerr.Error
		want  string
	}{
		{kerr.TopicAuthorizationFailed, "topic processed: this user has no right"},
		{kerr.PolicyViolation, "topic processed: the cluster's own policy"},
		{kerr.InvalidReplicationFactor, "topic processed: "},
	} {
		t.Run(tt.fault.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: tt.fault, Count: -1})
				err := b.admin.EnsureTopics(t.Context(), Topic{Name: "processed"}, Topic{Name: testTopic})
				if !errors.Is(err, tt.fault) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

func TestAdminTakesATopicThatSomebodyElseJustMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		if err := b.admin.create(t.Context(), Topic{Name: testTopic}); err != nil {
			t.Error(err)
		}
	})
}

func TestAdminNamesBrokersThatDoNotAnswer(t *testing.T) {
	a, err := NewAdmin(Config{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = a.EnsureTopics(ctx, Topic{Name: "x"})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error %v", err)
	}
}

func TestPublisherKeepsTheOrderOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		b.send(testTopic, 2000)
		home := map[string]int32{}
		for p, records := range b.read(2000) {
			last := map[string]string{}
			for _, r := range records {
				key, value := string(r.Key), string(r.Value)
				if at, ok := home[key]; ok && at != p {
					t.Fatalf("key %s in partitions %d and %d", key, at, p)
				}
				home[key] = p
				if l := last[key]; len(value) < len(l) || len(value) == len(l) && value < l {
					t.Fatalf("key %s: %s after %s", key, value, l)
				}
				last[key] = value
			}
		}
		if len(home) != 16 {
			t.Errorf("%d keys", len(home))
		}
	})
}

func TestPublisherReportsTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		var large *TooLargeError
		if err := b.pub.Publish(t.Context(), testTopic, nil, make([]byte, 2_000_000)); !errors.As(err, &large) {
			t.Errorf("large record: %v", err)
		}
		b.send(testTopic, 1)
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed})
		if err := b.pub.Publish(t.Context(), testTopic, nil, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := b.pub.Flush(t.Context()); !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Flush: %v", err)
		}
		if err := b.pub.Publish(t.Context(), testTopic, nil, []byte("x")); !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Publish: %v", err)
		}
		if got := b.pub.Stats(); got != (Published{Records: 2, Acked: 1, Failed: 1, Bytes: got.Bytes}) {
			t.Errorf("stats %+v", got)
		}
	})
}
