package runtime

import (
	"io/fs"
	"math"
	"os"
	"path"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/host"
	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
)

// gauge reads the measures of this process. It is used from one goroutine.
type gauge struct {
	limit  float64 // of memory in bytes, NaN when nothing tells
	lag    func() float64
	memory []metrics.Sample
	used   time.Duration // of the processors, at the last reading
	at     time.Time     // of the last reading
}

func newGauge(lag func() float64) *gauge {
	return &gauge{
		limit: memoryLimit(debug.SetMemoryLimit(-1), os.DirFS("/")), lag: lag,
		memory: []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}},
	}
}

// read returns the measures now. Those of the Go runtime stop nothing.
func (g *gauge) read() ladder.Values {
	metrics.Read(g.memory)
	bytes := float64(g.memory[0].Value.Uint64() - g.memory[1].Value.Uint64()) // what GOMEMLIMIT counts
	return ladder.Values{ladder.Memory: bytes / g.limit, ladder.MemoryBytes: bytes, ladder.Lag: g.lag(), ladder.CPU: g.cpu(time.Now())}
}

// cpu is the share of the cores that the process has used since the last reading.
func (g *gauge) cpu(now time.Time) float64 {
	used, ok := processorTime()
	before, since := g.used, now.Sub(g.at)
	first := g.at.IsZero()
	g.used, g.at = used, now
	if !ok || first || since <= 0 {
		return math.NaN()
	}
	return float64(used-before) / float64(since) / float64(goruntime.GOMAXPROCS(0))
}

// memoryLimit is what the process may use: GOMEMLIMIT, or what its cgroup and
// those around it may, or what the machine has. NaN: none of them tells.
func memoryLimit(goLimit int64, root fs.FS) float64 {
	if goLimit < math.MaxInt64 {
		return float64(goLimit)
	}
	if limit, ok := cgroupLimit(root); ok {
		return limit
	}
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return math.NaN()
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "MemTotal:" {
			if kib, err := strconv.ParseUint(words[1], 10, 54); err == nil && kib > 0 {
				return float64(kib << 10)
			}
		}
	}
	return math.NaN()
}

// cgroupLimit is the lowest limit of the own cgroup (version 2) and those above it.
func cgroupLimit(root fs.FS) (limit float64, ok bool) {
	const mount = "sys/fs/cgroup"
	proc, err1 := fs.Sub(root, "proc")
	groups, err2 := fs.Sub(root, mount)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	for dir := host.OwnCgroup(proc, groups); ; dir = path.Dir(dir) {
		text, err := fs.ReadFile(groups, path.Join(dir, "memory.max"))
		n, bad := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 63)
		if err == nil && bad == nil && n > 0 && (!ok || float64(n) < limit) {
			limit, ok = float64(n), true
		}
		if dir == "." {
			return limit, ok
		}
	}
}

// worstLag is the lag of the stream that is furthest behind, of those that began
// before a time, in seconds; NaN without any.
func (r *Runtime) worstLag(before time.Time) float64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	worst := math.NaN()
	for _, h := range r.streams {
		if !h.began.Before(before) {
			continue
		}
		if lag := h.engine.Lag().Seconds(); !(lag <= worst) {
			worst = lag
		}
	}
	return worst
}
