package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// begin says where reading starts, unless that is known: the committed offset.
func (p *partition) begin(at kgo.EpochOffset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Offset >= 0 && p.base < 0 {
		p.base, p.next, p.epoch = at.Offset, at.Offset, at.Epoch
	}
}

// beginNew does so without a committed offset, at the first record. It gives the group
// its place there at once: what waits for a group that has acknowledged nothing yet is
// known to Kafka then, too.
func (p *partition) beginNew(first int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base < 0 && p.owned {
		p.base, p.next, p.acked = first, first, first
		p.mark()
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

// mayCommit returns the acknowledged offset, or the one that reading has started at, if
// that is known.
func (p *partition) mayCommit() (kgo.EpochOffset, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := max(p.acked, p.base)
	return kgo.EpochOffset{Epoch: p.epoch, Offset: at}, at >= 0
}

// release ends the right to commit and returns what may be committed last. It
// also lifts the partition's pause: the client remembers a pause even when the
// partition comes back later.
func (p *partition) release() (kgo.EpochOffset, bool) {
	p.unhold(holdFull | holdFault)
	p.mu.Lock()
	p.owned = false
	p.mu.Unlock()
	return p.mayCommit()
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
