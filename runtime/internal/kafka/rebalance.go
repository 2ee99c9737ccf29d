package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// assigned starts a goroutine for every partition that came. No poll runs
// meanwhile.
func (s *Source) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = nil
	if s.joined.IsZero() {
		s.joined = time.Now()
	}
	for topic, ids := range added {
		for _, id := range ids {
			key := topicPartition{topic, id}
			if s.parts[key] != nil {
				continue
			}
			p := newPartition(s, engine.Partition{Topic: topic, ID: id})
			s.parts[key] = p
			s.wg.Go(p.run)
		}
	}
}

// starting learns where the partitions assigned begin.
func (s *Source) starting(ctx context.Context, at map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	first := s.firstRecords(ctx, at)
	for topic, ids := range at {
		for id, offset := range ids {
			p := s.lookup(topic, id)
			if p == nil {
				continue
			}
			if from := offset.EpochOffset(); from.Offset >= 0 {
				p.begin(from)
			} else if o, ok := first.Lookup(topic, id); ok && o.Err == nil {
				p.beginNew(o.Offset)
			}
		}
	}
	return at, nil
}

// firstRecords asks for the first offsets of topics with partitions in which the group
// has no place. What is not answered is known when the first record comes.
func (s *Source) firstRecords(ctx context.Context, at map[string]map[int32]kgo.Offset) kadm.ListedOffsets {
	var topics []string
	for topic, ids := range at {
		for _, offset := range ids {
			if offset.EpochOffset().Offset < 0 {
				topics = append(topics, topic)
				break
			}
		}
	}
	if len(topics) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rangePatience)
	defer cancel()
	listed, err := s.adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		s.config.logger().Debug("the first offsets of partitions are not known yet", "group", s.opts.Group, "topics", topics, "error", err)
	}
	return listed
}

// revoked gives partitions up: each stops after the batch in hand, flushes, and
// its acknowledged offset is committed. A member that leaves sends no heartbeats any
// more; the commits on the way keep it in the group, which else would refuse the last.
func (s *Source) revoked(ctx context.Context, cl *kgo.Client, lost map[string][]int32) {
	parts := s.take(lost)
	if len(parts) == 0 {
		return
	}
	// At least two seconds, so that a drain that took all its time can still commit.
	ctx, cancel := context.WithTimeout(ctx, s.opts.DrainTimeout+2*time.Second)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.drain(parts, s.opts.DrainTimeout)
	}()
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.commit(ctx, cl, parts, (*partition).mayCommit)
		case <-drained:
			s.commit(ctx, cl, parts, (*partition).release)
			return
		}
	}
}

// commit has the group remember where partitions stand.
func (s *Source) commit(ctx context.Context, cl *kgo.Client, parts []*partition, place func(*partition) (kgo.EpochOffset, bool)) {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range parts {
		if at, ok := place(p); ok {
			if offsets[p.id.Topic] == nil {
				offsets[p.id.Topic] = map[int32]kgo.EpochOffset{}
			}
			offsets[p.id.Topic][p.id.ID] = at
		}
	}
	cl.CommitOffsetsSync(ctx, offsets, s.committed)
}

// lostAll gives partitions up that somebody else may own already: no flush, no
// commit.
func (s *Source) lostAll(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	parts := s.take(lost)
	for _, p := range parts {
		p.release()
		p.cancel()
	}
	s.drain(parts, s.opts.DrainTimeout)
}

// take removes partitions from the set that is polled for.
func (s *Source) take(lost map[string][]int32) []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []*partition
	for topic, ids := range lost {
		for _, id := range ids {
			key := topicPartition{topic, id}
			if p := s.parts[key]; p != nil {
				parts = append(parts, p)
				delete(s.parts, key)
			}
		}
	}
	return parts
}

// drain stops partitions and waits until they have flushed and closed their
// workers, all at the same time. What takes longer than timeout is cancelled and
// gets a second to notice; nothing it says counts afterwards.
func (s *Source) drain(parts []*partition, timeout time.Duration) {
	var waiting sync.WaitGroup
	for _, p := range parts {
		p.stopping.Store(true)
		close(p.stop)
		waiting.Go(func() {
			timer := time.NewTimer(timeout)
			defer timer.Stop()
			select {
			case <-p.done:
				return
			case <-timer.C:
			}
			p.cancel()
			timer.Reset(time.Second)
			select {
			case <-p.done:
			case <-timer.C:
			}
			s.config.logger().Warn("partition not drained in time: what was not acknowledged will be read again",
				"group", s.opts.Group, "topic", p.id.Topic, "partition", p.id.ID, "timeout", timeout)
		})
	}
	waiting.Wait()
}

// committed hears the outcome of every commit.
func (s *Source) committed(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
	if errors.Is(err, context.Canceled) {
		return // the client ends, or a later commit takes the place of this one
	}
	if err == nil && resp != nil {
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
					err = e
				}
			}
		}
	}
	s.mu.Lock()
	was := s.commitErr
	s.commitErr = err
	s.mu.Unlock()
	if err != nil && was == nil {
		s.config.logger().Warn("committing offsets", "group", s.opts.Group, "error", err)
	}
}

// watchEnds keeps the log ends known of partitions that are not being fetched, so
// that their lag is seen to grow.
func (s *Source) watchEnds(ctx context.Context) {
	tick := time.NewTicker(lagEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ends, err := s.adm.ListCommittedOffsets(ctx, s.Topics()...)
		if err != nil {
			continue // the poll loop and the next tick will tell
		}
		ends.Each(func(o kadm.ListedOffset) {
			if p := s.lookup(o.Topic, o.Partition); p != nil && o.Err == nil {
				p.end.Store(max(p.end.Load(), o.Offset))
			}
		})
	}
}
