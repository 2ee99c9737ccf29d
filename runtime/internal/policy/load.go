package policy

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

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

	// Cache spares the teams that have not changed since the last Load that had it.
	// It may be nil.
	Cache *Cache `json:"-"`

	// Plugins finds the modules of transforms. Without it, a set that names one is refused.
	Plugins Plugins `json:"-"`

	// PluginLimits are the most that a transform may let its plugin use.
	PluginLimits PluginLimits `json:"-"`
}

// Outcome is what is known of a set that was examined.
type Outcome struct {
	Bundle   *Bundle           // nil when a finding is an error
	Findings []diag.Diagnostic // sorted; they name files relative to the root of the set

	// Refused is the set all the same when it is not for its shape that it is refused:
	// not to run, but to look for what else is wrong with it.
	Refused *Bundle
}

// Load is Examine for who has no use for a set that is refused.
func Load(ctx context.Context, fsys fs.FS, opt Options) (*Bundle, []diag.Diagnostic, error) {
	out, err := Examine(ctx, fsys, opt)
	return out.Bundle, out.Findings, err
}

// Examine reads the policy set in the root of fsys, checks all of it and returns it as
// a bundle. The error is a fault of something other than the set: ErrUnreadable, or the
// child process cannot be started.
//
// ctx ends a child process; without a child it is looked at between teams only. A
// set that meets the limits of a child gets one diagnostic that says so.
func Examine(ctx context.Context, fsys fs.FS, opt Options) (Outcome, error) {
	if opt.Today.IsZero() {
		opt.Today = time.Now()
	}
	snap, found, err := Take(fsys)
	if err == nil && len(found) > 0 {
		var more []diag.Diagnostic
		more, err = besides(ctx, snap, found, fsys, opt)
		found = append(found, more...)
	}
	if err != nil || len(found) > 0 {
		return Outcome{Findings: diag.Sort(found)}, err
	}
	return examine(ctx, snap, fsys, opt)
}

// besides returns what is wrong with the teams that read none of the refused files,
// each for itself: the set is refused, but not for one reason at a time.
func besides(ctx context.Context, snap Snapshot, refused []diag.Diagnostic, files fs.FS, opt Options) ([]diag.Diagnostic, error) {
	untouched := slices.DeleteFunc(packages(snap), func(p teamPackage) bool {
		return slices.ContainsFunc(refused, func(d diag.Diagnostic) bool {
			_, tooMany := snap[d.Pos.File] // the files that follow are not there
			return tooMany || p.reads(d.Pos.File)
		})
	})
	if len(untouched) == 0 {
		return nil, nil
	}
	teams, found, err := opt.judge(ctx, judgement{Snapshot: snap, Packages: untouched, Tags: opt.Tags})
	for _, t := range teams {
		found = append(found, t.Found...)
	}
	if err != nil {
		return found, err
	}
	_, _, more, err := opt.look(ctx, teams, files, false)
	return append(found, more...), err
}

// look finds the plugins of teams, and what is wrong with the meaning of their rules;
// all says whether there are no other teams.
func (o *Options) look(ctx context.Context, teams []teamOutcome, files fs.FS, all bool) ([]teamOutcome, map[string][]byte, []diag.Diagnostic, error) {
	r := &resolver{opt: o, files: files, modules: map[string][]byte{}, own: map[string]bool{}, known: map[string]PluginInfo{}}
	teams, found, err := r.resolve(ctx, teams)
	if err != nil {
		return nil, nil, nil, err
	}
	return teams, r.modules, append(found, check(teams, r.known, o.Today, all)...), nil
}

// Compile does what Load does for a snapshot, in this process. The outcome depends
// on nothing but its arguments: plugins that are files of the set are not there.
func Compile(snap Snapshot, opt Options) (*Bundle, []diag.Diagnostic, error) {
	return compile(context.Background(), snap, nil, opt)
}

func compile(ctx context.Context, snap Snapshot, files fs.FS, opt Options) (*Bundle, []diag.Diagnostic, error) {
	out, err := examine(ctx, snap, files, opt)
	return out.Bundle, out.Findings, err
}

// nothing says that a directory has no policy set.
func nothing() diag.Diagnostic {
	return diag.Diagnostic{
		Code: diag.NoPolicy, Pos: diag.Pos{File: "."}, Message: "there is no policy set here: no .cue file in the root or in " + teamsDir + "/<team>",
		Hint: "sluice init writes one",
	}
}

// Files are the texts of a snapshot of fsys, and what is wrong with it without
// looking at them, as Take says it; a snapshot of no set is wrong.
func Files(fsys fs.FS) (map[string]string, []diag.Diagnostic, error) {
	snap, found, err := Take(fsys)
	if err == nil && len(found) == 0 && len(packages(snap)) == 0 {
		found = append(found, nothing())
	}
	texts := make(map[string]string, len(snap))
	for name, text := range snap {
		if texts[name] = string(text); !utf8.Valid(text) { // JSON could not carry it
			found = append(found, diag.Diagnostic{Code: diag.Syntax, Pos: diag.Pos{File: name}, Message: "illegal UTF-8 encoding"})
		}
	}
	return texts, diag.Sort(found), err
}

func examine(ctx context.Context, snap Snapshot, files fs.FS, opt Options) (Outcome, error) {
	pkgs := packages(snap)
	if len(pkgs) == 0 {
		return Outcome{Findings: []diag.Diagnostic{nothing()}}, nil
	}
	work := judgement{Snapshot: snap, Packages: pkgs, Rest: rest(pkgs, snap), Tags: opt.Tags}
	teams, found, err := opt.Cache.judge(ctx, work, opt.judge)
	if err != nil || teams == nil {
		return Outcome{Findings: found}, err
	}
	taken, tags := map[string]bool{}, map[string]bool{}
	for _, t := range teams {
		for _, tag := range t.Taken {
			taken[tag] = true
		}
		for _, tag := range t.Tags {
			tags[tag] = true
		}
		found = append(found, t.Found...)
	}
	found = append(found, untaken(opt.Tags, taken, tags)...)
	teams, modules, wrong, err := opt.look(ctx, teams, files, true)
	if err != nil {
		return Outcome{}, err
	}
	found = diag.Sort(append(found, wrong...))
	refused := diag.Refused(found)
	if slices.ContainsFunc(teams, func(t teamOutcome) bool { return t.Team == nil }) {
		return Outcome{Findings: found}, nil
	}
	if opt.Runnable && !refused {
		found = diag.Sort(append(found, noFlow(teams)...))
	}
	b, err := assemble(teams, opt.Tags)
	if err != nil {
		return Outcome{Findings: found}, err
	}
	if len(modules) > 0 {
		b.Modules = modules
	}
	if refused {
		return Outcome{Refused: b, Findings: found}, nil
	}
	return Outcome{Bundle: b, Findings: found}, nil
}

func assemble(teams []teamOutcome, tags []string) (*Bundle, error) {
	var set Set
	where := make(Provenance, len(teams))
	for _, t := range teams {
		set.Teams = append(set.Teams, *t.Team)
		maps.Copy(where, t.Known)
	}
	return newBundle(set, where, tags)
}
