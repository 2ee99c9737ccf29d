package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// Bounds of a pause and of a drain.
const (
	MinPauseTime = time.Second
	MaxPauseTime = 7 * 24 * time.Hour
	DrainTime    = 30 * time.Second // unless somebody says otherwise
	MaxDrainTime = 2 * time.Minute
)

// ErrNoStream says that this instance reads no stream of that name.
var ErrNoStream = errors.New("this instance reads no such stream")

// ErrNotDrained says that a stream is paused, but not everything that was fetched
// has been acknowledged.
var ErrNotDrained = errors.New("not drained")

// The states of a stream.
const (
	StreamRunning  = "running"
	StreamWaiting  = "waiting"  // not read here yet: other instances still read its topics for the stream before it
	StreamPaused   = "paused"   // not read; the group goes on and the partitions stay
	StreamDraining = "draining" // not read; what was fetched is on its way
	StreamDrained  = "drained"  // not read; everything that was fetched is acknowledged and committed
)

// Stream is one stream as this instance reads it.
type Stream struct {
	Name       string      `json:"name"`            // in the policy set
	Topics     []string    `json:"topics"`          // that it reads
	Level      string      `json:"level"`           // of quality: none, no-loss, no-duplicate or exactly-once
	State      string      `json:"state"`           // running, waiting, paused, draining or drained
	Halt       *Halt       `json:"halt,omitempty"`  // why it is not read; none: it is
	Lag        int64       `json:"lag"`             // records behind, in all partitions
	Partitions []Partition `json:"partitions"`      // that this instance has
	Error      string      `json:"error,omitempty"` // why its group does not work
}

// Halt is why a stream is not read.
type Halt struct {
	By     string    `json:"by,omitempty"`   // "": this process itself
	Reason string    `json:"reason"`         // why
	Since  time.Time `json:"since"`          // when it was asked for
	Until  time.Time `json:"until,omitzero"` // when it goes on by itself; zero: when somebody resumes it
}

// HaltRequest asks for a pause or a drain.
type HaltRequest struct {
	Reason string        // 3 to 500 characters
	For    time.Duration // pause: from MinPauseTime to MaxPauseTime; 0: until it is resumed
	Within time.Duration // drain: at most MaxDrainTime; 0: DrainTime
}

// halts remembers why streams are not read. A stream is in it from the pause or
// drain until it is resumed.
type halts struct {
	mu sync.Mutex
	by map[string]*timedHalt
}

type timedHalt struct {
	Halt
	timer *time.Timer // of a pause that ends by itself
}

// set notes a halt in place of the one before.
func (h *halts) set(stream string, why Halt, end func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(stream)
	if h.by == nil {
		h.by = map[string]*timedHalt{}
	}
	t := &timedHalt{Halt: why}
	h.by[stream] = t
	if !why.Until.IsZero() {
		t.timer = time.AfterFunc(time.Until(why.Until), func() {
			h.mu.Lock()
			mine := h.by[stream] == t
			if mine {
				delete(h.by, stream)
			}
			h.mu.Unlock()
			if mine {
				end()
			}
		})
	}
}

func (h *halts) drop(stream string) {
	if t := h.by[stream]; t != nil && t.timer != nil {
		t.timer.Stop()
	}
	delete(h.by, stream)
}

func (h *halts) clear(stream string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(stream)
}

func (h *halts) get(stream string) *Halt {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.by[stream]; t != nil {
		why := t.Halt
		return &why
	}
	return nil
}

// stop ends the timers: nothing resumes in an instance that has ended.
func (h *halts) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for stream := range h.by {
		h.drop(stream)
	}
}

// Streams lists the streams that this instance reads, by name.
func (r *Runtime) Streams() []Stream {
	out := []Stream{}
	for _, h := range r.hops(&r.streams) {
		out = append(out, r.stream(h))
	}
	slices.SortFunc(out, func(a, b Stream) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Stream returns one of them; ErrNoStream.
func (r *Runtime) Stream(name string) (Stream, error) {
	h, err := r.streamHopOf(name)
	if err != nil {
		return Stream{}, err
	}
	return r.stream(h), nil
}

func (r *Runtime) stream(h *hop) Stream {
	src := h.source.Status()
	set := r.opened().streams()[h.name]
	s := Stream{
		Name: h.name, Topics: set.Topics, Level: set.Level, State: cmp.Or(string(src.Halt), StreamRunning),
		Halt: r.halts.get(h.name), Partitions: partitionsOf(src),
	}
	if src.Err != nil {
		s.Error = src.Err.Error()
	}
	if why := h.awaits.Load(); why != nil {
		s.State, s.Error = StreamWaiting, *why
	}
	for _, p := range s.Partitions {
		s.Lag += p.Lag
	}
	return s
}

// streamStatus is what the hop of a stream does, and whether the stream is read.
func (r *Runtime) streamStatus(h *hop) Hop {
	s := h.status()
	if s.State = string(h.source.Status().Halt); s.State != "" {
		s.Halt = r.halts.get(h.name)
	}
	return s
}

func (r *Runtime) streamHopOf(name string) (*hop, error) {
	for _, h := range r.hops(&r.streams) {
		if h.name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoStream, name)
}

// PauseStream stops reading a stream in this instance, until it is resumed or the
// time is over. The instance stays in its group and keeps its partitions, so that
// no other one reads on: what comes waits in Kafka. Errors wrap ErrNoStream or
// ErrRejected.
func (r *Runtime) PauseStream(_ context.Context, by Actor, name string, req HaltRequest) (Stream, error) {
	if _, err := r.streamHopOf(name); err != nil {
		return Stream{}, err
	}
	if err := checkReason(req.Reason); err != nil {
		return Stream{}, err
	}
	if req.For != 0 && (req.For < MinPauseTime || req.For > MaxPauseTime) {
		return Stream{}, fmt.Errorf("%w: for: %v is not from %v to 7d", ErrRejected, req.For, MinPauseTime)
	}
	why := Halt{By: by.Name, Reason: req.Reason, Since: time.Now()}
	if req.For > 0 {
		why.Until = why.Since.Add(req.For)
	}
	h, err := r.halt(name, why, func() {
		if h, err := r.streamHopOf(name); err == nil {
			r.resume(h)
			r.log.Info("stream goes on, the time of its pause is over", "stream", name)
		}
	})
	if err != nil {
		return Stream{}, err
	}
	h.source.Pause()
	r.log.Warn("stream is paused", "stream", name, "by", by.Name, "until", why.Until, "reason", req.Reason)
	return r.stream(h), nil
}

// halt notes that a stream is halted and returns what reads it since: between a look
// and the note it may have been taken away, or another may have taken its place.
func (r *Runtime) halt(name string, why Halt, ended func()) (*hop, error) {
	r.halts.set(name, why, ended)
	h, err := r.streamHopOf(name)
	if err != nil {
		r.halts.clear(name)
	}
	return h, err
}

// resume has a stream go on whose halt is over, unless somebody has halted it again.
func (r *Runtime) resume(h *hop) {
	h.source.Resume()
	if r.halts.get(h.name) != nil {
		h.source.Pause()
	}
}

// ResumeStream goes on reading a stream; one that runs is left as it is.
func (r *Runtime) ResumeStream(_ context.Context, by Actor, name string) (Stream, error) {
	r.halts.clear(name)
	h, err := r.streamHopOf(name)
	if err != nil {
		return Stream{}, err
	}
	r.resume(h)
	r.log.Info("stream goes on", "stream", name, "by", by.Name)
	return r.stream(h), nil
}

// DrainStream stops reading a stream and returns when everything that was fetched
// is acknowledged and committed: the instance may then end, and the next owner of
// its partitions reads nothing again but what windows that are open need. When the
// time is over first, or an output has a fault, the stream stays paused and the
// error wraps ErrNotDrained. Other errors wrap ErrNoStream or ErrRejected.
func (r *Runtime) DrainStream(ctx context.Context, by Actor, name string, req HaltRequest) (Stream, error) {
	if _, err := r.streamHopOf(name); err != nil {
		return Stream{}, err
	}
	if err := checkReason(req.Reason); err != nil {
		return Stream{}, err
	}
	if req.Within < 0 || req.Within > MaxDrainTime {
		return Stream{}, fmt.Errorf("%w: within: %v is not from 0 to %v", ErrRejected, req.Within, MaxDrainTime)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(req.Within, DrainTime))
	defer cancel()
	h, err := r.halt(name, Halt{By: by.Name, Reason: req.Reason, Since: time.Now()}, nil)
	if err != nil {
		return Stream{}, err
	}
	r.log.Warn("stream is being drained", "stream", name, "by", by.Name, "reason", req.Reason)
	if err := h.source.Drain(ctx); err != nil {
		return r.stream(h), fmt.Errorf("%w: %w", ErrNotDrained, err)
	}
	r.log.Info("stream is drained", "stream", name)
	return r.stream(h), nil
}

// checkReason refuses a reason that says nothing, or too much.
func checkReason(reason string) error {
	if n := utf8.RuneCountInString(reason); n < 3 || n > 500 {
		return fmt.Errorf("%w: reason: write 3 to 500 characters", ErrRejected)
	}
	return nil
}
