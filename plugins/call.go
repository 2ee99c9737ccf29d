package plugins

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// call is the state that host functions have for one call into a guest.
type call struct {
	guest    *guest
	outer    context.Context
	start    time.Time
	within   time.Duration // what the guest may use of a processor
	deadline time.Duration // from start: when it has used that, if it had one all the time
	latest   time.Duration // when it is stopped, whatever it had
	locked   bool          // the call stays on its thread
	clocked  bool          // that has a clock
	began    time.Duration // which said this when the guest was looked at first
	now      int64         // Unix ms
	slept    uint64        // ns that the guest's clock was put forward
	random   uint64
	granted  int64 // fuel
	entered  uint  // host calls

	notes  []note  // of sluice.fail
	counts []int64 // of sluice.count, by metric; they hold when the batch commits
	line   []byte  // of standard output or error, not ended yet
	said   string  // first line on standard error: what a panic says
}

// note is what a guest said about a record, or about the batch (-1).
type note struct {
	record  int
	message string
}

// maxNotes bounds what is kept of one call.
const maxNotes = 256

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// begin resets the state for a call that may last so long; end must follow.
func (c *call) begin(outer context.Context, within time.Duration, now int64, sequence uint64) {
	p := c.guest.plugin
	c.outer, c.now, c.start = outer, now, time.Now()
	c.within, c.deadline, c.latest = within, within, within+patience(within)
	c.random = p.seed ^ sequence
	c.slept, c.granted, c.entered, c.said = 0, 0, 0, ""
	if c.guest.fuel != nil {
		c.granted = int64(c.guest.fuel.Get())
	}
	c.notes, c.line = c.notes[:0], c.line[:0]
	c.counts = slices.Grow(c.counts[:0], len(p.manifest.Metrics))[:len(p.manifest.Metrics)]
	clear(c.counts)
}

// stopped is thrown through a guest by a host function.
type stopped struct {
	code    abi.Code
	message string
	err     error
}

func (s *stopped) Error() string { return s.message }
func (s *stopped) Unwrap() error { return s.err }

// patience is how much longer than its limit a guest may take on a machine that does
// other things in between: those are not the guest's. It is stopped within twice the
// limit all the same, if the machine does not keep it from being looked at.
func patience(within time.Duration) time.Duration { return within * 3 / 4 }

// hostFuel is what a call of the host costs.
const hostFuel = 256

// check stops the guest when its time is over or nobody waits any more.
func (c *call) check() {
	if !c.locked && c.guest.fuel != nil {
		runtime.LockOSThread() // its clock is that of the guest
		c.locked = true
		c.began, c.clocked = threadTime()
	}
	if passed := time.Since(c.start); passed > c.deadline {
		c.extend(passed)
	}
	if err := c.outer.Err(); err != nil {
		panic(&stopped{code: abi.Deadline, message: "it was cancelled", err: err})
	}
}

// extend moves the deadline by what the guest has not used of its time, or stops it.
func (c *call) extend(passed time.Duration) {
	used := c.within
	if c.clocked {
		clock, _ := threadTime()
		used = clock - c.began
	}
	if used >= c.within || passed > c.latest {
		panic(&stopped{code: abi.Deadline, message: "its time was over"})
	}
	c.deadline = min(passed+c.within-used, c.latest)
}

// end lets the goroutine change threads again.
func (c *call) end() {
	if c.locked {
		c.locked, c.clocked = false, false
		runtime.UnlockOSThread()
	}
}

// enter is what every host function begins with: calls of the host are no way
// around the deadline.
func (c *call) enter() {
	c.granted += hostFuel
	if c.entered++; c.entered%64 == 0 {
		c.check()
	}
}

// failed makes the Error of a call that did not return.
func (g *guest) failed(step string, err error) *Error {
	out := &Error{Code: abi.Trap, Step: step, Record: -1, Err: err}
	var thrown *stopped
	var exit *sys.ExitError
	switch {
	case errors.As(err, &thrown):
		out.Code, out.Message, out.Err = thrown.code, thrown.message, thrown.err
		if out.Code == abi.Deadline {
			out.Message += fmt.Sprintf(" (%s)", g.allowed(step))
		}
	case errors.As(err, &exit) && (exit.ExitCode() == sys.ExitCodeContextCanceled || exit.ExitCode() == sys.ExitCodeDeadlineExceeded):
		out.Code, out.Message = abi.Deadline, fmt.Sprintf("its time was over (%s)", g.allowed(step))
	case strings.Contains(err.Error(), "stack overflow"), g.depth != nil && int(int32(g.depth.Get())) > g.plugin.limits.Depth:
		out.Code, out.Message = abi.Depth, "its calls nested too deep"
	case g.starved():
		out.Code, out.Message = abi.OutOfMemory, fmt.Sprintf("it wanted more than its %d pages of memory", g.plugin.limits.Pages)
	default:
		first, _, _ := strings.Cut(err.Error(), "\n")
		out.Message = strings.TrimPrefix(first, "wasm error: ")
	}
	if said := cmp.Or(g.call.said, g.call.reason()); said != "" {
		out.Message += ": " + said
	}
	return out
}

// reason is the last that the guest said about the batch as a whole: why it gives up.
func (c *call) reason() string {
	for _, n := range slices.Backward(c.notes) {
		if n.record < 0 {
			return n.message
		}
	}
	return ""
}

func (g *guest) allowed(step string) time.Duration {
	if step == StepTransform {
		return g.plugin.limits.Batch
	}
	return g.plugin.limits.Init
}

// starved tells whether a guest that trapped probably did for want of memory: the
// format has no other sign of it.
func (g *guest) starved() bool {
	if strings.Contains(g.call.said, "out of memory") {
		return true
	}
	return g.module != nil && int64(g.module.Memory().Size()) > int64(g.plugin.limits.Pages)*pageSize*7/8
}

// refused makes the Error of a guest that answered with a code.
func (g *guest) refused(step string, code abi.Code) *Error {
	if why := g.call.reason(); why != "" {
		return fault(code, step, "%s", why)
	}
	if code > abi.Internal {
		return fault(abi.BadOutput, step, "it answered with the code %d, which no plugin has", code)
	}
	return fault(code, step, "the plugin gives no reason")
}

// view finds a text of the guest for people, cut.
func (c *call) view(m api.Module, at, n uint32) []byte {
	b, ok := m.Memory().Read(at, min(n, uint32(c.guest.plugin.limits.Line)))
	if !ok {
		panic(&stopped{code: abi.BadOutput, message: "it passed a text outside of its memory"})
	}
	return b
}

// legible makes UTF-8 of whatever a guest wrote.
func legible(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// utf16 reads a string as AssemblyScript lays it out: its length in bytes ahead.
func (c *call) utf16(m api.Module, at uint32) string {
	n, ok := m.Memory().ReadUint32Le(at - 4)
	b, in := m.Memory().Read(at, min(n, uint32(c.guest.plugin.limits.Line)))
	if at < 4 || !ok || !in {
		return ""
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// write takes what a guest prints, line by line.
func (c *call) write(b []byte, fault bool) {
	most := c.guest.plugin.limits.Line
	for _, ch := range b {
		if ch != '\n' {
			if len(c.line) < most {
				c.line = append(c.line, ch)
			}
			continue
		}
		line := legible(c.line)
		c.line = c.line[:0]
		if fault && c.said == "" {
			c.said = line
		}
		c.guest.plugin.say(levelOf(fault), line)
	}
}

// next returns 64 bits that depend on the plugin, the batch and how many were
// asked for before: splitmix64.
func (c *call) next() uint64 {
	c.random += 0x9e3779b97f4a7c15
	z := c.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
