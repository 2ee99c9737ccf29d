package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// topologyDifference are the names of streams and sinks that another set has
// otherwise, also of those that it has no more.
type topologyDifference struct{ streams, sinks map[string]bool }

func (d topologyDifference) nothing() bool { return len(d.streams)+len(d.sinks) == 0 }

// differsFrom says which streams and sinks another set has otherwise. What is sent by
// remote write is sent otherwise, too, where a level comes or goes that never sheds.
func (l *loadedSet) differsFrom(next *loadedSet) topologyDifference {
	d := topologyDifference{map[string]bool{}, map[string]bool{}}
	for _, s := range l.streamDifferences(next) {
		d.streams[s.name] = true
	}
	for _, s := range l.sinkDifferences(next) {
		d.sinks[s.name] = true
	}
	if l.anyStreamHolds() != next.anyStreamHolds() {
		for name, s := range next.sinks() {
			if s.Type == "remote-write" {
				d.sinks[name] = true
			}
		}
	}
	return d
}

func (l *loadedSet) streamDifferences(next *loadedSet) []difference {
	return differences("stream", l.streams(), next.streams(), func(s policy.Stream) policy.Stream { s.Description = ""; return s })
}

func (l *loadedSet) sinkDifferences(next *loadedSet) []difference {
	return differences("sink", l.sinks(), next.sinks(), func(s policy.Sink) policy.Sink { s.Description = ""; return s })
}

// sameTopology refuses a set with other streams or sinks than those that run: what
// is tried beside the set in force has what that has.
func (l *loadedSet) sameTopology(next *loadedSet) error {
	differ := append(l.streamDifferences(next), l.sinkDifferences(next)...)
	if len(differ) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; a canary or shadow has the streams and sinks that run: change them with sluice apply first", ErrRejected, said(differ))
}

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
