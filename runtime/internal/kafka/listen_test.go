package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestReadSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		read := func(since time.Time) int {
			t.Helper()
			n := 0
			if err := ReadSince(t.Context(), b.broker.Config(), since, []string{testTopic}, func(value []byte) error {
				if len(value) == 0 {
					t.Error("a record without a value")
				}
				n++
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := read(time.Now().Add(-time.Hour)); n != 0 {
			t.Errorf("%d records of an empty topic", n)
		}
		b.send(testTopic, 500)
		time.Sleep(time.Minute)
		later := time.Now()
		time.Sleep(time.Minute)
		b.send(testTopic, 70)
		if all, some, none := read(later.Add(-time.Hour)), read(later), read(time.Now().Add(time.Hour)); all != 570 || some != 70 || none != 0 {
			t.Errorf("%d, %d and %d records, want 570, 70 and 0", all, some, none)
		}
		enough := errors.New("enough")
		if err := ReadSince(t.Context(), b.broker.Config(), later, []string{testTopic}, func([]byte) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("error %v", err)
		}
		if err := ReadSince(t.Context(), b.broker.Config(), later, []string{"nowhere"}, func([]byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("a topic that is not there: %v", err)
		}
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		if err := ReadSince(t.Context(), b.broker.Config(), later, []string{testTopic}, func([]byte) error { return nil }); err == nil {
			t.Error("no error without the right to read")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ReadSince(ended, b.broker.Config(), later, []string{testTopic}, func([]byte) error { return nil }); err == nil {
			t.Error("no error after the end")
		}
	})
}
