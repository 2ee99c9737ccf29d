package host

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func tree(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// container is a cgroup that uses everything that is read.
func container() map[string]string {
	return map[string]string{
		"cgroup.controllers": "cpu io memory pids\n",
		"cpu.stat":           "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 40\nnr_throttled 7\nthrottled_usec 123456\nnr_bursts 0\n",
		"cpu.max":            "150000 100000\n",
		"memory.current":     "1000000\n",
		"memory.max":         "2000000\n",
		"memory.stat":        "anon 700000\nfile 250000\ninactive_file 200000\npgfault 99\npgmajfault 3\n",
		"memory.events":      "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n",
		"io.stat":            "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n254:1 rbytes=1 wbytes=2 rios=3 wios=4\n",
		"pids.current":       "12\n",
		"pids.max":           "max\n",
		"cpu.pressure":       "some avg10=0.00 avg60=0.00 avg300=0.00 total=11\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=12\n",
		"memory.pressure":    "some avg10=0.00 avg60=0.00 avg300=0.00 total=13\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=14\n",
		"io.pressure":        "some avg10=0.00 avg60=0.00 avg300=0.00 total=15\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=16\n",
	}
}

func machine() map[string]string {
	return map[string]string{
		"stat":    "cpu  10 2 30 400 5 6 7 8 9 0\ncpu0 5 1 15 200 2 3 3 4 4 0\ncpu1 5 1 15 200 3 3 4 4 5 0\nintr 12345 1 2\nctxt 99\nbtime 1763800000\nprocesses 77\nprocs_running 2\nprocs_blocked 1\n",
		"loadavg": "0.50 1.25 2.00 1/234 5678\n",
		"meminfo": "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\nBuffers:          50 kB\nCached:          300 kB\nSwapTotal:        20 kB\nSwapFree:         10 kB\nHugePages_Total:       0\n",
		"diskstats": "   8       0 sda 11 1 22 5 33 1 44 6 0 500 11\n" +
			"   8       1 sda1 1 0 2 0 3 0 4 0 0 5 0\n   7       0 loop0 9 9 9 9 9 9 9 9 9 9 9\n",
		"net/dev": "Inter-|   Receive                                                |  Transmit\n" +
			" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
			"    lo: 1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n  eth0:100 2 3 4 0 0 0 0 200 5 6 7 0 0 0 0\n",
		"pressure/cpu":    "some avg10=1.00 avg60=0.00 avg300=0.00 total=21\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=22\n",
		"pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=23\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=24\n",
		"pressure/io":     "some avg10=0.00 avg60=0.00 avg300=0.00 total=25\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=26\n",

		"4711/stat":   "4711 (java (x) y) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14\n",
		"4711/status": "Name:\tjava\nVmSize:\t  5000 kB\nVmHWM:\t  4000 kB\nVmRSS:\t  3000 kB\nVmSwap:\t  8 kB\nThreads:\t42\nvoluntary_ctxt_switches:\t100\nnonvoluntary_ctxt_switches:\t9\n",
		"4711/limits": "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 4096                 files     \n",
		"4711/fd/0":   "", "4711/fd/1": "", "4711/fd/2": "",
	}
}

// read returns what a reader reads, "scope name{labels} value", and what it said.
func read(t *testing.T, o Options) (lines []string, said map[string]string) {
	t.Helper()
	said = map[string]string{}
	o.Say = func(path string, err error) {
		if said[path] != "" {
			t.Errorf("%s was complained about twice", path)
		}
		said[path] = err.Error()
	}
	r := New(o)
	first := show(r.Read())
	if second := show(r.Read()); !slices.Equal(first, second) {
		t.Errorf("a second reading differs: %s", cmp.Diff(first, second))
	}
	return first, said
}

func show(readings []Reading) (lines []string) {
	for _, r := range readings {
		v := fmt.Sprint(r.Value)
		if r.Metric.Counts {
			v = fmt.Sprintf("+%d", r.Count)
		}
		lines = append(lines, fmt.Sprintf("%s %s%s %s", r.Metric.Scope, r.Metric.Name, r.Labels, v))
	}
	return lines
}

func wantLines(t *testing.T, got []string, want string) {
	t.Helper()
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(got, line) {
			t.Errorf("%s is missing in:\n%s", line, strings.Join(got, "\n"))
		}
	}
}

func TestCgroup(t *testing.T) {
	got, said := read(t, Options{Cgroup: tree(container())})
	wantLines(t, got, `
		host.cgroup cpu.usage_microseconds{} +1500000
		host.cgroup cpu.user_microseconds{} +1000000
		host.cgroup cpu.system_microseconds{} +500000
		host.cgroup cpu.periods{} +40
		host.cgroup cpu.throttled_periods{} +7
		host.cgroup cpu.throttled_microseconds{} +123456
		host.cgroup cpu.limit_cores{} 1.5
		host.cgroup memory.used_bytes{} 1e+06
		host.cgroup memory.limit_bytes{} 2e+06
		host.cgroup memory.working_set_bytes{} 800000
		host.cgroup memory.area_bytes{area="anon"} 700000
		host.cgroup memory.major_faults{} +3
		host.cgroup memory.events{event="oom_kill"} +4
		host.cgroup io.read_bytes{device="8:0"} +4096
		host.cgroup io.written_bytes{device="8:0"} +8192
		host.cgroup io.writes{device="254:1"} +4
		host.cgroup pids{} 12
		host.cgroup pressure.some_microseconds{resource="memory"} +13
		host.cgroup pressure.full_microseconds{resource="io"} +16`)
	if len(got) != 34 {
		t.Errorf("%d readings:\n%s", len(got), strings.Join(got, "\n"))
	}
	if len(said) > 0 {
		t.Errorf("said %v", said)
	}
}

func TestCgroupWithoutLimits(t *testing.T) {
	files := container()
	files["cpu.max"], files["memory.max"], files["pids.max"] = "max 100000\n", "max\n", "max\n"
	got, said := read(t, Options{Cgroup: tree(files)})
	for _, line := range got {
		if strings.Contains(line, "limit") {
			t.Errorf("without a limit there is %s", line)
		}
	}
	if len(said) > 0 {
		t.Errorf("said %v", said)
	}
}

func TestMachine(t *testing.T) {
	got, said := read(t, Options{Proc: tree(machine()), PIDs: []string{"4711"}})
	wantLines(t, got, `
		host cpu.milliseconds{mode="user"} +100
		host cpu.milliseconds{mode="steal"} +80
		host cpus{} 2
		host context_switches{} +99
		host forks{} +77
		host processes_running{} 2
		host processes_blocked{} 1
		host boot_timestamp_seconds{} 1.7638e+09
		host load{minutes="5"} 1.25
		host memory.total_bytes{} 1.024e+06
		host memory.available_bytes{} 614400
		host swap.free_bytes{} 10240
		host disk.reads{device="sda"} +11
		host disk.read_bytes{device="sda"} +11264
		host disk.writes{device="sda"} +33
		host disk.written_bytes{device="sda"} +22528
		host disk.busy_milliseconds{device="sda"} +500
		host network.received_bytes{interface="eth0"} +100
		host network.received_drops{interface="eth0"} +4
		host network.sent_bytes{interface="eth0"} +200
		host network.sent_drops{interface="eth0"} +7
		host pressure.some_microseconds{resource="cpu"} +21
		host pressure.full_microseconds{resource="io"} +26
		host.process cpu.user_milliseconds{pid="4711", process="java (x) y"} +2500
		host.process cpu.system_milliseconds{pid="4711", process="java (x) y"} +500
		host.process major_faults{pid="4711", process="java (x) y"} +9
		host.process threads{pid="4711", process="java (x) y"} 42
		host.process resident_bytes{pid="4711", process="java (x) y"} 3.072e+06
		host.process resident_peak_bytes{pid="4711", process="java (x) y"} 4.096e+06
		host.process virtual_bytes{pid="4711", process="java (x) y"} 5.12e+06
		host.process swap_bytes{pid="4711", process="java (x) y"} 8192
		host.process context_switches{kind="nonvoluntary", pid="4711", process="java (x) y"} +9
		host.process open_files{pid="4711", process="java (x) y"} 3
		host.process open_files_limit{pid="4711", process="java (x) y"} 1024`)
	for _, line := range got {
		if strings.Contains(line, "loop0") || strings.Contains(line, `"lo"`) {
			t.Errorf("not wanted: %s", line)
		}
	}
	if len(said) > 0 {
		t.Errorf("said %v", said)
	}
}

// Every entry of the table can be read; a table that promises more is wrong.
func TestEveryMetricIsRead(t *testing.T) {
	files := container()
	files["pids.max"] = "100\n"
	r := New(Options{
		Cgroup: tree(files), Proc: tree(machine()), PIDs: []string{"4711"}, Dirs: []string{"/data"},
		Space: func(string) (Space, error) { return Space{Size: 10, Available: 4, Files: 3, FilesFree: 2}, nil },
	})
	seen := map[*Metric]bool{}
	for _, x := range r.Read() {
		seen[x.Metric] = true
	}
	names := map[string]bool{}
	for i := range Metrics {
		m := &Metrics[i]
		if !seen[m] {
			t.Errorf("%s %s was not read", m.Scope, m.Name)
		}
		if names[m.Scope+m.Name] || m.Meaning == "" {
			t.Errorf("%s %s is there twice, or says nothing", m.Scope, m.Name)
		}
		names[m.Scope+m.Name] = true
	}
}

func TestSpace(t *testing.T) {
	got, said := read(t, Options{Dirs: []string{"/data", "/gone"}, Space: func(dir string) (Space, error) {
		if dir == "/gone" {
			return Space{}, fs.ErrNotExist
		}
		return Space{Size: 1000, Available: 400, Files: 30, FilesFree: 20}, nil
	}})
	want := []string{
		`host filesystem.size_bytes{dir="/data"} 1000`, `host filesystem.available_bytes{dir="/data"} 400`,
		`host filesystem.files{dir="/data"} 30`, `host filesystem.files_free{dir="/data"} 20`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if said["/gone"] == "" {
		t.Errorf("said %v", said)
	}
}

func TestMeasureSpace(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("file systems are measured on Linux and macOS only")
	}
	s, err := MeasureSpace(t.TempDir())
	if err != nil || s.Size == 0 || s.Available > s.Size {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := MeasureSpace("/no/such/directory"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestCgroupV1IsSaid(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"root":   {"memory/memory.limit_in_bytes": "1", "cpuacct/cpuacct.usage": "1"},
		"memory": {"memory.limit_in_bytes": "1", "tasks": ""},
	} {
		got, said := read(t, Options{Cgroup: tree(files)})
		if len(got) > 0 || !strings.Contains(said[cgroup], "cgroup v1") || !strings.Contains(said[cgroup], "cgroup v2") {
			t.Errorf("%s: %v, said %v", name, got, said)
		}
	}
	if _, said := read(t, Options{Cgroup: tree(nil)}); !strings.Contains(said[cgroup], "no cgroup") {
		t.Errorf("an empty directory: said %v", said)
	}
}

// Each file may be missing, empty, cut off or nonsense: what it does not say is
// left out, all else is read.
func TestWrongFiles(t *testing.T) {
	whole, _ := read(t, Options{Cgroup: tree(container()), Proc: tree(machine()), PIDs: []string{"4711"}})
	for _, in := range []map[string]string{container(), machine()} {
		for name := range in {
			for _, text := range []string{"missing", "", "nonsense\n", "key -1\n", "cpu  \n", ":\n", "8:0 rbytes=x\n", "1 (", "99999999999999999999999\n", strings.Repeat("x", maxFile+1)} {
				o := Options{Cgroup: tree(container()), Proc: tree(machine()), PIDs: []string{"4711"}}
				for _, root := range []fs.FS{o.Cgroup, o.Proc} {
					files := root.(fstest.MapFS)
					if _, has := files[name]; !has {
						continue
					}
					if files[name] = (&fstest.MapFile{Data: []byte(text)}); text == "missing" {
						delete(files, name)
					}
				}
				got, _ := read(t, o)
				if name != "cgroup.controllers" && (len(got) >= len(whole)+2 || len(got) < len(whole)/2) {
					t.Errorf("%s with %.20q: %d readings of %d", name, text, len(got), len(whole))
				}
			}
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for name, text := range map[string]string{
		"cpu.stat": "usage_usec many\n", "cpu.max": "1 2 3\n", "memory.current": "much\n", "io.stat": "8:0 rbytes=x\n", "cpu.pressure": "some total=x\n",
	} {
		files := container()
		files[name] = text
		if _, said := read(t, Options{Cgroup: tree(files)}); said[cgroup+name] == "" {
			t.Errorf("%s: said %v", name, said)
		}
	}
	for name, text := range map[string]string{
		"stat": "ctxt x\n", "loadavg": "a b c\n", "meminfo": "MemTotal: x kB\n", "diskstats": "8 0 sda x 1 1 1 1 1 1 1 1 1 1 1\n",
		"4711/stat": "4711 java S\n", "4711/status": "Threads: x\n", "4711/limits": "nothing\n",
	} {
		files := machine()
		files[name] = text
		if _, said := read(t, Options{Proc: tree(files), PIDs: []string{"4711"}}); said[proc+name] == "" {
			t.Errorf("%s: said %v", name, said)
		}
	}
	if _, said := read(t, Options{Proc: tree(machine()), PIDs: []string{"1"}}); said[proc+"1/stat"] == "" {
		t.Errorf("a process that is gone: said %v", said)
	}
}

func TestDevicesAreBounded(t *testing.T) {
	files := machine()
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "veth%d: 1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n", i)
	}
	files["net/dev"] = b.String()
	got, said := read(t, Options{Proc: tree(files)})
	if n := strings.Count(strings.Join(got, "\n"), "network.sent_bytes"); n != maxNamed || said[proc+"net/dev"] == "" {
		t.Errorf("%d interfaces, said %v", n, said)
	}
}

func TestOwnCgroup(t *testing.T) {
	root := tree(map[string]string{"cgroup.controllers": "", "system.slice/flink.service/cgroup.controllers": ""})
	for text, want := range map[string]string{
		"0::/system.slice/flink.service\n":              "system.slice/flink.service",
		"9:memory:/x\n0::/system.slice/flink.service\n": "system.slice/flink.service",
		"0::/\n":              ".",
		"0::/../../outside\n": ".",
		"0::/gone\n":          ".",
		"9:memory:/process\n": ".",
		"":                    ".",
		"0::/system.slice/flink.service/../flink.service\n": "system.slice/flink.service",
	} {
		if got := OwnCgroup(tree(map[string]string{"self/cgroup": text}), root); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := OwnCgroup(tree(nil), root); got != "." {
		t.Errorf("without /proc: %q", got)
	}
}

// What this machine has can be read, whatever it has.
func TestRealFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc")
	}
	got := New(Options{Proc: os.DirFS("/proc"), PIDs: []string{"self"}}).Read()
	byName := map[string]bool{}
	for _, x := range got {
		byName[x.Metric.Scope+" "+x.Metric.Name] = true
	}
	for _, name := range []string{"host cpu.milliseconds", "host cpus", "host memory.total_bytes", "host.process threads", "host.process open_files"} {
		if !byName[name] {
			t.Errorf("%s is missing in %v", name, slices.Sorted(maps.Keys(byName)))
		}
	}
}

func FuzzFiles(f *testing.F) {
	for _, files := range []map[string]string{container(), machine()} {
		for _, text := range files {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := map[string]string{}
		for _, files := range []map[string]string{container(), machine()} {
			for name := range files {
				in[name] = text
			}
		}
		for _, x := range New(Options{Proc: tree(in), Cgroup: tree(in), PIDs: []string{"4711"}}).Read() {
			if x.Metric.Counts && x.Count < 0 {
				t.Errorf("%s %s counts %d", x.Metric.Scope, x.Metric.Name, x.Count)
			}
		}
	})
}
