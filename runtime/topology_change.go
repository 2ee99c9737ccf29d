package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// sameTopology refuses a set with other streams or sinks than those that run.
func (l *loadedSet) sameTopology(next *loadedSet) error {
	plainStream := func(s policy.Stream) policy.Stream { s.Description = ""; return s }
	plainSink := func(s policy.Sink) policy.Sink { s.Description = ""; return s }
	changes := slices.Concat(
		differences("stream", l.streams(), next.streams(), plainStream),
		differences("sink", l.sinks(), next.sinks(), plainSink))
	if len(changes) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; streams and sinks are opened when an instance starts: restart it to run this set",
		ErrRejected, strings.Join(changes, ", "))
}

// differences says how two sections differ in what runs, by name.
func differences[T any](what string, now, next map[string]T, plain func(T) T) (out []string) {
	names := maps.Clone(now)
	maps.Copy(names, next)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, was := now[name]
		b, is := next[name]
		switch {
		case !was:
			out = append(out, what+" "+name+" is new")
		case !is:
			out = append(out, what+" "+name+" is gone")
		case !sameJSON(plain(a), plain(b)):
			out = append(out, what+" "+name+" changes")
		}
	}
	return out
}
