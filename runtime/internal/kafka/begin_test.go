package kafka

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestBeginGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		places := func(group string) map[int32]int64 {
			fetched, err := b.admin.cl.FetchOffsets(t.Context(), group)
			if err != nil {
				t.Fatal(err)
			}
			at := map[int32]int64{}
			fetched.Each(func(o kadm.OffsetResponse) { at[o.Partition] = o.At })
			return at
		}
		begin := func(group string, at time.Time) {
			t.Helper()
			if err := b.admin.BeginGroup(t.Context(), group, at, testTopic); err != nil {
				t.Fatal(err)
			}
		}
		b.send(testTopic, 100)
		time.Sleep(time.Minute)
		between := time.Now()
		time.Sleep(time.Minute)
		b.send(testTopic, 20)

		begin("new", between)
		if at := places("new"); at[0]+at[1] != 100 {
			t.Errorf("a new group begins at %v", at)
		}
		begin("new", time.Now())
		if at := places("new"); at[0]+at[1] != 100 {
			t.Errorf("a known group was moved to %v", at)
		}
		begin("late", time.Now().Add(time.Hour))
		if at := places("late"); at[0]+at[1] != 120 {
			t.Errorf("a group that begins behind everything: %v", at)
		}
		if err := b.admin.BeginGroup(t.Context(), "none", between); err != nil {
			t.Errorf("no topics: %v", err)
		}
		if err := b.admin.BeginGroup(t.Context(), "lost", between, "nowhere"); err == nil || !strings.Contains(err.Error(), "consumer group lost") {
			t.Errorf("a topic that is not there: %v", err)
		}
	})
}
