package kafka

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Pause stops fetching. The member stays in its group and keeps its partitions,
// also those that a rebalance brings later; what was fetched is still processed.
// It may be called before Run.
func (s *Source) Pause() { s.setHalt(StatePaused) }

// Resume goes on fetching where Pause or Drain stopped.
func (s *Source) Resume() { s.setHalt("") }

func (s *Source) setHalt(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.halt
	s.halt = state
	switch {
	case s.cl == nil || (was == "") == (state == ""):
	case state == "":
		s.cl.ResumeFetchTopics(s.opts.Topics...)
	default:
		s.cl.PauseFetchTopics(s.opts.Topics...)
	}
}

// errHalt says that somebody else resumed or paused while a drain was under way.
var errHalt = errors.New("the stream was resumed or paused meanwhile")

// Drain stops fetching and returns when everything that was fetched is
// acknowledged and committed, so that the process may end and nothing is read
// twice but what windows that are open need. Nothing is fetched until Resume,
// also when ctx ends first, or a partition has a fault: the source is then paused.
func (s *Source) Drain(ctx context.Context) error {
	s.setHalt(StateDraining)
	err := s.drainAll(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.halt != StateDraining:
		return errHalt
	case err != nil:
		s.halt = StatePaused
		return err
	}
	s.halt = StateDrained
	return nil
}

func (s *Source) drainAll(ctx context.Context) error {
	// What the poll loop has fetched already is queued when it runs a task.
	fetched := make(chan struct{})
	s.post(func() { close(fetched) })
	select {
	case <-fetched:
	case <-ctx.Done():
		return fmt.Errorf("waiting for what is being fetched: %w", ctx.Err())
	}
	var g errgroup.Group
	for _, p := range s.assignedNow() {
		g.Go(func() error { return p.awaitFinish(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.cl.CommitMarkedOffsets(ctx); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

func (s *Source) assignedNow() []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := make([]*partition, 0, len(s.parts))
	for _, p := range s.parts {
		parts = append(parts, p)
	}
	return parts
}

// awaitFinish returns when everything queued for the partition is acknowledged. A
// partition that is given up meanwhile has done that on its way.
func (p *partition) awaitFinish(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case p.finish <- answer:
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s[%d] is busy: %w", p.id.Topic, p.id.ID, ctx.Err())
	}
	select {
	case err := <-answer:
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", p.id.Topic, p.id.ID, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s[%d] has not been acknowledged: %w", p.id.Topic, p.id.ID, ctx.Err())
	}
}
