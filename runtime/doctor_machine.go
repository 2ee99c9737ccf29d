package runtime

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/host"
)

// probes ask the machine; tests have others.
type probes struct {
	space  func(dir string) (host.Space, error)
	sync   func(*os.File) error
	files  func() (most uint64, ok bool) // that the process may have open
	memory func() float64                // bytes that it may use, NaN: not known
}

func realProbes() probes {
	return probes{
		space: host.MeasureSpace, sync: (*os.File).Sync, files: openFiles,
		memory: func() float64 { return memoryLimit(debug.SetMemoryLimit(-1), os.DirFS("/")) },
	}
}

const (
	slowSync    = 100 * time.Millisecond
	leastSpace  = 2 << 30 // bytes
	leastShare  = 0.1     // of the disk
	leastFiles  = 4096    // blocks of the store and connections are files
	leastMemory = 256 << 20
)

func (d *doctor) lookAtMachine(_ context.Context, f *findings) {
	if d.cfg.DataDir == "" {
		f.warn("data directory", "give --data-dir", "none: what is stored is gone at the end")
	} else if at := existing(d.cfg.DataDir); d.writable(f, at) {
		d.roomIn(f, at)
	}
	if most, ok := d.probes.files(); !ok {
		f.skip("open files", "this system has no such limit")
	} else if most < leastFiles {
		f.warn("open files", "raise it: ulimit -n 65536, or LimitNOFILE= of the service", "at most %d", most)
	} else {
		f.ok("open files", "at most %d", most)
	}
	switch memory := d.probes.memory(); {
	case math.IsNaN(memory):
		f.warn("memory", "set GOMEMLIMIT, such as 1GiB, so that degradation can begin in time", "no limit is known")
	case memory < leastMemory:
		f.warn("memory", "give the instance 256 MiB at least, or lower --cache-bytes", "at most %s", bytesText(memory))
	default:
		f.ok("memory", "at most %s", bytesText(memory))
	}
}

// existing is the directory that is there, of dir and its parent, where it would be made.
func existing(dir string) string {
	at := filepath.Clean(dir)
	if _, err := os.Stat(at); errors.Is(err, os.ErrNotExist) {
		return filepath.Dir(at)
	}
	return at
}

// writable writes a file, syncs it and removes it.
func (d *doctor) writable(f *findings, at string) bool {
	const name = "data directory"
	file, err := os.CreateTemp(at, ".sluice-doctor-*")
	if err != nil {
		f.fail(name, "give the user of the instance the right to write there, or another --data-dir", "%v", err)
		return false
	}
	began := time.Now()
	_, err = file.Write(make([]byte, 64<<10))
	err = errors.Join(err, d.probes.sync(file), file.Close())
	took := time.Since(began)
	if err = errors.Join(err, os.Remove(file.Name())); err != nil {
		f.fail(name, "is the disk full, or read-only?", "%v", err)
		return true // then there may be more to tell
	}
	outcome, do := CheckOK, ""
	if took > slowSync {
		outcome, do = CheckWarn, "commits will be slow: use a faster disk"
	}
	f.add(outcome, name, do, "%s can be written; 64 KiB are on the disk after %v", at, took.Round(10*time.Microsecond))
	return true
}

func (d *doctor) roomIn(f *findings, at string) {
	const name, do = "free space", "make room, or shorten the retention of the store"
	s, err := d.probes.space(at)
	switch {
	case err != nil:
		f.skip(name, "%v", err)
	case s.Size == 0:
		f.skip(name, "the file system of %s does not tell its size", at)
	case s.Available == 0:
		f.fail(name, do, "the disk of %s is full", at)
	case s.Files > 0 && s.FilesFree == 0:
		f.fail(name, "remove files: there are no inodes left", "the file system of %s can take no more files", at)
	case s.Available < leastSpace || float64(s.Available) < leastShare*float64(s.Size):
		f.warn(name, do, "%s of %s", bytesText(float64(s.Available)), bytesText(float64(s.Size)))
	default:
		f.ok(name, "%s of %s", bytesText(float64(s.Available)), bytesText(float64(s.Size)))
	}
}
