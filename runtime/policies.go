package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/analysis"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/collector"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/transform"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Sentinels that callers tell apart; each is wrapped with what happened.
var (
	ErrConfig      = diag.ErrConfig                       // a setting is wrong
	ErrUnreachable = diag.ErrUnreachable                  // a broker or an address
	ErrRejected    = diag.ErrRejected                     // input that is wrong
	ErrNotReady    = errors.New("not ready")              // still starting
	ErrNoStore     = errors.New("no sink of type store")  // nothing to query
	errStopped     = errors.New("the instance has ended") //
)

// Report is the outcome of checking a policy set.
type Report struct {
	Findings []diag.Diagnostic `json:"findings"`           // errors and warnings
	Revision string            `json:"revision,omitempty"` // digest of the set; "" when it is refused
	Teams    int               `json:"teams"`              // in the set
	Rules    int               `json:"rules"`              // in the set
	Tests    int               `json:"tests"`              // of the set, that were run

	source func(file string) []byte
	took   time.Duration
}

// Refused reports whether a finding keeps the set from running.
func (r Report) Refused() bool { return diag.Refused(r.Findings) }

// Source returns the text of a file of the set, nil when there is none.
func (r Report) Source(file string) []byte {
	if r.source == nil {
		return nil
	}
	return r.source(file)
}

// Summary is one line for people.
func (r Report) Summary() string {
	nerr, nwarn := diag.Count(r.Findings)
	if r.Refused() {
		return fmt.Sprintf("%s, %s (%.2f s)", diag.Number(nerr, "error"), diag.Number(nwarn, "warning"), r.took.Seconds())
	}
	return fmt.Sprintf("ok: %s, %s, %s, %s, revision %.12s (%.2f s)", diag.Number(r.Teams, "team"), diag.Number(r.Rules, "rule"),
		diag.Number(r.Tests, "test"), diag.Number(nwarn, "warning"), r.Revision, r.took.Seconds())
}

// Loading says how a policy set is evaluated.
type Loading struct {
	Env string // value of its @tag(env), "" for none

	// Child is the command line of a process that calls Child: a set that
	// takes too long or too much memory ends that process. Without it the set is
	// evaluated here, where nothing bounds it.
	Child []string

	// Modules finds the plugins that a set names by their digest alone; nil: there are
	// those that lie beside it.
	Modules func(digest string) ([]byte, error)

	// Plugins are the most that plugins may use.
	Plugins PluginBounds

	cache *policy.Cache // of the set that was loaded last; nil: none
	known knownMetrics  // nil: loadCatalogue

	plugins *transform.Plugins // that the sets run; nil: those of a set are its own
}

// running returns what runs the plugins of a set. What it runs ends when the set
// cannot be reached any more, or with the process.
func (how Loading) running() *transform.Plugins {
	if how.plugins != nil {
		return how.plugins
	}
	return transform.New(transform.Options{Get: how.Modules, Limits: limitsOf(how.Plugins)})
}

// Check loads the policy set in dir and says everything that is wrong with it,
// its own tests included. The error is about reading the directory, or about
// Sluice itself.
func Check(ctx context.Context, dir string, how Loading) (Report, error) {
	from, err := DirSource(dir)
	if err != nil {
		return Report{}, err
	}
	loaded, err := loadSet(ctx, from.Files, how, from.Prefix)
	return loaded.report, err
}

// loadedSet is a policy set, compiled when the report does not refuse it.
type loadedSet struct {
	report  Report
	bundle  *policy.Bundle
	program *program.Program
	known   *catalogue.Catalogue
	origin  Origin
	plugins *transform.Plugins // that program runs
	lacking []string           // paths of plugins that are not stored here
}

// loadSet loads, compiles and tests a set. dir is put before file names.
func loadSet(ctx context.Context, fsys fs.FS, how Loading, dir string) (loadedSet, error) {
	began := time.Now()
	known, err := how.known.get()
	if err != nil {
		return loadedSet{}, err
	}
	most, err := mostOfPlugins(how.Plugins)
	if err != nil {
		return loadedSet{}, err
	}
	running := how.running()
	opts := policy.Options{Today: began, Runnable: true, Cache: how.cache, Plugins: running, PluginLimits: most}
	if how.Env != "" {
		opts.Tags = []string{"env=" + how.Env}
	}
	if len(how.Child) > 0 {
		opts.Child = &policy.Child{Command: how.Child}
	}
	examined, err := policy.Examine(ctx, fsys, opts)
	if errors.Is(err, policy.ErrUnreadable) {
		return loadedSet{}, fmt.Errorf("%w: %s: %w", ErrConfig, dir, err)
	} else if err != nil {
		return loadedSet{}, fmt.Errorf("policy set: %w", err)
	}
	bundle, found := examined.Bundle, examined.Findings
	l := loadedSet{bundle: bundle, known: known, plugins: running}
	if bundle != nil {
		running.Offer(bundle.Modules)
		var more []diag.Diagnostic
		l.program, more = program.Compile(&bundle.Set, program.Options{Today: began, Provenance: bundle.Provenance, Plugins: running})
		found = append(found, more...)
	}
	if set := cmp.Or(bundle, examined.Refused); l.program == nil && set != nil {
		found = diag.Sort(append(found, beside(set, found, running, known, began)...))
	}
	if l.program != nil {
		found = append(found, analysis.Findings(&bundle.Set, analysis.Options{
			Today: began, Program: l.program, Catalogue: known, Known: collected(), Provenance: bundle.Provenance,
		})...)
		results := program.RunTests(l.program, &bundle.Set, known.Origin)
		found = append(found, failedTests(results)...)
		l.report.Revision, l.report.Teams, l.report.Tests = bundle.Digest, len(bundle.Set.Teams), len(results)
		l.report.Rules = l.program.Len()
	}
	l.report.Findings = partOfSet(diag.Rebase(found, dir), dir)
	l.report.source = sources(fsys, dir)
	l.report.took = time.Since(began)
	return l, nil
}

// partOfSet says where the rest of a set is when names are missing because dir is
// only one team of it.
func partOfSet(found []diag.Diagnostic, dir string) []diag.Diagnostic {
	if at, err := filepath.Abs(dir); err != nil || filepath.Base(filepath.Dir(at)) != "teams" {
		return found
	}
	for i := range found {
		if d := &found[i]; d.Code == diag.BadReference && d.Hint == "" {
			d.Hint = "this is one team of a set; name the directory of the set, " + filepath.Join(dir, "..", "..")
		}
	}
	return found
}

// knownMetrics returns the catalogue of this binary, which costs some 10 ms to
// evaluate: who needs it more than once keeps it.
type knownMetrics func() (*catalogue.Catalogue, error)

func loadCatalogue() (*catalogue.Catalogue, error) {
	return catalogue.Load(policies.FS, policies.Catalogue)
}

func (k knownMetrics) get() (*catalogue.Catalogue, error) {
	if k == nil {
		k = loadCatalogue
	}
	return k()
}

// collected are the metrics that Sluice collects itself, with the labels that their
// meaning names in braces.
func collected() []analysis.Metric {
	out := []analysis.Metric{{Labels: []string{"cluster", "tag_*"}}}
	for _, m := range collector.Metrics() {
		_, after, _ := strings.Cut(m.Meaning, "{")
		labels, _, _ := strings.Cut(after, "}")
		out = append(out, analysis.Metric{
			Series: metric.SeriesName(m.Scope, m.Name),
			Labels: strings.FieldsFunc(labels, func(r rune) bool { return r == ',' || r == ' ' }),
		})
	}
	return out
}

// failedTests makes a finding of each test that fails.
func failedTests(results []program.TestResult) []diag.Diagnostic {
	var found []diag.Diagnostic
	for _, r := range results {
		for _, f := range r.Failures {
			found = append(found, diag.Diagnostic{
				Code: diag.TestFailed, Pos: r.Pos, Path: string(r.ID), Message: fmt.Sprintf("test %s fails: %s", r.ID, f),
			})
		}
	}
	return found
}

// sources reads the files that findings are about, by the names they give them.
func sources(fsys fs.FS, dir string) func(string) []byte {
	return func(file string) []byte {
		b, err := fs.ReadFile(fsys, strings.TrimPrefix(file, path.Clean(filepath.ToSlash(dir))+"/"))
		if err != nil {
			return nil // the finding stands without its line
		}
		return b
	}
}

// defaultSet is what status and findings call the set that is built in.
const defaultSet = "built-in"
