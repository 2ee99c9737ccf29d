package plugins

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// A guest whose time is over gets no more memory than one growth of it, however fast it
// asks: it says each that it got.
func TestNoGrowthAfterTheTime(t *testing.T) {
	one := as.I32(1) + as.MemoryGrow + as.I32(-1) + as.I32Ne + as.If + as.I32(2) + as.I32(2048) + as.I32(4) + as.Call(0) + as.End
	wasm := bomb{
		does: as.Code(strings.Repeat(string(one), 60)),
		set: func(m *as.Module) {
			m.Import(abi.Module, abi.Log, "iii", "")
			m.Data(2048, []byte("grew"))
		},
	}.guest()
	for _, tt := range []struct {
		limit       time.Duration
		code        abi.Code
		least, most int
	}{{time.Nanosecond, abi.Deadline, 0, 1}, {time.Minute, 0, 60, 60}} {
		var said lines
		i := open(t, wasm, Options{Log: said.log, Limits: Limits{Batch: tt.limit}})
		err := i.Transform(t.Context(), batchOf(2))
		var failure *Error
		if errors.As(err, &failure) != (tt.code != 0) || failure != nil && failure.Code != tt.code {
			t.Errorf("within %s: %v, want the code %d", tt.limit, err, tt.code)
		}
		if n := len(said.all); n < tt.least || n > tt.most {
			t.Errorf("within %s it grew %d times, want %d to %d", tt.limit, n, tt.least, tt.most)
		}
	}
}

// A deadline moves by what a guest could not use, until it has used its time or far too
// much has passed.
func TestExtension(t *testing.T) {
	runtime.LockOSThread() // as check does: the clock is that of the thread
	defer runtime.UnlockOSThread()
	const passed = 10 * time.Minute
	clock, clocked := threadTime()
	for name, tt := range map[string]struct {
		used    time.Duration
		latest  time.Duration
		clocked bool
		want    time.Duration // that it goes on; 0: it is stopped
	}{
		"used none of it":    {0, time.Hour, true, time.Minute},
		"used most of it":    {50 * time.Second, time.Hour, true, 10 * time.Second},
		"used all of it":     {time.Minute, time.Hour, true, 0},
		"little time left":   {0, passed + time.Second, true, time.Second},
		"no time left":       {0, passed - 1, true, 0},
		"not known how much": {0, time.Hour, false, 0},
	} {
		if tt.clocked && !clocked {
			t.Logf("%s: threads have no clock here", name)
			continue
		}
		c := &call{within: time.Minute, latest: tt.latest, clocked: tt.clocked, began: clock - tt.used}
		stopped := func() (s bool) {
			defer func() { s = recover() != nil }()
			c.extend(passed)
			return false
		}()
		left := c.deadline - passed
		if stopped != (tt.want == 0) || !stopped && (left > tt.want || left < tt.want-time.Second) { // the test uses some time
			t.Errorf("%s: stopped: %v, else for %s, want %s", name, stopped, left, tt.want)
		}
	}
}
