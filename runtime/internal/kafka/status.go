package kafka

import (
	"cmp"
	"slices"
	"time"
)

// State is what a partition is doing.
type State string

// States of a partition, from its assignment on. Given up, it is not listed.
const (
	StateAssigned  State = "assigned"  // waits for its worker
	StateRunning   State = "running"   //
	StateThrottled State = "throttled" // not fetched: its queue is full
	StateSinkDown  State = "sink-down" // a flush takes longer than 5 s
	StateGap       State = "gap"       // finds out what the broker still has
	StateFailed    State = "failed"    // its worker failed and is opened again after a pause
	StateDraining  State = "draining"  // being given up, or asked to acknowledge everything
	StatePaused    State = "paused"    // not fetched: somebody asked for that
	StateDrained   State = "drained"   // not fetched, everything is acknowledged and committed
)

const slowFlush = 5 * time.Second

// Status is what a Source is doing, at one moment.
type Status struct {
	Group      string
	Joined     time.Time         // the group, for the first time; zero before
	Partitions []PartitionStatus // assigned to this member, by topic and number
	Gaps       []Gap             // the latest 100, oldest first
	GapCount   int               // since the start
	GapRecords int64             // in all of them
	Err        error             // why the group does not work, nil when it does
	CommitErr  error             // of the latest commit, nil when it succeeded
	Halt       State             // StatePaused, StateDraining or StateDrained; "" when records are fetched
}

// PartitionStatus is what one partition is doing. Offsets below 0 are unknown.
type PartitionStatus struct {
	Topic       string
	ID          int32
	State       State
	Next        int64 // offset the worker is handed next
	Acked       int64 // everything before it is acknowledged and may be committed
	End         int64 // of the log: known from the latest fetch, at most 5 s old when none runs
	Lag         int64 // records between Acked and End
	QueuedBytes int64
	Restarts    int   // of the worker, after faults
	Err         error // the latest fault of the worker; it may be mended since
	ErrAt       time.Time
}

// Status may be called at any time.
func (s *Source) Status() Status {
	s.mu.Lock()
	st := Status{
		Group: s.opts.Group, Joined: s.joined, Gaps: slices.Clone(s.gaps), GapCount: s.gapCount, GapRecords: s.lost,
		Err: s.failed, CommitErr: s.commitErr, Halt: s.halt,
	}
	parts := make([]*partition, 0, len(s.parts))
	for _, p := range s.parts {
		parts = append(parts, p)
	}
	s.mu.Unlock()
	for _, p := range parts {
		st.Partitions = append(st.Partitions, p.status(st.Halt))
	}
	slices.SortFunc(st.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return st
}

func (p *partition) status(halt State) PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := PartitionStatus{
		Topic: p.id.Topic, ID: p.id.ID, State: p.state, Next: p.next, Acked: p.acked, End: p.end.Load(),
		QueuedBytes: p.queue.size(), Restarts: p.restarts, Err: p.err, ErrAt: p.errAt,
	}
	from := p.acked
	if from < 0 {
		from = max(p.base, 0)
	}
	st.Lag = max(st.End-from, 0)
	began := p.flushing.Load()
	switch {
	case p.stopping.Load():
		st.State = StateDraining
	case st.State != StateRunning:
	case began > 0 && time.Since(time.Unix(0, began)) > slowFlush:
		st.State = StateSinkDown
	case halt != "":
		st.State = halt
	case p.holds&holdFull != 0:
		st.State = StateThrottled
	}
	return st
}
