package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/host"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// pushTo writes a bundle to the control topic of a broker, as an instance does.
func pushTo(t *testing.T, broker, digest, bundle string) {
	t.Helper()
	topic, err := kafka.NewControl(kafka.Config{Brokers: []string{broker}}, controlTopic)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- topic.Run(ctx, func() { close(ready) }) }()
	<-ready
	_, err = control.NewRevisions(topic).Push(ctx, control.Revision{Digest: digest, By: "ann"}, []byte(bundle))
	cancel()
	if err != nil || <-done != nil {
		t.Fatal(err)
	}
}

// bundleOf compiles a set as a push does.
func bundleOf(t *testing.T, body string) (digest, text string) {
	t.Helper()
	set := loadedSetOf(t, policySet(body))
	return set.bundle.Digest, jsonOf(t, set.bundle)
}

// Where the policies are those that were pushed, they are judged, and not the set that
// an instance has before it knows them.
func TestDoctorJudgesWhatWasPushed(t *testing.T) {
	t.Parallel()
	follow := func(brokers ...string) func(*Config) {
		return func(c *Config) { c.Policies, c.Brokers = sourceTopic, brokers }
	}
	pushed := func(digest, text string) string {
		addr := cluster(t)
		pushTo(t, addr, digest, text)
		return addr
	}
	good := pushed(bundleOf(t, `
	stream: native: {topics: ["flink.elsewhere"]}
	sink: archive: {type: "kafka", topic: "archive", default: true}
	sink: away: {type: "remote-write", url: "http://127.0.0.1:1/write", default: true}`))
	digest, _ := bundleOf(t, simpleSet)
	nothingToRead := pushed(bundleOf(t, "\tsink: store: {type: \"store\", default: true}"))
	blind := cluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, controlTopic), kfake.User("PLAIN", "ann", "a"))
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []examined{
		{"judged", follow(good), AreaSluice, "policies", CheckOK, "number 1, pushed by ann at ", ""},
		{"its topics", follow(good), AreaKafka, "topics", CheckWarn, "not there: archive, flink.elsewhere, ", "the instance makes them"},
		{"its groups", follow(good), AreaKafka, "group sluice.sink.archive", CheckOK, "has not begun", ""},
		{"its receivers", follow(good), AreaSinks, "sink away", CheckFail, "loopback", "--egress-allow"},
		{"none yet", follow(cluster(t)), AreaSluice, "policies", CheckWarn, "none were pushed yet", "sluice apply DIR"},
		{"none yet, the topic", follow(cluster(t)), AreaKafka, "topics", CheckWarn, "not there: " + controlTopic, "the instance makes them"},
		{"of another version", follow(pushed(digest, `{"format": 0}`)), AreaSluice, "policies", CheckFail, "it does not run", "sluice rollback"},
		{"nothing to read", follow(nothingToRead), AreaSluice, "policies", CheckFail, "no stream", "sluice rollback"},
		{"away", follow("127.0.0.1:1"), AreaSluice, "policies", CheckSkip, "cannot be read", ""},
		{"away, the brokers", follow("127.0.0.1:1"), AreaKafka, "broker", CheckFail, "refused", "check the address and port"},
		{"inside", follow(), AreaSluice, "policies", CheckSkip, "the broker inside the process", ""},
		{"no right", func(c *Config) {
			follow(blind)(c)
			c.SASL = &SASL{Mechanism: "plain", User: "ann", Password: "file://" + password}
		}, AreaKafka, "control topic", CheckFail, "do not let this user ask", "DESCRIBE and READ"},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.tells(t) })
	}
	for name, broker := range map[string]string{"judged": good, "refused": nothingToRead, "away": "127.0.0.1:1"} {
		cfg := testConfig(t, simpleSet)
		follow(broker)(&cfg)
		if all := fmt.Sprint(Doctor(t.Context(), cfg, Options{})); strings.Contains(all, "flink.native") {
			t.Errorf("%s: the default set is judged: %s", name, all)
		}
	}
}

// A disk that does not answer does not hold up what else there is to tell.
func TestDoctorEnds(t *testing.T) {
	cfg := testConfig(t, simpleSet)
	cfg.DataDir = t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p, stuck := healthy(), make(chan struct{})
		p.Space = func(string) (host.Space, error) {
			<-stuck
			return host.Space{}, nil
		}
		checks := examine(t.Context(), cfg, Options{}, p)
		close(stuck)
		for _, want := range []HealthCheck{
			{Area: AreaMachine, Name: AreaMachine, Outcome: CheckFail, Seen: "the checks did not end within 20s", Do: "is a disk or a network file system stuck?"},
			{Area: AreaKafka, Name: "broker", Outcome: CheckOK, Seen: "runs inside the process"},
		} {
			if !strings.Contains(fmt.Sprintf("%+v", checks), fmt.Sprintf("%+v", want)) {
				t.Errorf("%+v lacks %+v", checks, want)
			}
		}
	})
}
