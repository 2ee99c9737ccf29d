package kafka

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// halted reports whether all partitions of a member are in a state.
func (m *member) halted(state State) bool {
	parts := m.src.Status().Partitions
	for _, p := range parts {
		if p.State != state {
			return false
		}
	}
	return len(parts) > 0
}

func TestPauseKeepsThePartitionsAndResumeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		b.send(testTopic, 400)
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		until(t, 10*time.Second, "records acknowledged", func() bool { return out.total() == 400 })

		m.src.Pause()
		b.send(testTopic, 100)
		time.Sleep(2 * time.Minute) // many sessions long: heartbeats must have gone on
		if got := out.total(); got != 400 {
			t.Errorf("%d records were read while paused", got-400)
		}
		if !m.halted(StatePaused) || owned([]*member{m}) != 4 {
			t.Errorf("partitions %+v, want 4 paused ones", m.src.Status().Partitions)
		}
		var lag int64
		for _, p := range m.src.Status().Partitions {
			lag += p.Lag
		}
		if lag != 100 {
			t.Errorf("lag %d while paused, want 100", lag)
		}
		if n := out.closes(); n != 0 {
			t.Errorf("%d workers were closed by a pause", n)
		}

		m.src.Resume()
		until(t, 10*time.Second, "the rest", func() bool { return out.total() == 500 })
		m.leave(t)
		out.onceEach(t)
	})
}

// onceEach proves that nothing was acknowledged twice.
func (s *sink) onceEach(t *testing.T) {
	t.Helper()
	for v, n := range s.values {
		if n != 1 {
			t.Errorf("record %s was acknowledged %d times", v, n)
		}
	}
}

func TestPauseBeforeRunReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.send(testTopic, 10)
		out := newSink()
		src, err := NewSource(b.broker.Config(), SourceOptions{Group: "hop1", Topics: []string{testTopic}})
		if err != nil {
			t.Fatal(err)
		}
		src.Pause()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- src.Run(ctx, out.open) }()
		m := &member{src: src}
		until(t, 10*time.Second, "paused partitions", func() bool { return m.halted(StatePaused) })
		time.Sleep(time.Minute)
		if out.total() != 0 {
			t.Errorf("%d records were read while paused", out.total())
		}
		src.Resume()
		until(t, 10*time.Second, "all records", func() bool { return out.total() == 10 })
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDrainAcknowledgesAndCommitsEverythingFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{FlushEvery: time.Hour}, out.open)
		b.send(testTopic, 1000)
		until(t, 10*time.Second, "records processed", func() bool {
			n := int64(0)
			for _, p := range m.src.Status().Partitions {
				n += max(p.Next, 0)
			}
			return n == 1000
		})
		if out.total() != 0 {
			t.Fatalf("%d records are acknowledged before the drain: it would prove nothing", out.total())
		}
		if err := m.src.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := out.total(); got != 1000 {
			t.Errorf("%d records acknowledged when drained, want 1000", got)
		}
		if got := b.committed("hop1"); got != 1000 {
			t.Errorf("committed %d when drained, want 1000", got)
		}
		if !m.halted(StateDrained) {
			t.Errorf("partitions %+v, want drained ones", m.src.Status().Partitions)
		}
		b.send(testTopic, 50)
		time.Sleep(time.Minute)
		if got := out.total(); got != 1000 {
			t.Errorf("%d records were read after the drain", got-1000)
		}
		m.src.Resume()
		until(t, 10*time.Second, "what came meanwhile", func() bool {
			n := int64(0)
			for _, p := range m.src.Status().Partitions {
				n += max(p.Next, 0)
			}
			return n == 1050
		})
		m.leave(t)
		if got := out.total(); got != 1050 {
			t.Errorf("%d records acknowledged in the end, want 1050", got)
		}
		out.onceEach(t)
	})
}

func TestDrainThatTakesTooLongLeavesThingsPausedAndSaysWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := newSink()
		up := out.stuck()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		b.send(testTopic, 10)
		until(t, 10*time.Second, "a flush that hangs", func() bool { return m.halted(StateSinkDown) })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := m.src.Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Drain = %v, want the deadline", err)
		}
		close(up)
		until(t, 10*time.Second, "paused", func() bool { return m.halted(StatePaused) })
		if err := m.src.Drain(t.Context()); err != nil {
			t.Errorf("the second try: %v", err)
		}
		m.leave(t)
		if got := b.committed("hop1"); got != 10 {
			t.Errorf("committed %d, want 10", got)
		}
	})
}

func TestResumeEndsADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		out := newSink()
		hangs, up := make(chan struct{}, 8), make(chan struct{})
		out.flush = func(context.Context, engine.Partition) error {
			hangs <- struct{}{}
			<-up
			return nil
		}
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		b.send(testTopic, 10)
		<-hangs
		drained := make(chan error, 1)
		go func() { drained <- m.src.Drain(t.Context()) }()
		until(t, 10*time.Second, "draining", func() bool { return m.src.Status().Halt == StateDraining })
		m.src.Resume()
		close(up)
		if err := <-drained; !errors.Is(err, errHalt) {
			t.Errorf("Drain = %v, want that it was resumed", err)
		}
		if halt := m.src.Status().Halt; halt != "" {
			t.Errorf("halt is %q after a resume", halt)
		}
		m.leave(t)
	})
}

// A member that comes while another one is paused takes over some partitions,
// which it reads; those that come back are paused again.
func TestPauseOutlivesARebalance(t *testing.T) {
	t.Parallel()
	b := newBench(t, 6)
	out := newSink()
	first := b.join(b.broker.Config(), SourceOptions{}, out.open)
	b.send(testTopic, 600)
	until(t, realPatience, "records acknowledged", func() bool { return out.total() == 600 })
	first.src.Pause()
	second := b.join(b.broker.Config(), SourceOptions{}, out.open)
	until(t, realPatience, "balance", func() bool { return owned([]*member{first, second}) == 6 && owned([]*member{second}) == 3 })
	second.leave(t)
	until(t, realPatience, "everything back, and paused", func() bool { return owned([]*member{first}) == 6 && first.halted(StatePaused) })
	b.send(testTopic, 600)
	if err := first.src.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := out.total(); got != 600 {
		t.Errorf("%d records were read while paused", got-600)
	}
	first.src.Resume()
	until(t, realPatience, "all records", func() bool { return out.total() == 1200 })
	first.leave(t)
	out.onceEach(t)
	if got := b.committed("hop1"); got != 1200 {
		t.Errorf("committed %d, want 1200", got)
	}
}
