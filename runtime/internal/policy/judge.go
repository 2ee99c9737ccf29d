package policy

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// A judgement is teams to be evaluated: plain data, so that another process can.
type judgement struct {
	Snapshot Snapshot      `json:"snapshot"`
	Packages []teamPackage `json:"packages"`
	Rest     []string      `json:"rest,omitempty"` // files that belong to no team
	Tags     []string      `json:"tags,omitempty"`
}

// judge evaluates here, or in the child process that the options name. The
// findings are about files that belong to no team; without outcomes they say why
// there are none.
func (o *Options) judge(ctx context.Context, work judgement) ([]teamOutcome, []diag.Diagnostic, error) {
	if o.Child != nil {
		return o.Child.judge(ctx, work)
	}
	return judgeHere(ctx, work, func(int, *teamOutcome) {})
}

// teamsAtOnce bounds how many teams are evaluated at the same time, each in some
// tens of megabytes.
const teamsAtOnce = 4

// judgeHere evaluates in this process, some teams at the same time. It calls at
// before each team, with nil, and after it, from several goroutines.
func judgeHere(ctx context.Context, work judgement, at func(team int, done *teamOutcome)) ([]teamOutcome, []diag.Diagnostic, error) {
	n := len(work.Packages)
	out, faults := make([]teamOutcome, n), make([]error, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(teamsAtOnce, n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			c := &contract{}
			for i := range next {
				if faults[i] = ctx.Err(); faults[i] == nil {
					at(i, nil)
					out[i], faults[i] = c.judgeTeam(work.Packages[i], work.Snapshot, work.Tags)
					at(i, &out[i])
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := cmp.Or(faults...); err != nil {
		return nil, nil, fmt.Errorf("load policy set: %w", err)
	}
	return out, lost(work), nil
}

// rest lists the files that belong to no team.
func rest(pkgs []teamPackage, snap Snapshot) []string {
	read := map[string]bool{}
	for _, p := range pkgs {
		for _, name := range p.Files {
			read[name] = true
		}
	}
	return slices.DeleteFunc(snap.names(), func(name string) bool { return read[name] })
}

// lost finds files that no team reads, although they say that they are of the set.
func lost(work judgement) []diag.Diagnostic {
	sources, _ := parseAll(work.Snapshot, work.Rest) // what does not parse there is not ours to judge
	return unread(sources)
}
