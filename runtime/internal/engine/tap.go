package engine

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// MaxTaps is how many taps may be open at a time.
const MaxTaps = 8

// ErrTaps says that MaxTaps are open.
var ErrTaps = errors.New("too many taps are open")

// Taps let others look at samples as workers decide about them. All engines of an
// instance share one. While none is open, a worker pays one atomic load per batch.
// An open one never makes a worker wait: what it has no room for is counted.
type Taps struct {
	mu   sync.Mutex
	open atomic.Pointer[[]*Tap] // nil: none
}

// TapOptions say what a tap is about. What is left out picks everything.
type TapOptions struct {
	Pick         *program.Picker
	Rule         func(id string) bool // by the rule that decided; samples that none decided have ""
	Dispositions []ledger.Disposition
	PerSecond    int // most that are taken, 1 to 65535
}

// Tapped is a sample as a worker decided about it. Nobody changes its labels.
type Tapped struct {
	Stream      string
	Topic       string
	Partition   int32
	Offset      int64 // -1: of an earlier record, of which the sample was held
	Time        int64 // report_timestamp, Unix ms
	Task        string
	Name        string // as reported
	Labels      metric.Labels
	NewName     string // as it goes out, "": it does not
	NewLabels   metric.Labels
	To          []string // sinks that a route named
	Form        record.Form
	Value       float64 // number, rate or mean
	Count       int64   // of a counter, meter or histogram
	Text        string  // of a text gauge
	End         bool    // the series has ended
	Disposition ledger.Disposition
	Rule        program.RuleID // that decided, by its label; "": none
	Reason      string         // of a dead letter, which has no series

	id program.RuleID // of Rule
}

// Tap is a bounded look at samples. Its reader and the workers may use it at the
// same time.
type Tap struct {
	opts TapOptions
	only uint32 // set of dispositions, 0: all

	matched atomic.Uint64
	lost    atomic.Uint64
	given   atomic.Uint64 // slot after which more may be taken <<16 | samples that it may still take; 0: none was offered yet

	mu   sync.Mutex
	ring []Tapped
	next int // of ring: where the next one goes
	n    int // that wait in it
}

// A tap is paced by tenths of a second, so that what it shows is of all of it.
const (
	tapSlot  = 100 // ms
	tapSlots = 1000 / tapSlot
)

// Open opens a tap; ErrTaps.
func (t *Taps) Open(o TapOptions) (*Tap, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Tap
	if p := t.open.Load(); p != nil {
		list = *p
	}
	if len(list) == MaxTaps {
		return nil, ErrTaps
	}
	tap := &Tap{opts: o, ring: make([]Tapped, 2*o.PerSecond+tapSlots)}
	for _, d := range o.Dispositions {
		tap.only |= 1 << d
	}
	list = append(slices.Clone(list), tap)
	t.open.Store(&list)
	return tap, nil
}

// Close ends a tap. What it has can still be read.
func (t *Taps) Close(tap *Tap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.open.Load()
	if p == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*p), func(x *Tap) bool { return x == tap })
	if len(list) == 0 {
		t.open.Store(nil)
		return
	}
	t.open.Store(&list)
}

// Count returns how many taps are open.
func (t *Taps) Count() int {
	if p := t.open.Load(); p != nil {
		return len(*p)
	}
	return 0
}

// list returns the open taps, nil when there are none. Nobody changes it.
func (t *Taps) list() *[]*Tap {
	if t == nil {
		return nil
	}
	return t.open.Load()
}

// Read appends what came since the last call to list, oldest first.
func (t *Tap) Read(list []Tapped) []Tapped {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; t.n > 0; t.n-- {
		at := &t.ring[(t.next-t.n+len(t.ring))%len(t.ring)]
		list = append(list, *at)
		*at = Tapped{}
	}
	return list
}

// Counts returns how many samples the tap was about, and how many of those that it
// took were lost because nobody read them.
func (t *Tap) Counts() (matched, lost uint64) { return t.matched.Load(), t.lost.Load() }

// perSlot is how many samples a tap takes in a slot of time; a slow one takes one
// now and then.
func (t *Tap) perSlot(slot int64) uint64 {
	n := int64(t.opts.PerSecond)
	return uint64((slot+1)*n/tapSlots - slot*n/tapSlots)
}

// room returns how many more samples the tap takes in a slot of time. What it did
// not take in the second before it takes now: reports often come in bursts.
func (t *Tap) room(slot int64) uint64 { _, left := t.left(t.given.Load(), slot); return left }

// left works out of given what it is in a slot, and from which slot on more is added.
func (t *Tap) left(given uint64, slot int64) (at int64, left uint64) {
	at, left = int64(given>>16), given&0xffff
	switch {
	case given == 0: // what the first second has room for is there at once
		return slot + tapSlots - 1, uint64(t.opts.PerSecond)
	case slot-at >= tapSlots:
		return slot, uint64(t.opts.PerSecond)
	}
	for ; at < slot; at++ {
		left = min(left+t.perSlot(at+1), uint64(t.opts.PerSecond))
	}
	return at, left
}

// take reports whether there is room for one more sample in a slot of time.
func (t *Tap) take(slot int64) bool {
	for {
		given := t.given.Load()
		at, left := t.left(given, slot)
		if left == 0 {
			return false
		}
		if t.given.CompareAndSwap(given, uint64(at)<<16|(left-1)) {
			return true
		}
	}
}

// put adds a sample. It waits for nobody: while the tap is being read, the sample
// is lost; when it is full, the oldest one.
func (t *Tap) put(x *Tapped) {
	if !t.mu.TryLock() {
		t.lost.Add(1)
		return
	}
	defer t.mu.Unlock()
	t.ring[t.next] = *x
	t.next = (t.next + 1) % len(t.ring)
	if t.n < len(t.ring) {
		t.n++
	} else {
		t.lost.Add(1)
	}
}
