package kafka

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEndOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		if err := b.admin.EnsureTopics(t.Context(), Topic{Name: "empty", Partitions: 3}); err != nil {
			t.Fatal(err)
		}
		b.send(testTopic, 100)
		ends, err := b.admin.EndOffsets(t.Context(), testTopic, "empty")
		if err != nil || len(ends) != 2 || len(ends[testTopic]) != 2 || len(ends["empty"]) != 3 {
			t.Fatalf("%v, %v", ends, err)
		}
		if n := ends[testTopic][0] + ends[testTopic][1]; n != 100 || ends["empty"][2] != 0 {
			t.Errorf("%v", ends)
		}
		b.send(testTopic, 11)
		ends, err = b.admin.EndOffsets(t.Context(), testTopic, "nowhere")
		if n := ends[testTopic][0] + ends[testTopic][1]; n != 111 {
			t.Errorf("one topic that is not there costs the other: %v, %v", ends, err)
		}
		if _, there := ends["nowhere"]; there || err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("a topic that is not there: %v, %v", ends, err)
		}
		if ends, err := b.admin.EndOffsets(t.Context()); err != nil || len(ends) != 0 {
			t.Errorf("no topics: %v, %v", ends, err)
		}
	})
}

func TestEndOffsetsOfBrokersThatDoNotAnswer(t *testing.T) {
	a, err := NewAdmin(Config{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if ends, err := a.EndOffsets(ctx, "x"); err == nil || len(ends) != 0 || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v, %v", ends, err)
	}
}
