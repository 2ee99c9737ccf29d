package host

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// proc names the files of the machine in what is said about them.
const proc = "proc/"

// tick is the unit of CPU times in /proc, in milliseconds: USER_HZ is 100 on
// every architecture that Linux has today.
const tick = 10

// sector is the unit of /proc/diskstats in bytes, whatever the device says.
const sector = 512

func (r *Reader) readMachine() {
	r.stat()
	r.loadAverage()
	r.memInfo()
	r.columns("diskstats", 2, 14, diskColumns, "device", func(name string) bool {
		return strings.HasPrefix(name, "loop") || strings.HasPrefix(name, "ram")
	})
	r.columns("net/dev", 0, 17, netColumns, "interface", func(name string) bool { return name == "lo" })
	for _, resource := range []string{"cpu", "memory", "io"} {
		r.pressure(r.opts.Proc, proc, "pressure/"+resource, resource, some, full)
	}
}

// cpuModes are the columns of the line "cpu" of /proc/stat. What guests use is
// contained in user and nice.
var cpuModes = []string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}

func (r *Reader) stat() {
	text, ok := r.file(r.opts.Proc, proc, "stat")
	if !ok {
		return
	}
	processors := 0
	for _, line := range lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch key := words[0]; key {
		case "cpu":
			for i, mode := range cpuModes[:min(len(cpuModes), len(words)-1)] {
				if n, ok := r.statNumber(words[i+1]); ok {
					r.count(cpuTime, scaled(n, tick), metric.Label{Name: "mode", Value: mode})
				}
			}
		case "ctxt", "processes":
			if n, ok := r.statNumber(words[1]); ok {
				r.count(map[string]int{"ctxt": switches, "processes": forks}[key], n)
			}
		case "btime", "procs_running", "procs_blocked":
			if n, ok := r.statNumber(words[1]); ok {
				r.level(map[string]int{"btime": bootTime, "procs_running": procsRunning, "procs_blocked": procsBlocked}[key], float64(n))
			}
		default:
			if strings.HasPrefix(key, "cpu") {
				processors++
			}
		}
	}
	if processors > 0 {
		r.level(cpus, float64(processors))
	}
}

func (r *Reader) statNumber(s string) (int64, bool) {
	n, err := number(s)
	if err != nil {
		r.say(proc+"stat", err)
	}
	return n, err == nil
}

func (r *Reader) loadAverage() {
	text, ok := r.file(r.opts.Proc, proc, "loadavg")
	if !ok {
		return
	}
	words := strings.Fields(text)
	for i, minutes := range []string{"1", "5", "15"} {
		if i >= len(words) {
			r.say(proc+"loadavg", errors.New("three numbers are expected"))
			return
		}
		v, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			r.say(proc+"loadavg", fmt.Errorf("%.40q is not a number", words[i]))
			return
		}
		r.level(load, v, metric.Label{Name: "minutes", Value: minutes})
	}
}

var memInfo = keyed{
	"MemTotal": memTotal, "MemAvailable": memAvailable, "MemFree": memFree, "Buffers": memBuffers, "Cached": memCached,
	"SwapTotal": swapTotal, "SwapFree": swapFree,
}

func (r *Reader) memInfo() {
	text, ok := r.file(r.opts.Proc, proc, "meminfo")
	if !ok {
		return
	}
	for _, line := range lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if id, known := memInfo[key]; known {
			r.kilobytes(proc+"meminfo", id, value)
		}
	}
}

// kilobytes gives a level from a text such as "  1024 kB".
func (r *Reader) kilobytes(path string, id int, value string, labels ...metric.Label) {
	n, err := number(strings.TrimSpace(strings.TrimSuffix(value, " kB")))
	if err != nil {
		r.say(path, err)
		return
	}
	r.level(id, float64(n)*1024, labels...)
}

// column is a counter in a table: where it stands and by what it is multiplied.
type column struct {
	at, id int
	times  int64
}

var (
	diskColumns = []column{
		{3, diskReads, 1}, {5, diskReadBytes, sector}, {7, diskWrites, 1}, {9, diskWriteBytes, sector}, {12, diskBusy, 1},
	}
	netColumns = []column{
		{1, netReceivedBytes, 1}, {2, netReceivedPackets, 1}, {3, netReceivedErrors, 1}, {4, netReceivedDrops, 1},
		{9, netSentBytes, 1}, {10, netSentPackets, 1}, {11, netSentErrors, 1}, {12, netSentDrops, 1},
	}
)

// columns reads a table of one line per device: its name in one column, counters
// in others, at least so many columns. Lines without as many are headings.
func (r *Reader) columns(path string, name, least int, cols []column, label string, skip func(string) bool) {
	text, ok := r.file(r.opts.Proc, proc, path)
	if !ok {
		return
	}
	taken := 0
	for _, line := range lines(text) {
		if head, rest, found := strings.Cut(line, ":"); found { // "eth0:123" has no space
			line = head + " " + rest
		}
		words := strings.Fields(line)
		if len(words) < least || strings.Contains(line, "|") || skip(words[name]) {
			continue
		}
		if taken++; taken > maxNamed {
			r.say(proc+path, fmt.Errorf("only the first %d lines are read", maxNamed))
			return
		}
		for _, c := range cols {
			n, err := number(words[c.at])
			if err != nil {
				r.say(proc+path, err)
				continue
			}
			r.count(c.id, scaled(n, c.times), metric.Label{Name: label, Value: words[name]})
		}
	}
}
