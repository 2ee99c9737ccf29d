package host

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

func (r *Reader) readProcess(pid string) {
	path := pid + "/stat"
	text, ok := r.file(r.opts.Proc, proc, path)
	if !ok {
		return
	}
	p, err := parseStat(text)
	if err != nil {
		r.say(proc+path, err)
		return
	}
	labels := metric.Labels{{Name: "pid", Value: p.pid}, {Name: "process", Value: p.name}}
	r.count(procUser, scaled(p.user, tick), labels...)
	r.count(procSystem, scaled(p.system, tick), labels...)
	r.count(procFaults, p.faults, labels...)
	r.status(pid+"/status", labels)
	r.files(pid, labels)
}

// processStat is what is read of /proc/PID/stat.
type processStat struct {
	pid, name            string
	faults, user, system int64
}

// parseStat reads "PID (NAME) STATE …": the name is in parentheses and may hold
// any of them itself, so the last one ends it.
func parseStat(text string) (p processStat, err error) {
	head, rest, open := strings.Cut(text, " (")
	end := strings.LastIndex(rest, ") ")
	if !open || end < 0 {
		return p, errors.New("there is no name in parentheses")
	}
	p.pid, p.name = head, rest[:end]
	words := strings.Fields(rest[end+2:])
	const majorFaults, userTime, systemTime = 9, 11, 12 // behind the name
	if len(words) <= systemTime {
		return p, fmt.Errorf("%d fields behind the name are too few", len(words))
	}
	var errs [3]error
	p.faults, errs[0] = number(words[majorFaults])
	p.user, errs[1] = number(words[userTime])
	p.system, errs[2] = number(words[systemTime])
	return p, errors.Join(errs[:]...)
}

var statusSizes = keyed{"VmRSS": procResident, "VmHWM": procPeak, "VmSize": procVirtual, "VmSwap": procSwap}

func (r *Reader) status(path string, labels metric.Labels) {
	text, ok := r.file(r.opts.Proc, proc, path)
	if !ok {
		return
	}
	for _, line := range lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if id, known := statusSizes[key]; known {
			r.kilobytes(proc+path, id, value, labels...)
			continue
		}
		kind, isSwitches := strings.CutSuffix(key, "_ctxt_switches")
		if key != "Threads" && !isSwitches {
			continue
		}
		n, err := number(strings.TrimSpace(value))
		switch {
		case err != nil:
			r.say(proc+path, err)
		case isSwitches:
			r.count(procSwitches, n, slices.Clone(labels).Set("kind", kind)...)
		default:
			r.level(procThreads, float64(n), labels...)
		}
	}
}

// files counts open files and reads how many there may be.
func (r *Reader) files(pid string, labels metric.Labels) {
	if open, err := fs.ReadDir(r.opts.Proc, pid+"/fd"); err != nil {
		r.say(proc+pid+"/fd", err) // of another user's process, without the right to look
	} else {
		r.level(procFiles, float64(len(open)), labels...)
	}
	text, ok := r.file(r.opts.Proc, proc, pid+"/limits")
	if !ok {
		return
	}
	_, limits, found := strings.Cut(text, "Max open files")
	words := strings.Fields(limits)
	if !found || len(words) == 0 {
		r.say(proc+pid+"/limits", errors.New("there is no line for open files"))
		return
	}
	if words[0] == "unlimited" {
		return
	}
	n, err := number(words[0])
	if err != nil {
		r.say(proc+pid+"/limits", err)
		return
	}
	r.level(procFilesLimit, float64(n), labels...)
}
