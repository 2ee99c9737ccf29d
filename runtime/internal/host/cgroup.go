package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// cgroup names the files of a cgroup in what is said about them.
const cgroup = "cgroup/"

// keyed finds the counters in files of lines "key number".
type keyed map[string]int

var (
	cpuStat = keyed{
		"usage_usec": cgUsage, "user_usec": cgUser, "system_usec": cgSystem,
		"nr_periods": cgPeriods, "nr_throttled": cgThrottledPeriods, "throttled_usec": cgThrottled,
	}
	memoryAreas = map[string]bool{
		"anon": true, "file": true, "kernel": true, "kernel_stack": true, "pagetables": true, "slab": true, "sock": true, "shmem": true,
		"file_mapped": true, "file_dirty": true, "inactive_file": true, "active_file": true, "unevictable": true,
	}
	ioStat = keyed{"rbytes": cgReadBytes, "wbytes": cgWriteBytes, "rios": cgReads, "wios": cgWrites}
)

func (r *Reader) readCgroup() {
	if !r.isVersion2() {
		return
	}
	r.eachPair(r.opts.Cgroup, cgroup, "cpu.stat", func(key string, n int64) {
		if id, ok := cpuStat[key]; ok {
			r.count(id, n)
		}
	})
	r.cpuMax()
	r.cgroupMemory()
	r.cgroupIO()
	if n, ok := r.single("pids.current"); ok {
		r.level(cgPids, n)
	}
	if n, ok := r.single("pids.max"); ok {
		r.level(cgPidsLimit, n)
	}
	for _, resource := range []string{"cpu", "memory", "io"} {
		r.pressure(r.opts.Cgroup, cgroup, resource+".pressure", resource, cgSome, cgFull)
	}
}

// isVersion2 tells the two versions apart: every cgroup of version 2 has
// cgroup.controllers, and the root of version 1 a directory per controller.
func (r *Reader) isVersion2() bool {
	_, err := fs.Stat(r.opts.Cgroup, "cgroup.controllers")
	if err == nil {
		return true
	}
	for _, v1 := range []string{"memory", "cpuacct", "cpuacct.usage", "memory.limit_in_bytes", "tasks"} {
		if _, e := fs.Stat(r.opts.Cgroup, v1); e == nil {
			r.say(cgroup, ErrCgroupV1)
			return false
		}
	}
	r.say(cgroup, fmt.Errorf("no cgroup: %w", err))
	return false
}

// cpuMax reads "QUOTA PERIOD" in microseconds, where QUOTA may be "max".
func (r *Reader) cpuMax() {
	text, ok := r.file(r.opts.Cgroup, cgroup, "cpu.max")
	if !ok {
		return
	}
	words := strings.Fields(text)
	if len(words) != 2 {
		r.say(cgroup+"cpu.max", fmt.Errorf("%.40q is not a quota and a period", text))
		return
	}
	if words[0] == "max" {
		return
	}
	quota, err1 := number(words[0])
	period, err2 := number(words[1])
	if err := errors.Join(err1, err2); err != nil || period == 0 {
		r.say(cgroup+"cpu.max", fmt.Errorf("%.40q is not a quota and a period", text))
		return
	}
	r.level(cgCores, float64(quota)/float64(period))
}

func (r *Reader) cgroupMemory() {
	used, haveUsed := r.single("memory.current")
	if haveUsed {
		r.level(cgMemory, used)
	}
	if limit, ok := r.single("memory.max"); ok {
		r.level(cgMemoryLimit, limit)
	}
	r.eachPair(r.opts.Cgroup, cgroup, "memory.stat", func(key string, n int64) {
		switch {
		case key == "pgmajfault":
			r.count(cgFaults, n)
		case memoryAreas[key]:
			r.level(cgArea, float64(n), metric.Label{Name: "area", Value: key})
		}
		if key == "inactive_file" && haveUsed {
			r.level(cgWorkingSet, max(0, used-float64(n)))
		}
	})
	r.eachPair(r.opts.Cgroup, cgroup, "memory.events", func(key string, n int64) {
		r.count(cgEvents, n, metric.Label{Name: "event", Value: key})
	})
}

// cgroupIO reads lines such as "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0".
func (r *Reader) cgroupIO() {
	text, ok := r.file(r.opts.Cgroup, cgroup, "io.stat")
	if !ok {
		return
	}
	for i, line := range lines(text) {
		words := strings.Fields(line)
		if i >= maxNamed || len(words) == 0 {
			break
		}
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			id, known := ioStat[key]
			if !known {
				continue
			}
			n, err := number(value)
			if err != nil {
				r.say(cgroup+"io.stat", err)
				continue
			}
			r.count(id, n, metric.Label{Name: "device", Value: words[0]})
		}
	}
}

// single reads a file of one number; "max" is no number and no mistake.
func (r *Reader) single(path string) (float64, bool) {
	text, ok := r.file(r.opts.Cgroup, cgroup, path)
	text = strings.TrimSpace(text)
	if !ok || text == "max" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		r.say(cgroup+path, fmt.Errorf("%.40q is not a number", text))
		return 0, false
	}
	return float64(n), true
}

// eachPair calls f for the lines "key number" of a file.
func (r *Reader) eachPair(root fs.FS, of, path string, f func(key string, n int64)) {
	text, ok := r.file(root, of, path)
	if !ok {
		return
	}
	for _, line := range lines(text) {
		key, value, _ := strings.Cut(line, " ")
		n, err := number(strings.TrimSpace(value))
		if err != nil {
			r.say(of+path, err)
			continue
		}
		f(key, n)
	}
}

// pressure reads lines such as "some avg10=0.00 avg60=0.00 avg300=0.00 total=12".
func (r *Reader) pressure(root fs.FS, of, path, resource string, someID, fullID int) {
	text, ok := r.file(root, of, path)
	if !ok {
		return
	}
	ids := map[string]int{"some": someID, "full": fullID}
	for _, line := range lines(text) {
		share, _, _ := strings.Cut(line, " ")
		id, known := ids[share]
		_, total, found := strings.Cut(line, "total=")
		if !known || !found {
			continue
		}
		n, err := number(total)
		if err != nil {
			r.say(of+path, err)
			continue
		}
		r.count(id, n, metric.Label{Name: "resource", Value: resource})
	}
}

func lines(text string) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
