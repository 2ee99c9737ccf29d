package policy

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Options say how a set is loaded.
type Options struct {
	// Tags choose variants of the set: "env=prod", or "prod" for a word that a tag
	// field lists as short.
	Tags []string `json:"tags,omitempty"`

	// Today decides which rules have expired. The zero time means now, but in
	// Compile, which has no clock, that nothing expires.
	Today time.Time `json:"today"`

	// Runnable says that the set is meant for an instance: one without a stream or
	// without a sink gets a warning. A set of rules alone can be checked and tested.
	Runnable bool `json:"runnable,omitempty"`

	// Child evaluates in a process of its own, whose time and memory are bounded.
	// Without it Load evaluates here: only for sets that are trusted not to run for
	// ever, since CUE cannot be cancelled.
	Child *Child `json:"-"`
}

// Load reads the policy set in the root of fsys, checks all of it and returns it as
// a bundle. The bundle is nil when a diagnostic is an error. Diagnostics are sorted
// and name files relative to fsys. The error is a fault of something other than
// the set: fsys cannot be read, or the child process cannot be started.
//
// ctx ends a child process; without a child it is looked at between teams only.
func Load(ctx context.Context, fsys fs.FS, opt Options) (*Bundle, []diag.Diagnostic, error) {
	if opt.Today.IsZero() {
		opt.Today = time.Now()
	}
	snap, found, err := Take(fsys)
	if err != nil || len(found) > 0 {
		return nil, diag.Sort(found), err
	}
	if opt.Child != nil {
		return opt.Child.Compile(ctx, snap, opt)
	}
	return compile(ctx, snap, opt)
}

// Compile does what Load does for a snapshot, in this process. The outcome depends
// on nothing but its arguments.
func Compile(snap Snapshot, opt Options) (*Bundle, []diag.Diagnostic, error) {
	return compile(context.Background(), snap, opt)
}

func compile(ctx context.Context, snap Snapshot, opt Options) (*Bundle, []diag.Diagnostic, error) {
	pkgs := packages(snap)
	if len(pkgs) == 0 {
		return nil, []diag.Diagnostic{{
			Code: diag.NoPolicy, Message: "there is no policy set here: no .cue file in the root or in " + teamsDir + "/<team>",
		}}, nil
	}
	teams, err := judgeTeams(ctx, pkgs, snap, opt.Tags)
	if err != nil {
		return nil, nil, fmt.Errorf("load policy set: %w", err)
	}
	found := lost(pkgs, snap)
	taken, tags := map[string]bool{}, map[string]bool{}
	for _, t := range teams {
		maps.Copy(taken, t.taken)
		maps.Copy(tags, t.tags)
		found = append(found, t.found...)
	}
	found = append(found, untaken(opt.Tags, taken, tags)...)
	found = append(found, check(teams, opt.Today)...)
	if found = diag.Sort(found); diag.Refused(found) {
		return nil, found, nil
	}
	if opt.Runnable {
		found = diag.Sort(append(found, noFlow(teams)...))
	}
	b, err := assemble(teams, opt.Tags)
	return b, found, err
}

// teamsAtOnce bounds how many teams are evaluated at the same time, each in some
// tens of megabytes.
const teamsAtOnce = 4

// judgeTeams judges the teams, some at the same time, and returns them in order.
func judgeTeams(ctx context.Context, pkgs []teamPackage, snap Snapshot, tags []string) ([]*teamOutcome, error) {
	out, faults := make([]*teamOutcome, len(pkgs)), make([]error, len(pkgs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(teamsAtOnce, len(pkgs), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := range next {
				if faults[i] = ctx.Err(); faults[i] == nil {
					out[i], faults[i] = judgeTeam(pkgs[i], snap, tags)
				}
			}
		})
	}
	for i := range pkgs {
		next <- i
	}
	close(next)
	workers.Wait()
	return out, cmp.Or(faults...)
}

// lost finds files that no team reads, although they say that they are of the set.
func lost(pkgs []teamPackage, snap Snapshot) []diag.Diagnostic {
	read := map[string]bool{}
	for _, p := range pkgs {
		for _, name := range p.files {
			read[name] = true
		}
	}
	var rest []string
	for _, name := range snap.names() {
		if !read[name] {
			rest = append(rest, name)
		}
	}
	sources, _ := parseAll(snap, rest) // what does not parse there is not ours to judge
	return unread(sources)
}

func assemble(teams []*teamOutcome, tags []string) (*Bundle, error) {
	var set Set
	where := Provenance{}
	for _, t := range teams {
		set.Teams = append(set.Teams, *t.team)
		maps.Copy(where, t.where.known)
	}
	return newBundle(set, where, tags)
}
