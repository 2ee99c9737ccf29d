package policy

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

func TestWithout(t *testing.T) {
	rules := func(names ...string) map[string]Control {
		out := map[string]Control{}
		for _, n := range names {
			out[n] = Control{}
		}
		return out
	}
	set := Set{Teams: []Team{{Name: "one", Control: rules("a", "ab", "a.b"), Sink: map[string]Sink{"s": {}}}, {Name: "two", Control: rules("a", "c")}}}
	for _, tt := range []struct {
		path     string
		severity diag.Severity
		left     [2][]string
		sections []string
	}{
		{"policy.control.a.rate", diag.Error, [2][]string{{"a.b", "ab"}, {"c"}}, []string{"control"}},
		{"one.control.a", diag.Error, [2][]string{{"a.b", "ab"}, {"c"}}, []string{"control"}},
		{`policy.control."a.b".rate`, diag.Error, [2][]string{{"a", "ab"}, {"a", "c"}}, []string{"control"}},
		{"policy.sink.s", diag.Error, [2][]string{{"a", "a.b", "ab"}, {"a", "c"}}, []string{"sink"}},
		{"policy.control.a", diag.Warning, [2][]string{{"a", "a.b", "ab"}, {"a", "c"}}, nil},
	} {
		rest, sections, ok := set.Without([]diag.Diagnostic{{Path: tt.path, Severity: tt.severity}})
		var left [2][]string
		for i := range rest.Teams {
			left[i] = slices.Sorted(maps.Keys(rest.Teams[i].Control))
		}
		if d := cmp.Diff(tt.left, left); !ok || d != "" || !slices.Equal(slices.Sorted(maps.Keys(sections)), tt.sections) {
			t.Errorf("%s: %t, %v, %s", tt.path, ok, sections, d)
		}
	}
	for _, path := range []string{"", "policy", "policy.control"} {
		if _, _, ok := set.Without([]diag.Diagnostic{{Path: path, Severity: diag.Error}}); ok {
			t.Errorf("an error about %q is one of a rule", path)
		}
	}
	if len(set.Teams[0].Control) != 3 || len(set.Teams[1].Control) != 2 {
		t.Errorf("the set was changed: %+v", set)
	}
}
