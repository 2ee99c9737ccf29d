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
		read := func() (n int) {
			out.mu.Lock()
			defer out.mu.Unlock()
			for _, offsets := range out.flushed {
				n += len(offsets)
			}
			return n
		}
		src, err := NewSource(b.broker.Config(), SourceOptions{Group: "hop1", Topics: []string{testTopic}})
		if err != nil {
			t.Fatal(err)
		}
		src.Add("early") // before it runs
		m := b.run(src, out.open)
		b.send(testTopic, 50)
		until(t, 20*time.Second, "what is consumed from the start", func() bool { return read() == 100 })

		src.Pause()
		src.Add("late", testTopic)
		until(t, 20*time.Second, "partitions", func() bool { return len(src.Status().Partitions) == 6 })
		time.Sleep(time.Second)
		if n := read(); n != 100 {
			t.Errorf("%d records are consumed of a source that is paused", n-100)
		}
		src.Resume()
		b.send(testTopic, 50)
		until(t, 20*time.Second, "what was added", func() bool { return read() == 200 })
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
