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

// Bound makes this process exit when it goes beyond limits. The returned function
// ends the watch; limits that the system enforces stay.
func Bound(limits Limits) (stop func(), err error) {
	if err := systemLimits(limits); err != nil {
		return nil, err
	}
	// The process is short-lived, so the collector may take its time until the limit
	// nears. It gives up before it starves the evaluation: then the watch ends the process.
	debug.SetMemoryLimit(limits.Memory * 9 / 10)
	debug.SetGCPercent(200)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if exceeded(limits.Memory, done) {
			os.Exit(exitMemory)
		}
	}()
	return func() { close(done); <-ended }, nil
}

// exceeded waits until this process holds more than limit, or done is closed.
func exceeded(limit int64, done <-chan struct{}) bool {
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return false
		case <-tick.C:
			metrics.Read(held)
			if int64(held[0].Value.Uint64()-held[1].Value.Uint64()) > limit {
				return true
			}
		}
	}
}
