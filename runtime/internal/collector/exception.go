package collector

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// exceptions are the failures of a job that were seen.
type exceptions struct {
	counts map[string]int64 // by class

	at          float64 // of the newest, Unix milliseconds
	class, text string  // of the newest
}

// maxClasses bounds the classes told apart; the rest are counted as otherClass.
const (
	maxClasses = 20
	otherClass = "other"
)

// exceptionsRound asks for the failures when the job changed, and sends what is
// known in every round.
func (j *job) exceptionsRound(ctx context.Context, f *findings) {
	if j.changed {
		answer, err := j.cluster.api.Exceptions(ctx, j.id)
		if j.try(f, "exceptions", err) {
			j.changed = false
			j.exceptions.take(answer)
		} else {
			return
		}
	}
	s := j.section(f, "exceptions")
	x := &j.exceptions
	for _, class := range slices.Sorted(maps.Keys(x.counts)) {
		s.counts(exceptionCount, x.counts[class], metric.Label{Name: "exception", Value: class})
	}
	if x.at > 0 {
		s.says(exceptionLast, x.text, metric.Label{Name: "exception", Value: x.class})
		s.level(exceptionAt, x.at/1000)
	}
}

// take counts the failures that are newer than those before. Flink keeps the
// last few only: those that came and went between two answers are not seen.
func (x *exceptions) take(answer flinkrest.Exceptions) {
	entries := answer.History.Entries
	if len(entries) == 0 && answer.Root != "" {
		entries = []flinkrest.Exception{{StackTrace: answer.Root, At: answer.RootAt}}
	}
	if x.counts == nil {
		x.counts = map[string]int64{}
	}
	before := x.at
	for _, e := range entries {
		at, ok := e.At.Positive()
		if !ok || at <= before {
			continue
		}
		class := classOf(e)
		if _, known := x.counts[class]; !known && len(x.counts) >= maxClasses {
			class = otherClass
		}
		x.counts[class]++
		if at > x.at {
			x.at, x.class, x.text = at, classOf(e), start(e.StackTrace)
		}
	}
}

// classOf is the class of a failure; where the answer does not name it, it is
// what stands before the colon in the stack trace.
func classOf(e flinkrest.Exception) string {
	name := e.Name
	if name == "" {
		name, _, _ = strings.Cut(e.StackTrace, "\n")
		name, _, _ = strings.Cut(name, ":")
	}
	if name = cut(strings.TrimSpace(name), maxLabel); name == "" {
		return otherClass
	}
	return name
}

// start is the beginning of a stack trace, with the causes that it names: where
// something was thrown is in the JobManager's own pages.
func start(trace string) string {
	var kept []string
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "at ") && !strings.HasPrefix(line, "... ") {
			kept = append(kept, line)
		}
	}
	return cut(strings.Join(kept, "\n"), maxText)
}
