package engine

import (
	"context"
	"errors"
)

// Branch is one of the sinks that a stream feeds without a processed topic.
type Branch struct {
	Name  string
	Sink  SampleSink
	Takes func(to []string) bool // whether samples routed to these sinks are for it
}

// Fanout makes several sinks look like one: direct mode. A flush is acknowledged
// when every sink has acknowledged it, so the slowest one sets the pace.
type Fanout []Branch

// Lane implements SampleSink.
func (f Fanout) Lane(p Partition) (Lane, error) {
	l := &fanLane{branches: f}
	for _, b := range f {
		lane, err := b.Sink.Lane(p)
		if err != nil {
			l.Close()
			return nil, err
		}
		l.lanes = append(l.lanes, lane)
	}
	l.batches = make([][]Sample, len(l.lanes))
	return l, nil
}

// fanLane gives a series one ref for the refs it has in each lane.
type fanLane struct {
	branches Fanout
	lanes    []Lane
	bound    [][]branchRef
	free     []Ref
	batches  [][]Sample
}

type branchRef struct {
	lane int
	ref  Ref
}

// Bind implements Lane.
func (l *fanLane) Bind(s Series) Ref {
	var refs []branchRef
	for i, b := range l.branches {
		if b.Takes(s.To) {
			refs = append(refs, branchRef{i, l.lanes[i].Bind(s)})
		}
	}
	if n := len(l.free); n > 0 {
		r := l.free[n-1]
		l.free = l.free[:n-1]
		l.bound[r] = refs
		return r
	}
	l.bound = append(l.bound, refs)
	return Ref(len(l.bound) - 1)
}

// Release implements Lane.
func (l *fanLane) Release(r Ref) {
	for _, b := range l.bound[r] {
		l.lanes[b.lane].Release(b.ref)
	}
	l.bound[r] = nil
	l.free = append(l.free, r)
}

// Write implements Lane.
func (l *fanLane) Write(ctx context.Context, samples []Sample) error {
	for i := range l.batches {
		l.batches[i] = l.batches[i][:0]
	}
	for _, s := range samples {
		for _, b := range l.bound[s.Ref] {
			l.batches[b.lane] = append(l.batches[b.lane], Sample{b.ref, s.Counts, s.Time, s.Value})
		}
	}
	for i, lane := range l.lanes {
		if len(l.batches[i]) == 0 {
			continue
		}
		if err := lane.Write(ctx, l.batches[i]); err != nil {
			return err
		}
	}
	return nil
}

// Flush implements Lane.
func (l *fanLane) Flush(ctx context.Context) error {
	var errs []error
	for _, lane := range l.lanes {
		errs = append(errs, lane.Flush(ctx))
	}
	return errors.Join(errs...)
}

// Refused implements Refuser.
func (l *fanLane) Refused(report func(sink, reason string, samples int)) {
	for i, lane := range l.lanes {
		if r, ok := lane.(Refuser); ok {
			r.Refused(func(_, reason string, samples int) { report(l.branches[i].Name, reason, samples) })
		}
	}
}

// Close implements Lane.
func (l *fanLane) Close() {
	for _, lane := range l.lanes {
		lane.Close()
	}
}
