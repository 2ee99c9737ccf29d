package doctor

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/host"
)

// Probes ask the machine; tests have others.
type Probes struct {
	Space  func(dir string) (host.Space, error)
	Sync   func(*os.File) error
	Files  func() (most uint64, ok bool) // that the process may have open
	Memory func() float64                // bytes that it may use, NaN: not known
}

const (
	slowSync    = 100 * time.Millisecond
	leastSpace  = 2 << 30 // bytes
	leastShare  = 0.1     // of the disk
	leastFiles  = 4096    // blocks of the store and connections are files
	leastMemory = 256 << 20
)

// Machine is what an instance runs on.
type Machine struct {
	DataDir string // "" for none
	Probes  Probes
}

// Look checks the data directory and the limits of the process.
func (m *Machine) Look(_ context.Context, f *Findings) {
	if m.DataDir == "" {
		f.Warn("data directory", "give --data-dir", "none: what is stored is gone at the end")
	} else if at := existing(m.DataDir); m.writable(f, at) {
		m.roomIn(f, at)
	}
	if most, ok := m.Probes.Files(); !ok {
		f.Skip("open files", "this system has no such limit")
	} else if most < leastFiles {
		f.Warn("open files", "raise it: ulimit -n 65536, or LimitNOFILE= of the service", "at most %d", most)
	} else {
		f.OK("open files", "at most %d", most)
	}
	switch memory := m.Probes.Memory(); {
	case math.IsNaN(memory):
		f.Warn("memory", "set GOMEMLIMIT, such as 1GiB, so that degradation can begin in time", "no limit is known")
	case memory < leastMemory:
		f.Warn("memory", "give the instance 256 MiB at least, or lower --cache-bytes", "at most %s", bytesText(memory))
	default:
		f.OK("memory", "at most %s", bytesText(memory))
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
func (m *Machine) writable(f *Findings, at string) bool {
	const name = "data directory"
	file, err := os.CreateTemp(at, ".sluice-doctor-*")
	if err != nil {
		f.Fail(name, "give the user of the instance the right to write there, or another --data-dir", "%v", err)
		return false
	}
	began := time.Now()
	_, err = file.Write(make([]byte, 64<<10))
	err = errors.Join(err, m.Probes.Sync(file), file.Close())
	took := time.Since(began)
	if err = errors.Join(err, os.Remove(file.Name())); err != nil {
		f.Fail(name, "is the disk full, or read-only?", "%v", err)
		return true // then there may be more to tell
	}
	outcome, do := OK, ""
	if took > slowSync {
		outcome, do = Warn, "commits will be slow: use a faster disk"
	}
	f.Add(outcome, name, do, "%s can be written; 64 KiB are on the disk after %v", at, took.Round(10*time.Microsecond))
	return true
}

func (m *Machine) roomIn(f *Findings, at string) {
	const name, do = "free space", "make room, or shorten the retention of the store"
	s, err := m.Probes.Space(at)
	switch {
	case err != nil:
		f.Skip(name, "%v", err)
	case s.Size == 0:
		f.Skip(name, "the file system of %s does not tell its size", at)
	case s.Available == 0:
		f.Fail(name, do, "the disk of %s is full", at)
	case s.Files > 0 && s.FilesFree == 0:
		f.Fail(name, "remove files: there are no inodes left", "the file system of %s can take no more files", at)
	case s.Available < leastSpace || float64(s.Available) < leastShare*float64(s.Size):
		f.Warn(name, do, "%s of %s", bytesText(float64(s.Available)), bytesText(float64(s.Size)))
	default:
		f.OK(name, "%s of %s", bytesText(float64(s.Available)), bytesText(float64(s.Size)))
	}
}
