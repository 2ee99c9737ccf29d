package runtime

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// loads loads a set of 20 rules so many times, of which one rule is another each
// time, and returns the memory that the process then holds, in MB, as the system
// counts it. command evaluates in a child process; without it, this process does.
func loads(tb testing.TB, times int, command []string) float64 {
	tb.Helper()
	set := manyRules(20, 2)
	how := Loading{Child: command, cache: &policy.Cache{}, known: sync.OnceValues(loadCatalogue)}
	first := string(set["teams/t0/policy.cue"].Data)
	for i := range times {
		set["teams/t0/policy.cue"].Data = []byte(strings.Replace(first, `"*_debug_0"`, fmt.Sprintf(`"*_debug_%d"`, i), 1))
		l, err := loadSet(tb.Context(), set, how, "")
		if err != nil || l.report.Refused() {
			tb.Fatal(err, l.report.Findings)
		}
	}
	debug.FreeOSMemory()
	return statusMB(tb, "VmRSS:")
}

// mostGrowth is what a process may hold more after more loads, in MB. One that kept
// what is evaluated would hold nearly one more after each.
const mostGrowth = 24

// A process that loads again and again does not grow, although it evaluates all of
// it itself.
func TestLoadsLeaveTheProcessFlat(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the system does not say how much memory a process holds")
	}
	before := loads(t, 20, nil)
	if after := loads(t, 100, nil); after > before+mostGrowth {
		t.Errorf("after 20 loads the process holds %.1f MB, after 120 %.1f MB", before, after)
	}
}

// BenchmarkThousandLoads says what the process holds before and after 1,000 loads: by
// itself, and with a child process for each as an instance does.
func BenchmarkThousandLoads(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for name, command := range map[string][]string{"here": nil, "child": append([]string{self}, ChildArgs()...)} {
		b.Run(name, func(b *testing.B) {
			before := loads(b, 20, command)
			var after float64
			for b.Loop() {
				after = loads(b, 1000, command)
			}
			b.ReportMetric(before, "before-MB")
			b.ReportMetric(after, "after-MB")
		})
	}
}
