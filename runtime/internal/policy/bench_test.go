package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// manyRules returns a set of n rules, spread evenly over teams, of all the kinds
// that authors write most.
func manyRules(n, teams int) Snapshot {
	kinds := []string{
		`policy: control: "r-%d": schema.#Drop & {match: {metrics: ["flink_x_%d_*", "*_debug_%d"], tasks: ["order-*"]}, reason: "not needed", order: %d}`,
		`policy: control: "r-%d": schema.#Sample & {match: {metrics: ["flink_y_%d_*"], labels: host: ["a%d", "b"]}, rate: 0.5, order: %d}`,
		`policy: control: "r-%d": {action: "thin", match: {metrics: ["flink_z_%d_*"], kinds: ["gauge"]}, every: "1m", unless: metrics: ["m_%d"], order: %d}`,
		`policy: rewrite: "r-%d": schema.#DropLabels & {match: metrics: ["flink_%d_*"], labels: ["host", "tm_%d"], order: %d}`,
		`policy: rewrite: "r-%d": schema.#Extract & {match: metrics: ["flink_%d_*"], from: "task_name", regex: "Source: (.*)", into: "t_%d", order: %d}`,
	}
	snap := Snapshot{"org.cue": []byte(setHead + "#Team: schema.#Policy & {control?: [_]: tier: \"tenant\" | error(\"tenant only\")}\n")}
	for team := range teams {
		var b strings.Builder
		fmt.Fprintf(&b, "%spolicy: schema.#Policy & #Team & {team: \"t%d\"}\n", setHead, team)
		for i := range n / teams {
			fmt.Fprintf(&b, kinds[i%len(kinds)]+"\n", i, i, i, i%1000)
		}
		snap[fmt.Sprintf("teams/t%d/policy.cue", team)] = []byte(b.String())
	}
	return snap
}

func BenchmarkCompile(b *testing.B) {
	for _, c := range []struct{ rules, teams int }{{10, 1}, {1000, 1}, {1000, 20}, {50, 1}} {
		snap := manyRules(c.rules, c.teams)
		b.Run(fmt.Sprintf("rules=%d/teams=%d", c.rules, c.teams), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if set, found, err := Compile(snap, Options{}); set == nil {
					b.Fatal(found, err)
				}
			}
		})
	}
}

// BenchmarkChild says what a child costs in processor time, and the most memory
// that it has held: at 1,000 rules, of all and of one team, and at 10,000.
func BenchmarkChild(b *testing.B) {
	for _, c := range []struct{ rules, teams int }{{1000, 20}, {1000, 1}, {50, 1}, {10_000, 200}, {10_000, 20}} {
		b.Run(fmt.Sprintf("rules=%d/teams=%d", c.rules, c.teams), func(b *testing.B) {
			snap, child := manyRules(c.rules, c.teams), testChild(b, Limits{})
			request, err := json.Marshal(childRequest{Work: judgement{Snapshot: snap, Packages: packages(snap)}, Limits: DefaultLimits})
			if err != nil {
				b.Fatal(err)
			}
			var cpu, peak float64
			for b.Loop() {
				cmd := exec.Command(child.Command[0], childArgument, "and its cost")
				var told, answer bytes.Buffer
				cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = []string{}, bytes.NewReader(request), &answer, &told
				if err := cmd.Run(); err != nil || answer.Len() < c.rules {
					b.Fatal(err, told.String())
				}
				_, after, _ := strings.Cut(told.String(), "VmHWM:") // not there: 0
				var kb float64
				fmt.Sscan(after, &kb)
				peak = max(peak, kb/1024)
				cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
			}
			b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
			b.ReportMetric(peak, "peak-MB")
		})
	}
}

// tellCost writes what the system says of this process. What a parent can ask for
// counts the memory of the parent, which its child began with.
func tellCost() error {
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err == nil {
		_, err = os.Stderr.Write(status)
	}
	return err
}

// Nothing of an evaluation outlives it.
func TestReloadsLeaveTheHeapFlat(t *testing.T) {
	snap := manyRules(50, 2)
	load := func(times int) uint64 {
		for range times {
			if set, found, err := Compile(snap, Options{}); set == nil {
				t.Fatal(found, err)
			}
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := load(3)
	after := load(20)
	if after > before+before/2+1<<20 {
		t.Errorf("after 3 loads the heap is %d KiB, after 23 it is %d KiB", before>>10, after>>10)
	}
}
