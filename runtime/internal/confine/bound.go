package confine

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// watchEvery is how often the memory of a child is looked at. It allocates at most
// some gigabytes a second, so that it overshoots its limit by a few percent.
const watchEvery = 5 * time.Millisecond

// The collector does not run until a process holds calm bytes. With more to keep, it
// runs when half as much again is held, and spare bytes for what is not heap.
const (
	calm  = 72 << 20
	spare = 16 << 20
)

// Bound makes this process exit when it goes beyond limits. The returned function
// ends the watch; limits that the system enforces stay.
func Bound(limits Limits) (stop func(), err error) {
	if err := systemLimits(limits); err != nil {
		return nil, err
	}
	// The process is short-lived, so the collector runs only when memory gets scarce.
	// It gives up before it starves the evaluation: then the watch ends the process.
	ceiling := limits.Memory * 9 / 10
	debug.SetMemoryLimit(min(calm, ceiling))
	debug.SetGCPercent(-1)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if exceeded(limits.Memory, ceiling, done) {
			os.Exit(exitMemory)
		}
	}()
	return func() { close(done); <-ended }, nil
}

// exceeded waits until this process holds more than limit, or done is closed. As
// long as it does not, the collector is given room in proportion to what it must keep.
func exceeded(limit, ceiling int64, done <-chan struct{}) bool {
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	room := min(calm, ceiling)
	for {
		select {
		case <-done:
			return false
		case <-tick.C:
		}
		metrics.Read(held)
		if int64(held[0].Value.Uint64()-held[1].Value.Uint64()) > limit {
			return true
		}
		if want := min(int64(held[2].Value.Uint64())*3/2+spare, ceiling); want > room {
			room = want
			debug.SetMemoryLimit(room)
		}
	}
}
