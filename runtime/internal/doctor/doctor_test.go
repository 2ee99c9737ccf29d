package doctor

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/host"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told looks for a check, of which Seen and Do are parts. What is wrong comes with what
// to do, whatever it is.
func told(t *testing.T, list []Check, want Check) {
	t.Helper()
	found := false
	for _, c := range list {
		if c.Seen == "" || (c.Outcome == Fail || c.Outcome == Warn) && c.Do == "" {
			t.Errorf("%+v says too little", c)
		}
		found = found || c.Area == want.Area && c.Name == want.Name && c.Outcome == want.Outcome && strings.Contains(c.Seen, want.Seen) && strings.Contains(c.Do, want.Do)
	}
	if !found {
		t.Errorf("no %+v in %+v", want, list)
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	space := func(s host.Space, err error) func(*Machine) {
		return func(m *Machine) { m.Probes.Space = func(string) (host.Space, error) { return s, err } }
	}
	left := func(available uint64) func(*Machine) {
		return space(host.Space{Size: 100 << 30, Available: available}, nil)
	}
	files := func(most uint64, ok bool) func(*Machine) {
		return func(m *Machine) { m.Probes.Files = func() (uint64, bool) { return most, ok } }
	}
	memory := func(most float64) func(*Machine) {
		return func(m *Machine) { m.Probes.Memory = func() float64 { return most } }
	}
	for _, tt := range []struct {
		name                     string
		lacks                    func(*Machine)
		check, outcome, says, do string
	}{
		{"nothing", func(*Machine) {}, "data directory", OK, "can be written", ""},
		{"no directory", func(m *Machine) { m.DataDir = "" }, "data directory", Warn, "none", "--data-dir"},
		{"a directory that cannot be", func(m *Machine) { m.DataDir = filepath.Join(m.DataDir, "no", "such", "one") }, "data directory", Fail, "no such", "--data-dir"},
		{"a full disk", left(0), "free space", Fail, "full", "make room"},
		{"a disk nearly full", left(5 << 30), "free space", Warn, "5 GiB of 100 GiB", "make room"},
		{"room", left(50 << 30), "free space", OK, "50 GiB of 100 GiB", ""},
		{"few files", files(256, true), "open files", Warn, "256", "ulimit -n"},
		{"no limit of files", files(0, false), "open files", Skip, "no such limit", ""},
		{"no limit of memory", memory(math.NaN()), "memory", Warn, "no limit", "GOMEMLIMIT"},
		{"little memory", memory(128 << 20), "memory", Warn, "128 MiB", "256 MiB"},
		{"a disk that takes nothing", func(m *Machine) {
			m.Probes.Sync = func(*os.File) error { return errors.New("no space left") }
		}, "data directory", Fail, "no space", "is the disk full"},
		{"no inodes", space(host.Space{Size: 100 << 30, Available: 50 << 30, Files: 1000}, nil), "free space", Fail, "no more files", "remove files"},
		{"a disk that cannot be measured", space(host.Space{}, errors.New("not here")), "free space", Skip, "not here", ""},
		{"a disk without a size", space(host.Space{}, nil), "free space", Skip, "does not tell", ""},
	} {
		m := Machine{DataDir: t.TempDir(), Probes: Probes{
			Sync: (*os.File).Sync, Files: func() (uint64, bool) { return 65536, true }, Memory: func() float64 { return 8 << 30 },
		}}
		left(50 << 30)(&m)
		dir := m.DataDir
		tt.lacks(&m)
		f := Findings{area: AreaMachine}
		m.Look(t.Context(), &f)
		t.Run(tt.name, func(t *testing.T) { told(t, f.list, Check{AreaMachine, tt.check, tt.outcome, tt.says, tt.do}) })
		if stays, err := os.ReadDir(dir); err != nil || len(stays) > 0 {
			t.Errorf("%s: %v stays, error %v", tt.name, stays, err)
		}
	}
}

// A disk that takes its time is told, by a clock that only the disk moves.
func TestSlowDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := Machine{DataDir: dir, Probes: Probes{
			Sync:  func(*os.File) error { time.Sleep(slowSync + time.Millisecond); return nil },
			Space: func(string) (host.Space, error) { return host.Space{}, nil },
			Files: func() (uint64, bool) { return 0, false }, Memory: math.NaN,
		}}
		f := Findings{area: AreaMachine}
		m.Look(t.Context(), &f)
		told(t, f.list, Check{AreaMachine, "data directory", Warn, "on the disk after 101ms", "faster disk"})
	})
}

func TestTornBlock(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "store", "01A", "meta.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte("torn"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var f Findings
	f.Stored(dir)
	told(t, f.list, Check{"", "store", Fail, "01A", "move the block away"})
	f = Findings{}
	f.Stored(t.TempDir())
	told(t, f.list, Check{"", "store", OK, "no blocks yet", ""})
}

// Rules of every kind end.
func TestAllRulesThatEnd(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	soon, late, past := policy.Ordered{Expires: "2026-05-10"}, policy.Ordered{Expires: "2026-06-10"}, policy.Ordered{Expires: "2026-04-20"}
	team := policy.Team{
		Name:      "a",
		Control:   map[string]policy.Control{"c": {Ordered: soon}, "late": {Ordered: late}, "past": {Ordered: past}, "never": {}},
		Degrade:   map[string]policy.Degrade{"d": {Ordered: soon}},
		Rewrite:   map[string]policy.Rewrite{"r": {Ordered: soon}},
		Transform: map[string]policy.Transform{"t": {Ordered: soon}},
		Aggregate: map[string]policy.Aggregate{"g": {Ordered: soon}},
		Budget:    map[string]policy.Budget{"b": {Ordered: soon}},
	}
	var f Findings
	f.Expiring(&policy.Set{Teams: []policy.Team{team}}, now)
	want := "6 rules within 14 days of the end: a/b on 2026-05-10, a/c on 2026-05-10, a/d on 2026-05-10, a/g on 2026-05-10, a/r on 2026-05-10 and 1 more"
	if len(f.list) != 1 || f.list[0].Seen != want || f.list[0].Outcome != Warn {
		t.Errorf("%+v, want %s", f.list, want)
	}
	f = Findings{}
	f.Expiring(&policy.Set{Teams: []policy.Team{{Name: "a", Control: map[string]policy.Control{"late": {Ordered: late}}}}}, now)
	if len(f.list) != 1 || f.list[0].Outcome != OK {
		t.Errorf("%+v", f.list)
	}
}
