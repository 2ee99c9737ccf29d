package kafka

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// gaps collects what OnGap was told.
type gaps struct {
	mu  sync.Mutex
	all []Gap
}

func (g *gaps) add(gap Gap) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, gap)
}

func (g *gaps) ranges() [][2]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out [][2]int64
	for _, gap := range g.all {
		out = append(out, [2]int64{gap.From, gap.To})
	}
	return out
}

func (b *bench) commit(group string, offset int64, epoch int32) {
	b.t.Helper()
	var os kadm.Offsets
	os.AddOffset(testTopic, 0, offset, epoch)
	if err := b.admin.cl.CommitAllOffsets(b.t.Context(), group, os); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) deleteTo(offset int64) {
	b.t.Helper()
	if err := b.broker.cluster.DeleteRecords(testTopic, 0, offset); err != nil {
		b.t.Fatal(err)
	}
}

func TestGapAtTheCommittedOffsetIsDeclaredOnceWithItsRange(t *testing.T) {
	for _, tt := range []struct {
		name      string
		committed int64
		epoch     int32
		deleted   int64
		want      [2]int64 // gap
		first     int64
	}{
		{"log start beyond the commit", 10, -1, 60, [2]int64{10, 60}, 60},
		{"the same, with a leader epoch", 10, 0, 60, [2]int64{10, 60}, 60},
		{"everything deleted", 10, -1, 100, [2]int64{10, 100}, 100},
		{"log end before the commit", 250, -1, 0, [2]int64{100, 250}, 0},
		{"the same, with a leader epoch that tells where the log was cut", 250, 0, 0, [2]int64{100, 250}, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				b.send(testTopic, 100)
				b.commit("hop1", tt.committed, tt.epoch)
				b.deleteTo(tt.deleted)
				out, seen := newSink(), gaps{}
				m := b.join(b.broker.Config(), SourceOptions{OnGap: seen.add}, out.open)
				until(t, 20*time.Second, "gap", func() bool { return len(seen.ranges()) > 0 })
				time.Sleep(time.Minute) // were there a hot loop, it would be seen
				if diff := cmp.Diff([][2]int64{tt.want}, seen.ranges()); diff != "" {
					t.Fatalf("gaps (-want +got):\n%s", diff)
				}
				st := m.src.Status()
				if st.GapCount != 1 || st.GapRecords != tt.want[1]-tt.want[0] || len(st.Gaps) != 1 || st.Gaps[0].Reason == "" {
					t.Errorf("status %+v", st)
				}
				b.send(testTopic, 5)
				until(t, 5*time.Second, "the rest", func() bool { return int64(out.total()) == 105-tt.first })
				if got := out.flushed["native/0"]; got[0] != tt.first || !slices.IsSorted(got) {
					t.Errorf("went on at %d, want %d", got[0], tt.first)
				}
				m.leave(t)

				again := b.join(b.broker.Config(), SourceOptions{OnGap: seen.add}, out.open)
				b.send(testTopic, 5)
				until(t, 20*time.Second, "more", func() bool { return int64(out.total()) == 110-tt.first })
				again.leave(t)
				if n := len(seen.ranges()); n != 1 {
					t.Errorf("%d gaps after a restart", n)
				}
			})
		})
	}
}

func TestGapOfAnIdlePartitionIsNotDeclaredAgainAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.send(testTopic, 100)
		b.commit("hop1", 10, -1)
		b.deleteTo(100)
		seen := gaps{}
		for range 2 {
			m := b.join(b.broker.Config(), SourceOptions{OnGap: seen.add}, newSink().open)
			until(t, 20*time.Second, "gap", func() bool { return len(seen.ranges()) > 0 })
			until(t, 5*time.Second, "periodic commit", func() bool { return b.committed("hop1") == 100 })
			m.leave(t)
		}
		if diff := cmp.Diff([][2]int64{{10, 100}}, seen.ranges()); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
	})
}

func TestGapWhileConsumingASlowPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out, seen := newSink(), gaps{}
		release := make(chan struct{})
		out.process = func(engine.Partition, []engine.Message) error { <-release; return nil }
		m := b.join(b.broker.Config(), SourceOptions{OnGap: seen.add, FetchBytes: 2048, PartitionBytes: 1024, QueueBytes: 1024}, out.open)
		for range 100 {
			b.send(testTopic, 100)
		}
		until(t, 30*time.Second, "throttled", func() bool {
			parts := m.src.Status().Partitions
			return len(parts) == 1 && parts[0].State == StateThrottled
		})
		b.deleteTo(9000)
		close(release)
		until(t, 60*time.Second, "gap", func() bool { return len(seen.ranges()) > 0 })
		b.send(testTopic, 5)
		until(t, 10*time.Second, "the rest", func() bool { return m.src.Status().Partitions[0].Lag == 0 })
		m.leave(t)
		got := out.flushed["native/0"]
		gap := seen.ranges()
		if len(gap) != 1 || gap[0][1] != 9000 {
			t.Fatalf("gaps %v", gap)
		}
		want := gap[0][0] // records before the gap
		for i, o := range got {
			if int64(i) == want {
				gap[0][0] = 0
				if o != 9000 {
					t.Fatalf("after the gap came %d", o)
				}
				break
			}
			if o != int64(i) {
				t.Fatalf("offset %d at position %d", o, i)
			}
		}
		if last := got[len(got)-1]; last != 10004 {
			t.Errorf("the last offset is %d", last)
		}
	})
}

func TestGapOfATopicThatWasDeletedAndMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.send(testTopic, 50)
		out, seen := newSink(), gaps{}
		m := b.join(b.broker.Config(), SourceOptions{OnGap: seen.add}, out.open)
		until(t, 20*time.Second, "first topic", func() bool { return out.total() == 50 })
		if err := b.broker.cluster.DeleteTopic(testTopic); err != nil {
			t.Fatal(err)
		}
		if err := b.broker.cluster.CreateTopic(testTopic, 2, nil); err != nil {
			t.Fatal(err)
		}
		b.publisher()
		b.send(testTopic, 60)
		until(t, 60*time.Second, "second topic", func() bool { return out.total() == 110 })
		until(t, 2*time.Second, "commit", func() bool { return b.committed("hop1") == 60 })
		m.leave(t)
		if len(seen.ranges()) == 0 {
			t.Error("no gap declared")
		}
	})
}

func TestGapOfABatchThatGrowsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.send(testTopic, 10)
		if err := b.pub.Publish(t.Context(), testTopic, nil, make([]byte, 900_000)); err != nil {
			t.Fatal(err)
		}
		if err := b.pub.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.send(testTopic, 10)
		out, seen := newSink(), gaps{}
		m := b.join(b.broker.Config(), SourceOptions{OnGap: seen.add, BatchBytes: 100_000}, out.open)
		until(t, 30*time.Second, "the neighbours", func() bool { return out.total() == 20 })
		m.leave(t)
		if diff := cmp.Diff([][2]int64{{10, 11}}, seen.ranges()); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
		if got := b.committed("hop1"); got != 21 {
			t.Errorf("committed %d, want 21", got)
		}
	})
}
