package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// changedSinks returns the names of sinks that another set has otherwise, also of
// those that it has no more. It refuses what only a restart changes.
func (l *loadedSet) changedSinks(next *loadedSet) ([]string, error) {
	streams := differences("stream", l.streams(), next.streams(), func(s policy.Stream) policy.Stream { s.Description = ""; return s })
	sinks := differences("sink", l.sinks(), next.sinks(), plainSink)
	switch {
	case len(streams) > 0:
		return nil, fmt.Errorf("%w: %s; streams are opened when an instance starts: restart it to run this set", ErrRejected, said(streams))
	case len(sinks) > 0 && l.allDirect():
		return nil, fmt.Errorf("%w: %s; the sinks of direct streams are opened when an instance starts: restart it to run this set", ErrRejected, said(sinks))
	}
	var names []string
	for _, d := range sinks {
		names = append(names, d.name)
	}
	return names, nil
}

// sameTopology refuses a set with other streams or sinks than those that run: what
// is tried beside the set in force has its sinks.
func (l *loadedSet) sameTopology(next *loadedSet) error {
	if names, err := l.changedSinks(next); err != nil || len(names) == 0 {
		return err
	}
	sinks := differences("sink", l.sinks(), next.sinks(), plainSink)
	return fmt.Errorf("%w: %s; a canary or shadow has the sinks that run: change them with sluice apply first", ErrRejected, said(sinks))
}

func plainSink(s policy.Sink) policy.Sink { s.Description = ""; return s }

// difference is how two sections differ in one name.
type difference struct{ what, name, how string }

func said(all []difference) string {
	var texts []string
	for _, d := range all {
		texts = append(texts, d.what+" "+d.name+" "+d.how)
	}
	return strings.Join(texts, ", ")
}

// differences says how two sections differ in what runs, by name.
func differences[T any](what string, now, next map[string]T, plain func(T) T) (out []difference) {
	names := maps.Clone(now)
	maps.Copy(names, next)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, was := now[name]
		b, is := next[name]
		switch {
		case !was:
			out = append(out, difference{what, name, "is new"})
		case !is:
			out = append(out, difference{what, name, "is gone"})
		case !sameJSON(plain(a), plain(b)):
			out = append(out, difference{what, name, "changes"})
		}
	}
	return out
}
