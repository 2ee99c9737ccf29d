package remotewrite

import (
	"context"
	"math"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// lane collects samples and sends them as one request when there are enough of
// them. It has at most one request under way, which keeps every series in order.
//
// A request holds each series once with all its samples, as protocol 2.0 asks:
// Write chains the samples of a series, and the encoder walks the chains. A
// series that has samples waiting carries the lane's present epoch.
type lane struct {
	sink   *Sink
	series engine.Bound[series]
	refs   map[identity]engine.Ref
	labels interner

	epoch   uint32 // of the request being filled
	points  []point
	touched []engine.Ref // with samples in this request, in order of the first
	size    int          // of the request before compression, at most
	counted int          // samples of the request that count

	refused map[string]int // samples that count, by reason, since Refused was called
}

// identity is what makes two series the same: a symbol and a block.
type identity struct{ name, block uint32 }

// series is a bound series. Binding it again gives the same Ref, so that its
// samples stay in one chain. It is small, since there are many.
type series struct {
	identity
	epoch       uint32 // of the request that its chain is for
	first, last int32  // of the chain in points
	typ         engine.Type
}

// point is a sample in a chain.
type point struct {
	time  int64
	value float64
	next  int32
}

const end = math.MaxInt32 // of a chain

func newLane(s *Sink) *lane {
	return &lane{
		sink: s, refs: map[identity]engine.Ref{}, labels: newInterner(s.opts.Protocol == V2),
		epoch: 1,
	}
}

// Bind implements engine.Lane.
func (l *lane) Bind(s engine.Series) engine.Ref {
	id := identity{l.labels.symbol(valid(s.Name)), l.labels.block(s.Labels)}
	ref, bound := l.refs[id]
	if bound {
		l.labels.release(id)
		l.series.Again(ref)
		return ref
	}
	ref = l.series.Add(series{identity: id, typ: s.Type})
	l.refs[id] = ref
	return ref
}

// Release implements engine.Lane. A series with samples waiting goes with them.
func (l *lane) Release(ref engine.Ref) {
	if l.series.Release(ref, l.series.At(ref).epoch == l.epoch) {
		l.forget(ref)
	}
}

func (l *lane) forget(ref engine.Ref) {
	id := l.series.At(ref).identity
	delete(l.refs, id)
	l.labels.release(id)
	l.series.Free(ref)
}

// Write implements engine.Lane. It blocks while a full request is sent.
func (l *lane) Write(ctx context.Context, samples []engine.Sample) error {
	for len(samples) > 0 {
		if l.full() { // left by a Write whose context ended
			if err := l.send(ctx); err != nil {
				return err
			}
		}
		samples = samples[l.take(samples):]
		if l.full() {
			if err := l.send(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lane) full() bool {
	return len(l.points) >= l.sink.opts.MaxSamples || l.size >= l.sink.opts.MaxBytes
}

// take puts samples into the request until it is full and returns how many.
func (l *lane) take(samples []engine.Sample) int {
	for i := range samples {
		s := &samples[i]
		x := l.series.At(s.Ref)
		at := int32(len(l.points))
		if x.epoch == l.epoch {
			l.points[x.last].next = at
		} else {
			x.epoch, x.first = l.epoch, at
			l.touched = append(l.touched, s.Ref)
			l.size += l.labels.blocks.values[x.block].size + len(l.labels.symbols.values[x.name].text) + seriesOverhead
		}
		x.last = at
		l.points = append(l.points, point{s.Time, s.Value, end})
		if s.Counts {
			l.counted++
		}
		l.size += sampleSize
		if l.full() {
			return i + 1
		}
	}
	return len(samples)
}

// Flush implements engine.Lane.
func (l *lane) Flush(ctx context.Context) error {
	if len(l.points) == 0 {
		return nil
	}
	return l.send(ctx)
}

// send delivers the request and begins the next one. On an error, which is that
// of ctx, the request stays as it is.
func (l *lane) send(ctx context.Context) error {
	p := l.sink.payloads.Get().(*payload)
	p.bytes = l.encode(p.bytes[:0])
	lost, err := l.sink.deliver(ctx, p, len(l.points))
	if !p.inUse() { // an attempt that was given up may still be read from
		l.sink.payloads.Put(p)
	}
	if err != nil {
		return err
	}
	l.refuse(lost)
	l.epoch++
	l.points, l.touched, l.size, l.counted = l.points[:0], l.touched[:0], 0, 0
	for _, ref := range l.series.Left() {
		l.forget(ref)
	}
	return nil
}

// refuse notes what became of the request. A receiver that took a part does not say
// which: of the samples that count, the same share is taken for refused, rounded up.
func (l *lane) refuse(lost loss) {
	if lost.samples == 0 || l.counted == 0 {
		return
	}
	if l.refused == nil {
		l.refused = map[string]int{}
	}
	l.refused[lost.reason] += (l.counted*lost.samples + len(l.points) - 1) / len(l.points)
}

// Refused implements engine.Refuser.
func (l *lane) Refused(report func(sink, reason string, samples int)) {
	for reason, n := range l.refused {
		report("", reason, n)
	}
	clear(l.refused)
}

// Close implements engine.Lane.
func (l *lane) Close() { *l = lane{sink: l.sink} }
