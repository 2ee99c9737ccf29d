package policytest

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Patch is a file whose expectations are changed to what the tests show.
type Patch struct {
	File string `json:"file"`
	Diff string `json:"diff"` // unified

	path     string
	old, new []byte
}

// Update says what the expectations of the tests that fail would have to be.
// Expectations that are computed cannot be rewritten; they become warnings. The
// error is about reading the directory.
func (t *Report) Update() ([]Patch, []diag.Diagnostic, error) {
	var edits []policy.ExpectEdit
	for i := range t.Tests {
		if len(t.Tests[i].Failures) == 0 || t.results[i].Seen.Kept == nil {
			continue // it passes, or could not run
		}
		team, name, _ := strings.Cut(t.Tests[i].ID, "/")
		for j := range t.set.Teams {
			if t.set.Teams[j].Name == team {
				test := t.set.Teams[j].Test[name]
				edits = append(edits, expectations(team, name, &test, &t.results[i].Seen)...)
			}
		}
	}
	snap, _, err := policy.Take(os.DirFS(t.Policies))
	if err != nil {
		return nil, nil, err
	}
	files, found := policy.UpdateTests(snap, edits)
	var out []Patch
	for i := range files {
		f := &files[i]
		name := path.Join(filepath.ToSlash(t.Policies), f.File)
		if diff := f.Diff(name); diff != "" {
			out = append(out, Patch{name, diff, filepath.Join(t.Policies, filepath.FromSlash(f.File)), f.Old, f.New})
		}
	}
	return out, diag.Rebase(found, t.Policies), nil
}

// Write puts the new text into the file, if nobody has changed it since.
func (p *Patch) Write() error {
	info, err := os.Stat(p.path)
	if err != nil {
		return fmt.Errorf("%w: %w", diag.ErrConfig, err)
	}
	now, err := os.ReadFile(p.path)
	if err == nil && string(now) != string(p.old) {
		err = errors.New(p.File + " has changed in the meantime")
	}
	if err == nil {
		err = os.WriteFile(p.path, p.new, info.Mode().Perm())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", diag.ErrConfig, err)
	}
	return nil
}

// expectations compares what a test expects with what was seen, and says how the
// lists that its author wrote have to change. Lists that he left out stay out.
func expectations(team, name string, test *policy.Test, seen *policy.TestExpect) (edits []policy.ExpectEdit) {
	lists := []policy.ExpectEdit{
		updateKept(test.Expect.Kept, seen.Kept), updateDropped(test.Expect.Dropped, seen.Dropped),
		updateSamples(test.Expect.Samples, seen.Samples),
	}
	for _, e := range lists {
		if len(e.Change)+len(e.Remove)+len(e.Add) > 0 {
			e.Team, e.Test = team, name
			edits = append(edits, e)
		}
	}
	return edits
}

// updateKept keeps the series that came out, corrects their values and routes, and
// puts others in the place of those that did not.
func updateKept(want, seen []policy.TestSeries) policy.ExpectEdit {
	e := policy.ExpectEdit{List: "kept"}
	if want == nil {
		return e
	}
	left := slices.Clone(seen)
	for i := range want {
		at := slices.IndexFunc(left, func(s policy.TestSeries) bool { return program.ExpectedKey(&s) == program.ExpectedKey(&want[i]) })
		if at < 0 {
			e.Remove = append(e.Remove, i)
			continue
		}
		if v := want[i].Value; v != nil && *v != *left[at].Value {
			e.Change = append(e.Change, policy.ElementChange{Index: i, Field: "value", Value: policy.Number(*left[at].Value)})
		}
		if to := want[i].To; to != nil && !slices.Equal(slices.Sorted(slices.Values(to)), left[at].To) {
			e.Change = append(e.Change, policy.ElementChange{Index: i, Field: "to", Value: policy.Texts(left[at].To)})
		}
		left = slices.Delete(left, at, at+1)
	}
	for i := range left {
		e.Add = append(e.Add, left[i].Text())
	}
	return e
}

// updateDropped corrects who stops a series, and takes away what was not stopped.
func updateDropped(want, seen []policy.TestDropped) policy.ExpectEdit {
	e := policy.ExpectEdit{List: "dropped"}
	for i := range want {
		w := &want[i]
		same := func(by string) func(policy.TestDropped) bool {
			return func(s policy.TestDropped) bool {
				return s.Metric == w.Metric && (w.Task == "" || s.Task == w.Task) && (by == "" || s.By == by) && contains(s.Labels, w.Labels)
			}
		}
		at := slices.IndexFunc(seen, same(w.By))
		if at >= 0 {
			continue
		}
		if at = slices.IndexFunc(seen, same("")); at < 0 {
			e.Remove = append(e.Remove, i)
			continue
		}
		e.Change = append(e.Change, policy.ElementChange{Index: i, Field: "by", Value: policy.Quote(seen[at].By)})
	}
	return e
}

func contains(all, some map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

func updateSamples(want, seen []string) policy.ExpectEdit {
	e := policy.ExpectEdit{List: "samples"}
	if want == nil {
		return e
	}
	for i := range max(len(want), len(seen)) {
		switch {
		case i >= len(seen):
			e.Remove = append(e.Remove, i)
		case i >= len(want):
			e.Add = append(e.Add, policy.Quote(seen[i]))
		case want[i] != seen[i]:
			e.Change = append(e.Change, policy.ElementChange{Index: i, Value: policy.Quote(seen[i])})
		}
	}
	return e
}
