package kafka

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Topics that are added to a group are consumed from where it left them, or their
// start; the workers that it has go on.
func TestSourceConsumesTopicsThatAreAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		for _, topic := range []string{"early", "late"} {
			if err := b.admin.EnsureTopics(t.Context(), Topic{Name: topic, Partitions: 2}); err != nil {
				t.Fatal(err)
			}
			b.send(topic, 50)
		}
		out := newSink()
		src, err := NewSource(b.broker.Config(), SourceOptions{Group: "hop1", Topics: []string{testTopic}})
		if err != nil {
			t.Fatal(err)
		}
		src.Add("early") // before it runs
		m := b.run(src, out.open)
		b.send(testTopic, 50)
		until(t, 20*time.Second, "what is consumed from the start", func() bool { return out.read() == 100 })

		src.Pause()
		src.Add("late", testTopic)
		until(t, 20*time.Second, "partitions", func() bool { return len(src.Status().Partitions) == 6 })
		time.Sleep(time.Second)
		if n := out.read(); n != 100 {
			t.Errorf("%d records are consumed of a source that is paused", n-100)
		}
		src.Resume()
		b.send(testTopic, 50)
		until(t, 20*time.Second, "what was added", func() bool { return out.read() == 200 })
		if topics := src.Topics(); !slices.Equal(topics, []string{testTopic, "early", "late"}) {
			t.Errorf("topics %v", topics)
		}
		if n := out.closes(); n > 0 {
			t.Errorf("%d workers were closed", n)
		}
		m.leave(t)
		if n := b.committed("hop1"); n != 200 {
			t.Errorf("%d of 200 records are committed", n)
		}
	})
}

// Topics that are removed from a group are committed and left alone, also when they are
// deleted; those that it goes on with do not notice. They may come back.
func TestSourceGivesUpTopicsThatAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		if err := b.admin.EnsureTopics(t.Context(), Topic{Name: "goes", Partitions: 2}); err != nil {
			t.Fatal(err)
		}
		out := newSink()
		src, err := NewSource(b.broker.Config(), SourceOptions{Group: "hop1", Topics: []string{testTopic, "never", "goes"}})
		if err != nil {
			t.Fatal(err)
		}
		src.Remove("never") // before it runs
		m := b.run(src, out.open)
		b.send(testTopic, 50)
		b.send("goes", 50)
		until(t, 20*time.Second, "everything", func() bool { return out.read() == 100 })

		src.Remove("goes")
		until(t, 20*time.Second, "partitions given up", func() bool { return len(src.Status().Partitions) == 2 })
		if n := b.committed("hop1"); n < 50 {
			t.Errorf("%d of the 50 records of the topic are committed", n)
		}
		b.send("goes", 50)
		b.send(testTopic, 50)
		until(t, 20*time.Second, "what stays", func() bool { return out.read() == 150 })
		if n := out.closes(); n != 2 {
			t.Errorf("%d workers were closed, want those of the topic that was removed", n)
		}

		src.Remove("goes", testTopic)
		src.Add("goes", testTopic) // before it could be given up
		until(t, 20*time.Second, "what has come meanwhile", func() bool { return out.read() == 200 })
		src.Remove("goes")
		until(t, 20*time.Second, "partitions given up", func() bool { return len(src.Status().Partitions) == 2 })
		if _, err := b.admin.cl.DeleteTopics(t.Context(), "goes"); err != nil {
			t.Fatal(err)
		}
		b.send(testTopic, 50)
		until(t, 20*time.Second, "what stays", func() bool { return out.read() == 250 })
		time.Sleep(time.Minute)
		if s := src.Status(); s.Err != nil || s.GapCount > 0 || len(s.Partitions) != 2 {
			t.Errorf("%v, %d gaps, %d partitions", s.Err, s.GapCount, len(s.Partitions))
		}
		m.leave(t)
	})
}

// A topic that is deleted while it is being removed does not come back.
func TestSourceRemovesATopicThatIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		if err := b.admin.EnsureTopics(t.Context(), Topic{Name: "goes", Partitions: 2}); err != nil {
			t.Fatal(err)
		}
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{Topics: []string{testTopic, "goes"}}, out.open)
		b.send("goes", 50)
		until(t, 20*time.Second, "everything", func() bool { return out.read() == 50 })
		if _, err := b.admin.cl.DeleteTopics(t.Context(), "goes"); err != nil {
			t.Fatal(err)
		}
		m.src.Remove("goes")
		until(t, time.Minute, "partitions given up", func() bool { return len(m.src.Status().Partitions) == 1 })
		b.send(testTopic, 50)
		until(t, 20*time.Second, "what stays", func() bool { return out.read() == 100 })
		m.leave(t)
	})
}
