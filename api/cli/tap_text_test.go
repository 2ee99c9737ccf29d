package cli

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime"
)

// On a terminal nothing of a tap is wider than it: a series that has no room beside
// the rest has lines of its own.
func TestTapFitsTheTerminal(t *testing.T) {
	s := runtime.TapSample{
		Time: time.Now(), Disposition: "out", Rule: "platform/a-rule-with-a-long-name", Value: []byte("1234567.5"),
		Before: "flink_taskmanager_job_task_operator_numRecordsIn{" + strings.Repeat("x", 200) + "}", After: "after{" + strings.Repeat("y", 200) + "}",
		Stream: "native", Topic: "flink.native", Offset: 12345678,
	}
	for _, columns := range []int{0, 65, 80, 120, 200} {
		x := tapping{columns: columns}
		var b strings.Builder
		x.sample(&b, &s)
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); columns > 0 && n > columns {
				t.Errorf("%d columns on a terminal of %d: %s", n, columns, line)
			}
		}
		for _, want := range []string{"flink_taskmanager_job_", "-> after{", "native flink.native[0]@12345678", "platform/a-rule"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%d columns: there is no %q in\n%s", columns, want, &b)
			}
		}
	}
}
