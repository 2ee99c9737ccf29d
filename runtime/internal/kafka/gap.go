package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Gap is a range of records that were never delivered, because the broker no
// longer has them or they cannot be read.
type Gap struct {
	Topic     string
	Partition int32
	From, To  int64 // first offset missing, first one after them
	Reason    string
}

// Records is the most records the gap can hold; offsets of transaction markers
// and of compacted records are in the range but were never records.
func (g Gap) Records() int64 { return max(g.To-g.From, 0) }

// keptGaps is how many gaps Status shows.
const keptGaps = 100

// declare makes a gap known: to the log, the counters, Status and OnGap.
func (p *partition) declare(g Gap, resumesAt int64) {
	g.Topic, g.Partition = p.id.Topic, p.id.ID
	s := p.src
	s.mu.Lock()
	s.gapCount++
	s.lost += g.Records()
	s.gaps = append(s.gaps, g)
	if len(s.gaps) > keptGaps {
		s.gaps = append(s.gaps[:0], s.gaps[1:]...)
	}
	s.mu.Unlock()
	s.config.logger().Error("gap: records were never delivered", "group", s.opts.Group, "topic", g.Topic, "partition", g.Partition,
		"from", g.From, "to", g.To, "records", g.Records(), "reason", g.Reason, "resumes_at", resumesAt)
	if s.opts.OnGap != nil {
		s.opts.OnGap(g)
	}
}

// mend deals with a fault that came out of a fetch. A gap moves the partition on;
// any other fault is the caller's.
func (p *partition) mend(fault error) error {
	var lost *kgo.ErrDataLoss
	var large *kgo.ErrDecompressTooLarge
	switch {
	case errors.Is(fault, kerr.OffsetOutOfRange):
		return p.outOfRange()
	case errors.As(fault, &lost):
		if at := p.position(); at <= lost.ResetTo { // seen by wentBack already
			p.src.post(func() { p.moveTo(at) })
			return nil
		}
		p.declare(Gap{From: lost.ResetTo, To: lost.ConsumedTo, Reason: "the log lost its end"}, lost.ResetTo)
		p.moveOn(lost.ResetTo, lost.ResetToEpoch)
		return errReopen
	case errors.As(fault, &large):
		from := max(large.Offset, p.position())
		p.declare(Gap{From: from, To: large.NextOffset, Reason: "a batch decompresses to more than the limit"}, large.NextOffset)
		p.moveOn(large.NextOffset, large.Epoch)
		return nil
	case errors.Is(fault, kerr.UnknownTopicID):
		return p.recreated()
	}
	return fault
}

// outOfRange finds out what the broker still has, declares what it does not, and
// goes on at the first record.
func (p *partition) outOfRange() error {
	p.setState(StateGap)
	defer p.setState(StateRunning)
	start, end, epoch, err := p.logRange()
	if err != nil {
		return err
	}
	at := p.position()
	switch {
	case at < 0: // it had been about to read from the start, and the start moved
		p.moveOn(start, epoch)
	case at < start:
		p.declare(Gap{From: at, To: start, Reason: "the broker deleted them before they were read"}, start)
		p.moveOn(start, epoch)
	case at > end:
		p.declare(Gap{From: end, To: at, Reason: "the log ends before the committed offset: truncated, or the topic is a new one"}, start)
		p.moveOn(start, epoch)
		return errReopen
	default: // in range again
		p.src.post(func() { p.moveTo(at) })
	}
	return nil
}

func (p *partition) logRange() (start, end int64, epoch int32, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, rangePatience)
	defer cancel()
	starts, err := p.src.adm.ListStartOffsets(ctx, p.id.Topic)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("start of the log: %w", err)
	}
	ends, err := p.src.adm.ListEndOffsets(ctx, p.id.Topic)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("end of the log: %w", err)
	}
	from, ok1 := starts.Lookup(p.id.Topic, p.id.ID)
	to, ok2 := ends.Lookup(p.id.Topic, p.id.ID)
	if !ok1 || !ok2 {
		return 0, 0, 0, fmt.Errorf("range of the log: the broker does not answer for this partition")
	}
	if from.Err != nil || to.Err != nil {
		return 0, 0, 0, fmt.Errorf("range of the log: %w", errors.Join(from.Err, to.Err))
	}
	return from.Offset, to.Offset, from.LeaderEpoch, nil
}

// recreated deals with a topic that was deleted and made again: the client does
// not take up the new one by itself. Everything in it will be read, so what is
// known of the old one must not be committed any more.
func (p *partition) recreated() error {
	p.mu.Lock()
	p.acked, p.base, p.owned = -1, -1, false
	at := p.next
	p.mu.Unlock()
	end := max(p.end.Load(), at)
	p.declare(Gap{From: max(at, 0), To: end, Reason: "the topic was deleted"}, 0)
	topic := p.id.Topic
	p.src.post(func() {
		p.src.cl.PurgeTopicsFromConsuming(topic)
		if slices.Contains(p.src.Topics(), topic) {
			p.src.cl.AddConsumeTopics(topic)
		}
	})
	return nil
}
