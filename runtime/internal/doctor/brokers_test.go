package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// cluster is a broker, such as one with users and rights.
func cluster(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

func TestBrokers(t *testing.T) {
	t.Parallel()
	const topic = "sluice.control"
	uses := map[string]Use{
		"flink.native": {Rights: []string{"READ"}, Replays: true}, "sluice.processed": {Rights: []string{"READ", "WRITE"}, Replays: true},
		"sluice.dead-letter": {Rights: []string{"WRITE"}}, topic: {Rights: []string{"READ", "WRITE"}, Control: true},
	}
	mayRead := kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true}
	guarded := kafka.Config{
		Brokers: []string{cluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(3, topic), kfake.User("PLAIN", "ann", "a", mayRead))},
		SASL:    kafka.SASL{Mechanism: "plain", User: "ann", Password: func() (string, error) { return "a", nil }},
	}
	at := func(broker string) kafka.Config { return kafka.Config{Brokers: []string{broker}} }
	unsafe := at(brokerWith(t,
		kafka.Topic{Name: "flink.native", Partitions: 1, Config: map[string]string{"cleanup.policy": "compact"}},
		kafka.Topic{Name: "sluice.processed", Partitions: 1, Config: map[string]string{"retention.ms": "3600000", "retention.bytes": "1048576"}},
		kafka.Topic{Name: topic, Partitions: 1, Config: map[string]string{"cleanup.policy": "delete", "max.message.bytes": "1048576"}},
	))
	for _, tt := range []struct {
		name                     string
		config                   kafka.Config
		check, outcome, says, do string
	}{
		{"a closed port", at("127.0.0.1:1"), "broker", Fail, "refused", "check the address and port"},
		{"no broker", kafka.Config{}, "broker", Fail, "", "mend the setting"},
		{"topics that may not be seen", guarded, "topics", Fail, "may not see", "allow this user"},
		{"a right that lacks", guarded, "rights", Fail, "WRITE on " + topic, "kafka-acls"},
		{"a control topic of three", guarded, "topic " + topic, Fail, "3 partitions", "one partition"},
		{"groups that may not be seen", guarded, "group sluice.stream.native", Fail, "may not describe", "kafka-acls --group sluice.stream.native"},
		{"missing topics", at(cluster(t)), "topics", Warn, "not there: flink.native, ", "the instance makes them"},
		{"settings that lose samples", unsafe, "topic flink.native", Fail, "cleanup.policy is \"compact\"", "cleanup.policy=delete"},
		{"a control topic that forgets", unsafe, "topic " + topic, Fail, "would be deleted by age", "cleanup.policy=compact"},
		{"a control topic of small records", unsafe, "topic " + topic, Warn, "could not be pushed", "max.message.bytes=8388608"},
		{"a short retention", unsafe, "topic sluice.processed", Warn, "it keeps 1h0m0s", "retention.ms=86400000"},
		{"little retention", unsafe, "topic sluice.processed", Warn, "a partition keeps 1 MiB", "retention.bytes"},
		{"a clock that is ahead", at(unread(t)), "clock", Warn, "from now", "NTP"},
		{"records that nobody reads", at(unread(t)), "group sluice.stream.native", Warn, "3 records wait", "start an instance"},
		{"records that are gone", at(lost(t)), "group sluice.stream.native", Fail, "2 records deleted before they were read", "lengthen the retention"},
		{"brokers that tell nothing", at(mute(t)), "topic flink.native", Fail, "UNKNOWN_SERVER_ERROR", "ask who runs the brokers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := Findings{area: AreaKafka}
			b := Brokers{Config: tt.config, Uses: uses, Groups: []string{"sluice.stream.native"}}
			b.Look(t.Context(), &f)
			told(t, f.list, Check{AreaKafka, tt.check, tt.outcome, tt.says, tt.do})
		})
	}
}

// brokerWith is a broker with topics.
func brokerWith(t *testing.T, topics ...kafka.Topic) string {
	t.Helper()
	addr := cluster(t)
	admin, err := kafka.NewAdmin(kafka.Config{Brokers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.EnsureTopics(t.Context(), topics...); err != nil {
		t.Fatal(err)
	}
	return addr
}

// committed is a broker on which the group of the stream is at the first of three
// records, which were written at a time.
func committed(t *testing.T, at time.Time) (addr string, admin *kadm.Client) {
	t.Helper()
	addr = brokerWith(t, kafka.Topic{Name: "flink.native", Partitions: 1})
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for range 3 {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "flink.native", Value: []byte("{}"), Timestamp: at}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	admin = kadm.NewClient(cl)
	var offsets kadm.Offsets
	offsets.AddOffset("flink.native", 0, 0, -1)
	if err := admin.CommitAllOffsets(t.Context(), "sluice.stream.native", offsets); err != nil {
		t.Fatal(err)
	}
	return addr, admin
}

// unread is a broker of records of the future, which nobody reads.
func unread(t *testing.T) string {
	t.Helper()
	addr, _ := committed(t, time.Now().Add(time.Hour))
	return addr
}

// lost is a broker that has deleted what the group had not read.
func lost(t *testing.T) string {
	t.Helper()
	addr, admin := committed(t, time.Now())
	var to kadm.Offsets
	to.AddOffset("flink.native", 0, 2, -1)
	if deleted, err := admin.DeleteRecords(t.Context(), to); err != nil || deleted.Error() != nil {
		t.Fatal(err, deleted.Error())
	}
	return addr
}

// mute is a broker that has an error for each question about a topic.
func mute(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "flink.native"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked := r.(*kmsg.MetadataRequest)
		if len(asked.Topics) == 0 {
			return nil, nil, false
		}
		resp := asked.ResponseKind().(*kmsg.MetadataResponse)
		for _, topic := range asked.Topics {
			told := kmsg.NewMetadataResponseTopic()
			told.Topic, told.ErrorCode = topic.Topic, kerr.UnknownServerError.Code
			resp.Topics = append(resp.Topics, told)
		}
		return resp, nil, true
	})
	return c.ListenAddrs()[0]
}

// What one broker cannot show is told from the states that brokers of a cluster, and
// groups, may be in.
func TestDoctorJudgesStates(t *testing.T) {
	t.Parallel()
	fits := map[string]string{"cleanup.policy": "delete", "min.insync.replicas": "2"}
	with := func(least string) map[string]string {
		return map[string]string{"cleanup.policy": "delete", "min.insync.replicas": least}
	}
	topic := func(s kafka.TopicState) func(*Findings) {
		return func(f *Findings) { f.topic("in", &s, Use{Replays: true}, 3) }
	}
	group := func(s kafka.GroupState) func(*Findings) { return func(f *Findings) { f.group("g", s) } }
	topics := func(s kafka.ClusterState) func(*Findings) {
		return func(f *Findings) { f.topics(&s, map[string]Use{"in": {}}) }
	}
	for _, tt := range []struct {
		name              string
		look              func(*Findings)
		outcome, says, do string
	}{
		{"no leader", topic(kafka.TopicState{Partitions: 8, Replicas: 3, Leaderless: 1, Settings: fits}), Fail, "1 of 8 partitions have no leader", "who runs the brokers"},
		{"behind", topic(kafka.TopicState{Partitions: 8, Replicas: 3, Behind: 2, Settings: fits}), Warn, "2 of 8 partitions have replicas that are not in sync", "who runs the brokers"},
		{"one replica", topic(kafka.TopicState{Partitions: 8, Replicas: 1, Settings: with("1")}), Warn, "one replica on 3 brokers", "three replicas"},
		{"settings hidden", topic(kafka.TopicState{Partitions: 8, Replicas: 3}), Warn, "may not be read", "DESCRIBE_CONFIGS"},
		{"cannot be written", topic(kafka.TopicState{Partitions: 8, Replicas: 2, Settings: with("3")}), Fail, "cannot be written", "lower min.insync.replicas"},
		{"all in sync", topic(kafka.TopicState{Partitions: 8, Replicas: 3, Settings: with("3")}), Warn, "one broker away stops writing", "one less"},
		{"one in sync", topic(kafka.TopicState{Partitions: 8, Replicas: 3, Settings: with("1")}), Warn, "is lost with it", "min.insync.replicas to 2"},
		{"missing, may not make", topics(kafka.ClusterState{}), Warn, "not there: in", "may CREATE them; else have them made"},
		{"missing, may make", topics(kafka.ClusterState{MayCreate: true}), Warn, "not there: in", "nothing: the instance makes them"},
		{"no right to look", group(kafka.GroupState{Err: kafka.ErrDenied}), Fail, "may not describe", "--group g"},
		{"an error", group(kafka.GroupState{Err: errors.New("odd")}), Fail, "odd", "check that the user may describe"},
		{"no right to join", group(kafka.GroupState{State: "Stable", Rights: []string{"DESCRIBE"}}), Fail, "may not join", "READ on the group"},
		{"lost", group(kafka.GroupState{State: "Stable", Members: 1, Lost: 1, Lag: 3}), Fail, "1 record deleted", "lengthen the retention"},
		{"nobody reads", group(kafka.GroupState{State: "Empty", Lag: 3}), Warn, "3 records wait", "start an instance"},
		{"reads", group(kafka.GroupState{State: "Stable", Members: 1, Lag: 3}), OK, "stable, 1 member, 3 records behind", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f Findings
			tt.look(&f)
			if len(f.list) != 1 || f.list[0].Outcome != tt.outcome || !strings.Contains(f.list[0].Seen, tt.says) || !strings.Contains(f.list[0].Do, tt.do) {
				t.Errorf("%+v, want %s: %q -> %q", f.list, tt.outcome, tt.says, tt.do)
			}
		})
	}
}

// Brokers that stop to answer in the middle are told, with what to do.
func TestDoctorWhenBrokersStop(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if asked := r.(*kmsg.MetadataRequest).Topics; asked != nil && len(asked) == 0 { // about the brokers only
			cancel()
			return nil, errors.New("gone"), true
		}
		return nil, nil, false
	})
	var f Findings
	b := Brokers{Config: kafka.Config{Brokers: c.ListenAddrs()}}
	b.Look(ctx, &f)
	if len(f.list) != 1 || f.list[0].Outcome != Fail || !strings.Contains(f.list[0].Do, "may describe topics and groups") {
		t.Errorf("%+v", f.list)
	}
}
