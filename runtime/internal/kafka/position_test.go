package kafka

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"
)

// A group has its place where it begins before it has acknowledged anything, also where
// there is nothing to read yet, and in partitions that come later.
func TestSourceGivesItsGroupAPlaceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.send(testTopic, 20)
		b.deleteTo(5)
		if err := b.admin.EnsureTopics(t.Context(), Topic{Name: "quiet", Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		out := newSink()
		out.stuck()
		m := b.join(b.broker.Config(), SourceOptions{Topics: []string{testTopic, "quiet"}, DrainTimeout: time.Second}, out.open)
		want := map[string]int64{"native/0": 5, "native/1": 0, "quiet/0": 0}
		placed := func() bool { return maps.Equal(b.places("hop1"), want) }
		until(t, 20*time.Second, "places", placed)
		if _, err := b.admin.cl.CreatePartitions(t.Context(), 1, "quiet"); err != nil {
			t.Fatal(err)
		}
		want["quiet/1"] = 0
		until(t, time.Minute, "the place in a new partition", placed)
		m.leave(t)
		if !placed() {
			t.Errorf("after nothing was acknowledged the group stands at %v", b.places("hop1"))
		}
	})
}

// The first that a member has acknowledged is committed although it leaves meanwhile, and
// took longer for it than the group waits for heartbeats.
func TestSourceCommitsItsFirstAcknowledgementAtASlowEnd(t *testing.T) {
	for _, before := range []int64{0, 4} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 1)
			b.send(testTopic, 10)
			b.commit("hop1", before, 0)
			out := newSink()
			up := out.stuck()
			m := b.join(b.broker.Config(), SourceOptions{DrainTimeout: longestDrain}, out.open)
			until(t, 20*time.Second, "records in hand", func() bool {
				parts := m.src.Status().Partitions
				return len(parts) == 1 && parts[0].Next == 10
			})
			time.AfterFunc(2*sessionTimeout, func() { close(up) })
			m.leave(t)
			if got := b.committed("hop1"); got != 10 {
				t.Errorf("committed %d, want 10", got)
			}
		})
	}
}
