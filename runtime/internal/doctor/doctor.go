// Package doctor looks at what an instance stands on, and says what is wrong with it
// and what to do: the machine, the brokers with topics, groups and rights, the
// receivers of remote write, what the data directory holds. It changes nothing that
// stays. It does not know how policies are loaded, nor what an instance makes of
// them: who asks says which topics, groups and receivers there are.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The outcomes of a check.
const (
	OK   = "ok"
	Warn = "warn" // it works, and somebody should look
	Fail = "fail" // an instance would not run, or would lose something
	Skip = "skip" // not looked at, for the reason that is told
)

// The areas of checks. What fails in AreaSluice is for who runs Sluice to mend; the
// others are about what is around it.
const (
	AreaSluice  = "sluice"  // policies, settings and what is kept
	AreaMachine = "machine" // disk, memory, limits
	AreaKafka   = "kafka"   // brokers, topics, groups, rights
	AreaSinks   = "sinks"   // receivers of remote write
)

// Check is one thing that was looked at.
type Check struct {
	Area    string `json:"area"`
	Name    string `json:"check"`
	Outcome string `json:"outcome"`      // ok, warn, fail or skip
	Seen    string `json:"seen"`         // what was found
	Do      string `json:"do,omitempty"` // what to do about it
}

// Findings are the checks of one area.
type Findings struct {
	area string
	list []Check
}

// Add tells of a check: what was seen, and what to do about it, "" for nothing.
func (f *Findings) Add(outcome, name, do, format string, args ...any) {
	f.list = append(f.list, Check{f.area, name, outcome, fmt.Sprintf(format, args...), do})
}

// OK tells that a check found nothing wrong.
func (f *Findings) OK(name, format string, args ...any) { f.Add(OK, name, "", format, args...) }

// Warn tells of what works, and somebody should look at.
func (f *Findings) Warn(name, do, format string, args ...any) {
	f.Add(Warn, name, do, format, args...)
}

// Fail tells of what keeps an instance from running, or loses something.
func (f *Findings) Fail(name, do, format string, args ...any) {
	f.Add(Fail, name, do, format, args...)
}

// Skip tells why a check was left out.
func (f *Findings) Skip(name, format string, args ...any) {
	f.Add(Skip, name, "", format, args...)
}

// Area is what is looked at by itself.
type Area struct {
	Name string
	Look func(context.Context, *Findings) // returns soon after the context has ended
}

// Examine looks at all areas at once, for at most the time given, and tells of them in
// their order. One that takes longer has failed, whatever it does after that.
func Examine(ctx context.Context, within time.Duration, areas []Area) []Check {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	found := make([]chan []Check, len(areas))
	for i, a := range areas {
		found[i] = make(chan []Check, 1)
		go func() {
			f := Findings{area: a.Name}
			a.Look(ctx, &f)
			found[i] <- f.list
		}()
	}
	var out []Check
	for i, a := range areas {
		select {
		case list := <-found[i]:
			out = append(out, list...)
		case <-ctx.Done():
			select { // it may just have been in time
			case list := <-found[i]:
				out = append(out, list...)
			case <-time.After(time.Second):
				out = append(out, Check{a.Name, a.Name, Fail, fmt.Sprintf("the checks did not end within %v", within), "is a disk or a network file system stuck?"})
			}
		}
	}
	return out
}

// firstFew writes names one after the other, sorted, at most five of them.
func firstFew(names []string) string {
	names = slices.Sorted(slices.Values(names))
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}
