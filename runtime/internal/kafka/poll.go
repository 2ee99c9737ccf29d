package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// patience is the longest the poll loop waits for room in full queues before it
// stops fetching their partitions. Waiting costs nothing when every worker is
// merely busy; stopping throws one fetch away, but keeps the others going.
const patience = 100 * time.Millisecond

// poll hands what is fetched to the partitions until ctx ends. From the return of
// PollFetches to AllowRebalance no partition can come or go.
func (s *Source) poll(ctx context.Context) error {
	var waiting context.Context
	var cancel context.CancelFunc = func() {}
	defer func() { cancel() }()
	for ctx.Err() == nil {
		if waiting == nil || waiting.Err() != nil {
			cancel()
			waiting, cancel = context.WithCancel(ctx)
		}
		s.await(cancel)
		fetches := s.cl.PollFetches(waiting)
		if fetches.IsClientClosed() {
			return errors.New("consumer closed from outside")
		}
		if len(fetches) == 0 {
			continue // no rebalance is blocked: not the place to run tasks
		}
		err := s.dispatch(ctx, fetches)
		s.runTasks()
		s.fitFetches()
		s.cl.AllowRebalance()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) dispatch(ctx context.Context, fetches kgo.Fetches) error {
	var failed error
	var full []*partition
	share := s.share()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := s.lookup(f.Topic, f.Partition)
		if p == nil {
			if f.Err != nil && (f.Topic == "" || fatal(f.Err)) {
				failed = errors.Join(failed, s.groupFault(f.Err))
			}
			return // given up already
		}
		if f.Err == nil {
			p.end.Store(f.HighWatermark)
		}
		if len(f.Records) > 0 {
			p.beginNew(f.Records[0].Offset)
			if p.queue.push(batch{records: f.Records, bytes: size(f.Records)}) > share {
				full = append(full, p)
			}
		}
		if f.Err != nil {
			if fatal(f.Err) {
				failed = errors.Join(failed, fmt.Errorf("topic %s, partition %d: %w", f.Topic, f.Partition, f.Err))
				return
			}
			p.fault(f.Err)
		}
	})
	s.makeRoom(ctx, full, share)
	return failed
}

// groupFault takes an error of the group and returns it
// if nothing but an operator can mend it.
func (s *Source) groupFault(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if fatal(err) {
		return fmt.Errorf("consumer group %s: %w", s.opts.Group, err)
	}
	s.mu.Lock()
	was := s.failed
	s.failed = err
	s.mu.Unlock()
	if was == nil || was.Error() != err.Error() { // it comes again with every try
		s.config.logger().Warn("consumer group does not work", "group", s.opts.Group, "error", err)
	}
	return nil
}

// makeRoom waits a moment for the workers of full queues and stops fetching for
// those that are too slow. How long depends on how the partition did before, so
// that one that stays slow soon costs the others nothing.
func (s *Source) makeRoom(ctx context.Context, full []*partition, share int64) {
	if len(full) == 0 {
		return
	}
	began := time.Now()
	for _, p := range full {
		if waitForRoom(ctx, p, share, began) {
			p.patience = min(patience, 2*p.patience+time.Millisecond)
			continue
		}
		p.patience /= 2
		p.throttle(share)
	}
}

func waitForRoom(ctx context.Context, p *partition, share int64, began time.Time) bool {
	timer := time.NewTimer(p.patience - time.Since(began))
	defer timer.Stop()
	for p.queue.size() > share {
		select {
		case <-p.queue.space:
		case <-timer.C:
			return p.queue.size() <= share
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// share is what one partition may queue before it is full.
func (s *Source) share() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.opts.QueueBytes/int64(max(len(s.parts), 1)), int64(s.opts.PartitionBytes)/2)
}

func (s *Source) lookup(topic string, id int32) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[topicPartition{topic, id}]
}

// post runs task in the poll loop, soon, at a moment where no partition can come
// or go.
func (s *Source) post(task func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = append(s.tasks, task)
	if s.interrupt != nil {
		s.interrupt()
	}
}

// await names what interrupts the coming poll.
func (s *Source) await(interrupt context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = interrupt
	if len(s.tasks) > 0 {
		interrupt()
	}
}

func (s *Source) runTasks() {
	s.mu.Lock()
	tasks := s.tasks
	s.tasks = nil
	s.mu.Unlock()
	for _, task := range tasks {
		task()
	}
}

// recordBytes is what a kgo.Record takes besides its key and value.
const recordBytes = 200

// size is what records take in memory.
func size(records []*kgo.Record) int64 {
	n := int64(len(records)) * recordBytes
	for _, r := range records {
		n += int64(len(r.Key) + len(r.Value))
	}
	return n
}

// firstRatio is what the first fetch is taken to grow by.
const firstRatio = 4

// ratio observes how much larger fetched batches are once decompressed. The
// limits of a fetch count compressed bytes, memory fills with the others.
type ratio struct {
	fetched, inflated atomic.Int64
	used              float64 // by the poll loop: the ratio the limits are set to
}

// OnFetchBatchRead implements kgo.HookFetchBatchRead.
func (r *ratio) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	r.fetched.Add(int64(m.CompressedBytes))
	r.inflated.Add(int64(m.UncompressedBytes))
}

// next returns by how much limits have to shrink, once enough was seen, and whether
// that is worth a change.
func (r *ratio) next(enough int64) (float64, bool) {
	fetched, inflated := r.fetched.Load(), r.inflated.Load()
	if fetched < enough {
		return r.used, false
	}
	r.fetched.Add(-fetched)
	r.inflated.Add(-inflated)
	now, was := max(1, float64(inflated)/float64(fetched)), max(1, r.used)
	if now < was*1.25 && now > was*0.75 {
		return r.used, false
	}
	r.used = now
	return now, true
}

// fitFetches keeps a fetch at FetchBytes once decompressed.
func (s *Source) fitFetches() {
	by, changed := s.ratio.next(int64(s.opts.FetchBytes) / 16)
	if !changed {
		return
	}
	const least = 64 << 10
	s.cl.UpdateFetchMaxBytes(
		max(least, int32(float64(s.opts.FetchBytes)/by)),
		max(least, int32(float64(s.opts.PartitionBytes)/by)))
}

// partitionCount asks how many partitions a topic has; an answer is good for a
// second, so that a rebalance does not ask once per partition.
func (s *Source) partitionCount(ctx context.Context, topic string) (int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req.Topics = append(req.Topics, t)
	resp, err := s.cl.RequestCachedMetadata(ctx, req, time.Second)
	if err == nil && len(resp.Topics) == 1 {
		if err = kerr.ErrorForCode(resp.Topics[0].ErrorCode); err == nil {
			return int32(len(resp.Topics[0].Partitions)), nil
		}
	}
	return 0, fmt.Errorf("number of partitions of topic %s: %w", topic, err)
}
