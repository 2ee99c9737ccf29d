package runtime

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

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
