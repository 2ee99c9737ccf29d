package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// begin says where reading starts, unless that is known: the committed offset,
// or, without one, the first record that came.
func (p *partition) begin(at kgo.EpochOffset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Offset >= 0 && p.base < 0 {
		p.base, p.next, p.epoch = at.Offset, at.Offset, at.Epoch
	}
}

// processed moves the position on to next.
func (p *partition) processed(next int64, epoch int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.epoch = next, max(p.epoch, epoch)
}

func (p *partition) position() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// ack lets everything before offset be committed, if the partition is still ours.
func (p *partition) ack(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owned && offset > p.acked {
		p.acked = offset
		p.mark()
	}
}

// mark has the client commit acked with its next periodic commit. The client
// compares epochs before offsets and ignores what looks older, so a mark without
// the epoch would be ignored after a commit that had one.
func (p *partition) mark() {
	p.src.cl.MarkCommitOffsets(map[string]map[int32]kgo.EpochOffset{
		p.id.Topic: {p.id.ID: {Epoch: p.epoch, Offset: p.acked}},
	})
}

// release ends the right to commit and returns what may be committed last. It
// also lifts the partition's pause: the client remembers a pause even when the
// partition comes back later.
func (p *partition) release() (kgo.EpochOffset, bool) {
	p.unhold(holdFull | holdFault)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owned = false
	return kgo.EpochOffset{Epoch: p.epoch, Offset: p.acked}, p.acked >= 0
}

// rewind goes back to the last acknowledged offset. It runs in the poll loop.
func (p *partition) rewind() {
	p.mu.Lock()
	to := p.acked
	if to < 0 {
		to = p.base
	}
	p.mu.Unlock()
	p.moveTo(to)
}

// moveOn has the partition go on at an offset, before which there is nothing left
// to read, and lets that be committed.
func (p *partition) moveOn(to int64, epoch int32) {
	p.src.post(func() {
		p.mu.Lock()
		p.acked, p.base = to, to
		p.epoch = max(p.epoch, epoch)
		p.mu.Unlock()
		p.moveTo(to)
	})
}

// moveTo sets the client's position and lets fetching go on. It runs in the poll
// loop, where the partition cannot be revoked. A negative offset leaves the
// position as it is: nothing was read yet.
func (p *partition) moveTo(to int64) {
	p.mu.Lock()
	if !p.owned {
		p.mu.Unlock()
		return
	}
	if to >= 0 {
		p.next = to
		if p.acked >= 0 {
			p.mark() // the client can only move a partition it has an offset of
		}
		p.src.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{
			p.id.Topic: {p.id.ID: {Epoch: -1, Offset: to}},
		})
		if p.acked >= 0 {
			p.mark() // SetOffsets forgets what was marked and not committed yet
		}
	}
	p.queue.drop(false)
	p.mu.Unlock()
	p.unhold(holdFault | holdFull)
}

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
	ctx, cancel := context.WithTimeout(p.ctx, fetchWait*20)
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
	p.acked, p.owned = -1, false
	at := p.next
	p.mu.Unlock()
	end := max(p.end.Load(), at)
	p.declare(Gap{From: max(at, 0), To: end, Reason: "the topic was deleted"}, 0)
	topic := p.id.Topic
	p.src.post(func() {
		p.src.cl.PurgeTopicsFromConsuming(topic)
		p.src.cl.AddConsumeTopics(topic)
	})
	return nil
}
