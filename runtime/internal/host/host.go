// Package host reads what the kernel says of the machine, of a container and of
// single processes: cgroup v2 and /proc. It turns files into numbers with names
// and units; it does not know who asks, how the numbers travel, or what Flink is.
package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Reading is one number that was read.
type Reading struct {
	Metric *Metric
	Labels metric.Labels
	Count  int64   // of a counter
	Value  float64 // of a level
}

// Options say what is read. What is nil or empty is not.
type Options struct {
	Proc   fs.FS // the root of a proc file system
	Cgroup fs.FS // the directory of one cgroup of version 2

	// PIDs are the processes to read, as they are called below Proc: numbers, or "self".
	PIDs []string

	// Dirs are directories whose file systems are measured by Space.
	Dirs  []string
	Space func(dir string) (Space, error)

	// Say is told of each file that cannot be read or understood, once per file;
	// its numbers are left out and it is tried again at every Read.
	Say func(path string, err error)
}

// Space is how full a file system is.
type Space struct {
	Size, Available  uint64 // bytes; Available for a user without privileges
	Files, FilesFree uint64 // inodes
}

// ErrCgroupV1 says that a directory is a cgroup hierarchy of version 1, which is
// not read.
var ErrCgroupV1 = errors.New("this is cgroup v1, which is not read: container metrics need cgroup v2 (the unified hierarchy)")

// Reader reads again and again. It is not safe for concurrent use.
type Reader struct {
	opts Options
	said map[string]bool
	out  []Reading
}

// New makes a reader. It reads nothing yet.
func New(opts Options) *Reader {
	if opts.Say == nil {
		opts.Say = func(string, error) {}
	}
	return &Reader{opts: opts, said: map[string]bool{}}
}

// maxFile bounds a file and maxNamed how many devices, interfaces or the like of
// one kind are read: what a host with thousands of containers has of them is not
// for one collector.
const (
	maxFile  = 1 << 20
	maxNamed = 64
)

// Read returns what can be read now. The result is valid until the next call.
func (r *Reader) Read() []Reading {
	r.out = r.out[:0]
	if r.opts.Cgroup != nil {
		r.readCgroup()
	}
	if r.opts.Proc != nil {
		r.readMachine()
		for _, pid := range r.opts.PIDs {
			r.readProcess(pid)
		}
	}
	for _, dir := range r.opts.Dirs {
		r.readSpace(dir)
	}
	return r.out
}

func (r *Reader) count(id int, n int64, labels ...metric.Label) {
	r.out = append(r.out, Reading{Metric: &Metrics[id], Count: n, Labels: labels})
}

func (r *Reader) level(id int, v float64, labels ...metric.Label) {
	r.out = append(r.out, Reading{Metric: &Metrics[id], Value: v, Labels: labels})
}

func (r *Reader) readSpace(dir string) {
	s, err := r.opts.Space(dir)
	if err != nil {
		r.say(dir, err)
		return
	}
	in := metric.Label{Name: "dir", Value: dir}
	r.level(fsSize, float64(s.Size), in)
	r.level(fsAvailable, float64(s.Available), in)
	r.level(fsFiles, float64(s.Files), in)
	r.level(fsFilesFree, float64(s.FilesFree), in)
}

// file returns the text of a file below root, and false after having said why not.
func (r *Reader) file(root fs.FS, of, path string) (string, bool) {
	f, err := root.Open(path)
	if err != nil {
		r.say(of+path, err)
		return "", false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	if err != nil {
		r.say(of+path, err)
		return "", false
	}
	return string(b), true
}

func (r *Reader) say(path string, err error) {
	if !r.said[path] {
		r.said[path] = true
		r.opts.Say(path, err)
	}
}

// number reads a counter of the kernel, which is an unsigned 64-bit number; one
// that int64 cannot hold is refused.
func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%.40q is not a count", s)
	}
	return n, nil
}

// scaled multiplies a count by a unit; nonsense ends at the largest number.
func scaled(n, unit int64) int64 { return min(n, math.MaxInt64/unit) * unit }
