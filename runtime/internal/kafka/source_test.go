package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

var _ Worker = (*engine.Worker)(nil)

func TestSourceDeliversEverythingInOrderAndCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		b.send(testTopic, 5000)
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		until(t, 10*time.Second, "records acknowledged", func() bool { return out.total() == 5000 })
		until(t, 2*time.Second, "periodic commit", func() bool { return b.committed("hop1") == 5000 })
		b.send(testTopic, 100)
		until(t, time.Second, "records acknowledged", func() bool { return out.total() == 5100 })
		m.leave(t)
		if got := b.committed("hop1"); got != 5100 {
			t.Errorf("committed %d after leaving, want 5100", got)
		}
		for p, offsets := range out.flushed {
			for i, o := range offsets {
				if o != int64(i) {
					t.Fatalf("%s: offset %d came at position %d", p, o, i)
				}
			}
			if out.counts[p] != 4 {
				t.Errorf("%s was told %d partitions, want 4", p, out.counts[p])
			}
		}
		if n := out.openWorkers(); n != 0 {
			t.Errorf("%d workers left open", n)
		}
	})
}

func TestSourceRetriesAWorkerFromItsLastAcknowledgedOffset(t *testing.T) {
	broken := errors.New("sink broken")
	for _, where := range []string{"process", "flush", "open"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				out := newSink()
				fails := 0
				fail := func() error {
					if out.total() >= 50 && fails < 3 || where == "open" && fails < 3 {
						fails++
						return broken
					}
					return nil
				}
				open := out.open
				switch where {
				case "process":
					out.process = func(engine.Partition, []engine.Message) error { return fail() }
				case "flush":
					out.flush = func(context.Context, engine.Partition) error { return fail() }
				case "open":
					open = func(p engine.Partition) (Worker, error) {
						if err := fail(); err != nil {
							return nil, err
						}
						return out.open(p)
					}
				}
				m := b.join(b.broker.Config(), SourceOptions{}, open)
				b.send(testTopic, 50)
				if where != "open" {
					until(t, 20*time.Second, "first half", func() bool { return out.total() == 50 })
				}
				b.send(testTopic, 50)
				until(t, 6*time.Second, "failure reported", func() bool {
					parts := m.src.Status().Partitions
					return len(parts) == 1 && parts[0].State == StateFailed && errors.Is(parts[0].Err, broken) && parts[0].Restarts > 0
				})
				until(t, 20*time.Second, "everything", func() bool { return out.total() == 100 })
				m.leave(t)
				want := make([]int64, 100)
				for i := range want {
					want[i] = int64(i)
				}
				if diff := cmp.Diff(want, out.flushed["native/0"]); diff != "" {
					t.Errorf("acknowledged offsets (-want +got):\n%s", diff)
				}
				if got := b.committed("hop1"); got != 100 {
					t.Errorf("committed %d, want 100", got)
				}
				if n := out.openWorkers(); n != 0 {
					t.Errorf("%d workers left open", n)
				}
			})
		})
	}
}

func TestSourceCommitsNothingThatIsNotFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		out := newSink()
		up := out.stuck()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		b.send(testTopic, 200)
		until(t, 20*time.Second, "sink seen to be down", func() bool {
			parts := m.src.Status().Partitions
			return len(parts) == 2 && parts[0].State == StateSinkDown && parts[1].State == StateSinkDown
		})
		b.send(testTopic, 200)
		until(t, 10*time.Second, "lag seen to grow", func() bool {
			parts := m.src.Status().Partitions
			return parts[0].Lag+parts[1].Lag == 400
		})
		if got := b.committed("hop1"); got != 0 {
			t.Fatalf("committed %d while the sink is down", got)
		}
		close(up)
		until(t, 5*time.Second, "everything", func() bool { return out.total() == 400 && b.committed("hop1") == 400 })
		m.leave(t)
	})
}

// A commit with a leader epoch outranks every commit without one.
func TestSourceCommitsAfterACommitWithALeaderEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.send(testTopic, 100)
		b.commit("hop1", 10, 0)
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		until(t, 20*time.Second, "periodic commit", func() bool { return b.committed("hop1") == 100 })
		m.leave(t)
		if out.flushed["native/0"][0] != 10 {
			t.Errorf("began at %d", out.flushed["native/0"][0])
		}
	})
}

func TestSourceDoesNotFlushWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		out := newSink()
		flushes := atomic.Int64{}
		out.flush = func(context.Context, engine.Partition) error { flushes.Add(1); return nil }
		m := b.join(b.broker.Config(), SourceOptions{FlushEvery: time.Hour}, out.open)
		b.send(testTopic, 100)
		until(t, 20*time.Second, "records in hand", func() bool {
			parts := m.src.Status().Partitions
			return len(parts) == 2 && parts[0].Next+parts[1].Next == 100
		})
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true})
		until(t, 20*time.Second, "partitions come back and are read again", func() bool {
			parts := m.src.Status().Partitions
			return out.closes() == 2 && len(parts) == 2 && parts[0].Next+parts[1].Next == 100
		})
		if n := flushes.Load(); n != 0 {
			t.Errorf("%d flushes", n)
		}
		m.leave(t)
		if out.total() != 100 || b.committed("hop1") != 100 {
			t.Errorf("%d records, %d committed", out.total(), b.committed("hop1"))
		}
	})
}

func TestSourceGivesUpASlowPartitionInTimeAndWithoutCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := newSink()
		out.flush = func(ctx context.Context, _ engine.Partition) error { <-ctx.Done(); return ctx.Err() }
		m := b.join(b.broker.Config(), SourceOptions{DrainTimeout: 5 * time.Second}, out.open)
		b.send(testTopic, 10)
		until(t, 20*time.Second, "flush", func() bool {
			parts := m.src.Status().Partitions
			return len(parts) == 1 && parts[0].Next == 10
		})
		began := time.Now()
		m.leave(t)
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("leaving took %v", took)
		}
		if got := b.committed("hop1"); got != 0 {
			t.Errorf("committed %d", got)
		}
		out.flush = nil
		again := b.join(b.broker.Config(), SourceOptions{}, out.open)
		until(t, 20*time.Second, "replay", func() bool { return out.total() == 10 })
		again.leave(t)
	})
}

// What was acknowledged before a flush got stuck is committed when the member leaves,
// also when giving up takes longer than the group waits for heartbeats.
func TestSourceCommitsWhatWasAcknowledgedBeforeASlowEnd(t *testing.T) {
	for _, drain := range []time.Duration{5 * time.Second, 10 * time.Second, longestDrain} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 1)
			out := newSink()
			var stuck atomic.Bool
			out.flush = func(ctx context.Context, _ engine.Partition) error {
				if stuck.Load() {
					<-ctx.Done()
				}
				return ctx.Err()
			}
			m := b.join(b.broker.Config(), SourceOptions{DrainTimeout: drain}, out.open)
			b.send(testTopic, 10)
			acked := func(n int64) func() bool {
				return func() bool {
					parts := m.src.Status().Partitions
					return len(parts) == 1 && parts[0].Acked == n
				}
			}
			until(t, 20*time.Second, "what comes first", acked(10))
			until(t, 20*time.Second, "its commit", func() bool { return b.committed("hop1") == 10 })
			b.send(testTopic, 10)
			until(t, 20*time.Second, "what comes next", acked(20))
			stuck.Store(true)
			b.send(testTopic, 10)
			m.leave(t)
			if got := b.committed("hop1"); got != 20 {
				t.Errorf("%v to give up: committed %d, want 20", drain, got)
			}
		})
	}
}

func TestSourceFindsNewPartitionsAndReadsThemFromTheirStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		b.send(testTopic, 100)
		until(t, 20*time.Second, "first records", func() bool { return out.total() == 100 })

		if _, err := b.admin.cl.UpdatePartitions(t.Context(), 8, testTopic); err != nil {
			t.Fatal(err)
		}
		grown := time.Now()
		until(t, 15*time.Second, "publisher sees the partitions", func() bool {
			b.send(testTopic, 16)
			ends, err := b.admin.cl.ListEndOffsets(t.Context(), testTopic)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			ends.Each(func(o kadm.ListedOffset) {
				if o.Partition >= 2 && o.Offset > 0 {
					n++
				}
			})
			return n > 0
		})
		until(t, 15*time.Second-time.Since(grown), "new partitions assigned", func() bool { return len(m.src.Status().Partitions) == 8 })
		b.send(testTopic, 64)
		until(t, 2*time.Second, "everything", func() bool { return out.total() == b.sent[testTopic] })
		m.leave(t)
		for p, offsets := range out.flushed {
			if offsets[0] != 0 || !slices.IsSorted(offsets) {
				t.Errorf("%s: begins at %d", p, offsets[0])
			}
		}
	})
}

func TestSourceOneSlowPartitionDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		out := newSink()
		release := make(chan struct{})
		out.process = func(p engine.Partition, _ []engine.Message) error {
			if p.ID == 0 {
				<-release
			}
			return nil
		}
		opts := SourceOptions{FetchBytes: 4096, PartitionBytes: 1024, QueueBytes: 4096}
		m := b.join(b.broker.Config(), opts, out.open)
		var slow int64
		for range 50 {
			b.send(testTopic, 400)
			ends, err := b.admin.cl.ListEndOffsets(t.Context(), testTopic)
			if err != nil {
				t.Fatal(err)
			}
			o, _ := ends.Lookup(testTopic, 0)
			slow = o.Offset
			until(t, 3*time.Second, "the other partitions keep up", func() bool { return int64(out.total()) == int64(b.sent[testTopic])-slow })
		}
		if slow == 0 {
			t.Fatal("no record went to the slow partition")
		}
		st := m.src.Status().Partitions[0]
		if st.State != StateThrottled || st.QueuedBytes > 8*opts.QueueBytes {
			t.Errorf("slow partition: %+v", st)
		}
		close(release)
		until(t, 10*time.Second, "the slow partition catches up", func() bool { return out.total() == b.sent[testTopic] })
		m.leave(t)
		if got := out.flushed["native/0"]; int64(len(got)) != slow || !slices.IsSorted(got) {
			t.Errorf("slow partition: %d records, want %d in order", len(got), slow)
		}
	})
}

func TestSourceEndsOnFaultsThatOnlyAnOperatorCanMend(t *testing.T) {
	for _, fault := range []*kerr.Error{kerr.GroupAuthorizationFailed, kerr.FencedInstanceID} {
		t.Run(fault.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				b.failJoins(fault)
				m := b.join(b.broker.Config(), SourceOptions{}, newSink().open)
				select {
				case err := <-m.done:
					if !errors.Is(err, fault) {
						t.Errorf("Run: %v", err)
					}
				case <-time.After(time.Minute):
					t.Error("Run goes on")
					m.leave(t)
				}
				m.cancel()
			})
		})
	}
}

func TestSourceEndsWithoutTheRightToReadATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.send(testTopic, 10)
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		m := b.join(b.broker.Config(), SourceOptions{}, newSink().open)
		if err := <-m.done; !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "topic "+testTopic) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestSourceGoesOnAfterFetchErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		b.send(testTopic, 100)
		until(t, 20*time.Second, "first records", func() bool { return out.total() == 100 })
		b.broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.UnknownServerError, Count: 3})
		until(t, time.Minute, "fault reported", func() bool {
			st := m.src.Status().Partitions[0]
			return errors.Is(st.Err, kerr.UnknownServerError) && st.Restarts > 0
		})
		b.send(testTopic, 100)
		until(t, 2*time.Minute, "the rest", func() bool { return out.total() == 200 })
		m.leave(t)
		if got := out.flushed["native/0"]; len(got) != 200 || !slices.IsSorted(got) {
			t.Errorf("%d records, sorted: %v", len(got), slices.IsSorted(got))
		}
	})
}

func TestSourceSurvivesCommitErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := newSink()
		handle := b.failCommits(kerr.UnknownServerError)
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		b.send(testTopic, 10)
		until(t, 20*time.Second, "failed commit reported", func() bool { return m.src.Status().CommitErr != nil })
		handle.Remove()
		b.send(testTopic, 10)
		until(t, 5*time.Second, "commit", func() bool { return b.committed("hop1") == 20 && m.src.Status().CommitErr == nil })
		m.leave(t)
	})
}

func TestSourceOptionsSayWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opts  SourceOptions
		field string
	}{
		{"no group", SourceOptions{Topics: []string{"a"}}, "group"},
		{"no topics", SourceOptions{Group: "g"}, "topics"},
		{"drain beyond the rebalance", SourceOptions{Group: "g", Topics: []string{"a"}, DrainTimeout: time.Minute}, "drain-timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewSource(Config{Brokers: []string{"127.0.0.1:1"}}, tt.opts)
			wantField(t, err, tt.field)
		})
	}
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var wrong *ConfigError
	if !errors.As(err, &wrong) || wrong.Field != field {
		t.Errorf("error %v does not name %s", err, field)
	}
}

// What a worker says of its last records, such as their lag, holds for a while: it
// is called without records only when there were none for so long.
func TestSourceLetsTimePassForAnIdleWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := newSink()
		var last atomic.Int64 // when there were records
		pauses := make(chan time.Duration, 100)
		out.process = func(_ engine.Partition, msgs []engine.Message) error {
			now := time.Now().UnixNano()
			if len(msgs) > 0 {
				last.Store(now)
			} else {
				pauses <- time.Duration(now - last.Load())
			}
			return nil
		}
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		for range 3 {
			b.send(testTopic, 1)
			time.Sleep(idleEvery * 7 / 10)
		}
		if n := len(pauses); n > 0 {
			t.Errorf("called %d times without records while there were some", n)
		}
		time.Sleep(2 * idleEvery)
		m.leave(t)
		if n := len(pauses); n < 1 {
			t.Fatal("time did not pass")
		}
		if first := <-pauses; first < idleEvery {
			t.Errorf("called %v after its last records", first)
		}
	})
}
