package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The outcomes of a check.
const (
	CheckOK   = "ok"
	CheckWarn = "warn" // it works, and somebody should look
	CheckFail = "fail" // an instance would not run, or would lose something
	CheckSkip = "skip" // not looked at, for the reason that is told
)

// The areas of checks. What fails in AreaSluice is for who runs Sluice to mend; the
// others are about what is around it.
const (
	AreaSluice  = "sluice"  // policies, settings and what is kept
	AreaMachine = "machine" // disk, memory, limits
	AreaKafka   = "kafka"   // brokers, topics, groups, rights
	AreaSinks   = "sinks"   // receivers of remote write
)

// HealthCheck is one thing that was looked at.
type HealthCheck struct {
	Area    string `json:"area"`
	Name    string `json:"check"`
	Outcome string `json:"outcome"`      // ok, warn, fail or skip
	Seen    string `json:"seen"`         // what was found
	Do      string `json:"do,omitempty"` // what to do about it
}

const (
	doctorTime = 20 * time.Second // that all checks may take
	loadTime   = 10 * time.Second // of that, to load the policies
)

// findings are the checks of one area.
type findings struct {
	area string
	list []HealthCheck
}

func (f *findings) add(outcome, name, do, format string, args ...any) {
	f.list = append(f.list, HealthCheck{f.area, name, outcome, fmt.Sprintf(format, args...), do})
}

func (f *findings) ok(name, format string, args ...any) { f.add(CheckOK, name, "", format, args...) }

func (f *findings) warn(name, do, format string, args ...any) {
	f.add(CheckWarn, name, do, format, args...)
}

func (f *findings) fail(name, do, format string, args ...any) {
	f.add(CheckFail, name, do, format, args...)
}

func (f *findings) skip(name, format string, args ...any) {
	f.add(CheckSkip, name, "", format, args...)
}

// doctor is one examination. r is nil where there is no policy set, or it cannot run.
type doctor struct {
	cfg     Config
	r       *Runtime
	report  Report
	err     error
	unknown HealthCheck // what there is to tell when nobody knows the set
	unread  error       // why the control topic, which has it, cannot be read
	pushed  string      // which one of the control topic it is
	probes  probes
}

// Doctor looks at what an instance of this configuration needs: its policies and
// what it keeps, the machine, the brokers with topics, groups and rights, and the
// receivers of its sinks. Nothing of what it does stays. It takes at most 20
// seconds; what takes longer has failed.
func Doctor(ctx context.Context, cfg Config, opts Options) []HealthCheck {
	return examine(ctx, cfg, opts, realProbes())
}

func examine(ctx context.Context, cfg Config, opts Options, p probes) []HealthCheck {
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	d := &doctor{cfg: cfg, probes: p}
	here := cfg
	here.DataDir = "" // an instance notes there what it is about to run
	load, loaded := context.WithTimeout(ctx, loadTime)
	d.r, d.report, d.err = New(load, here, opts)
	loaded()
	if d.r != nil && cfg.Policies == sourceTopic {
		d.takePushed(ctx)
	}

	areas := []struct {
		name string
		look func(context.Context, *findings)
	}{
		{AreaSluice, d.lookAtSluice}, {AreaMachine, d.lookAtMachine}, {AreaKafka, d.lookAtKafka}, {AreaSinks, d.lookAtSinks},
	}
	found := make([]chan []HealthCheck, len(areas))
	for i, a := range areas {
		found[i] = make(chan []HealthCheck, 1)
		go func() {
			f := findings{area: a.name}
			a.look(ctx, &f)
			found[i] <- f.list
		}()
	}
	var out []HealthCheck
	for i, a := range areas {
		select {
		case list := <-found[i]:
			out = append(out, list...)
		case <-ctx.Done():
			select { // it may just have been in time
			case list := <-found[i]:
				out = append(out, list...)
			case <-time.After(time.Second):
				out = append(out, HealthCheck{a.name, a.name, CheckFail, fmt.Sprintf("the checks did not end within %v", doctorTime), "is a disk or a network file system stuck?"})
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
