package kafka

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestPutControlWritesWhatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		put := func(key, value string, want bool) {
			t.Helper()
			wrote, err := PutControl(t.Context(), b.broker.Config(), "control", key, []byte(value))
			if err != nil || wrote != want {
				t.Errorf("%s=%.20s: wrote %t, error %v", key, value, wrote, err)
			}
		}
		put("a", "one", true)
		put("a", "one", false)
		put("b", "one", true)
		put("a", "two", true)
		put("b", "one", false)
		put("a", "one", true) // what was once there is not there
		put("large", strings.Repeat("rule ", 600_000), true)
		put("large", strings.Repeat("rule ", 600_000), false)
		topic := b.broker.cluster.TopicInfo("control")
		if v := topic.Configs["cleanup.policy"]; len(b.broker.cluster.PartitionInfos("control")) != 1 || v == nil || *v != "compact" {
			t.Errorf("topic %+v", topic)
		}
		if got, err := latest(t.Context(), b.admin.cl, b.broker.Config(), "control", "a"); err != nil || string(got) != "one" {
			t.Errorf("latest is %q, error %v", got, err)
		}
		if got, err := latest(t.Context(), b.admin.cl, b.broker.Config(), "control", "nobody"); err != nil || got != nil {
			t.Errorf("of no key: %q, error %v", got, err)
		}
	})
}

// Who cannot read writes all the same, and who cannot write says why.
func TestPutControlFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		if wrote, err := PutControl(t.Context(), b.broker.Config(), "control", "a", []byte("one")); err != nil || !wrote {
			t.Fatal(wrote, err)
		}
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		if wrote, err := PutControl(t.Context(), b.broker.Config(), "control", "a", []byte("one")); err != nil || !wrote {
			t.Errorf("without the right to read: wrote %t, error %v", wrote, err)
		}
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		if _, err := PutControl(t.Context(), b.broker.Config(), "control", "a", []byte("two")); err == nil || !strings.Contains(err.Error(), "topic control") {
			t.Errorf("without the right to write: error %v", err)
		}
		huge := bytes.Repeat([]byte("x"), controlBytes)
		if _, err := PutControl(t.Context(), b.broker.Config(), "control", "a", huge); err == nil {
			t.Error("8 MiB are written")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := PutControl(ended, b.broker.Config(), "control", "a", nil); err == nil {
			t.Error("no error after the end")
		}
	})
}
