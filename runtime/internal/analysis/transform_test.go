package analysis

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// said is a plugin that does nothing but say what it reads and writes.
type said program.Plugin

func (p said) Open(*policy.Transform) (program.Transformer, error) { return p, nil }
func (p said) Plugin() program.Plugin                              { return program.Plugin(p) }

func (said) Series(name string, labels metric.Labels) (program.Transformed, error) {
	return program.Transformed{Name: name, Labels: labels}, nil
}

func (p said) Ask(name string, labels metric.Labels) (program.Transformed, error) {
	return p.Series(name, labels)
}

func (said) Samples([]program.Sample) ([]program.SampleOut, uint64, error) { return nil, 0, nil }

func TestWhatPluginsReadAndWrite(t *testing.T) {
	known := flink(t)
	on := func(order int, label string) policy.Ordered {
		return policy.Ordered{Enabled: true, Order: order, Match: policy.Match{Metrics: []string{"flink_*"}, Labels: map[string][]string{label: {"?*"}}}}
	}
	for name, tt := range map[string]struct {
		plugin  said
		rewrite policy.Rewrite
		want    diag.Code // "": nothing
	}{
		"a label that is gone":     {said{Reads: []string{"tm_id"}}, policy.Rewrite{Ordered: on(10, "host"), Action: "drop-labels", Labels: []string{"tm_*"}}, diag.LabelGone},
		"one that goes later":      {said{Reads: []string{"tm_id"}}, policy.Rewrite{Ordered: on(200, "host"), Action: "drop-labels", Labels: []string{"tm_*"}}, ""},
		"another one":              {said{Reads: []string{"tm_id"}}, policy.Rewrite{Ordered: on(10, "host"), Action: "drop-labels", Labels: []string{"task_id"}}, ""},
		"two writers":              {said{Writes: []string{"zone"}}, policy.Rewrite{Ordered: on(100, "host"), Action: "set-label", Label: "zone", Value: "a"}, diag.TwoWriters},
		"a writer and a taker":     {said{Writes: []string{"tm_id"}}, policy.Rewrite{Ordered: on(100, "host"), Action: "drop-labels", Labels: []string{"tm_id"}}, diag.TwoWriters},
		"writers in an order":      {said{Writes: []string{"zone"}}, policy.Rewrite{Ordered: on(101, "host"), Action: "set-label", Label: "zone", Value: "a"}, ""},
		"all labels say nothing":   {said{Reads: []string{"*"}, Writes: []string{"*"}}, policy.Rewrite{Ordered: on(100, "host"), Action: "set-label", Label: "zone", Value: "a"}, ""},
		"a label of a plugin":      {said{Writes: []string{"tier"}}, policy.Rewrite{Ordered: on(200, "tier"), Action: "rename-label", From: "tier", To: "class"}, ""},
		"a label of a plugin of *": {said{Writes: []string{"*"}}, policy.Rewrite{Ordered: on(200, "tier"), Action: "rename-label", From: "tier", To: "class"}, ""},
		"a label of nobody":        {said{Writes: []string{"x"}}, policy.Rewrite{Ordered: on(200, "tier"), Action: "rename-label", From: "tier", To: "class"}, diag.UnknownLabel},
	} {
		t.Run(name, func(t *testing.T) {
			set := &policy.Set{Teams: []policy.Team{{
				APIVersion: "v1", Name: "orders",
				Rewrite:   map[string]policy.Rewrite{"r": tt.rewrite},
				Transform: map[string]policy.Transform{"it": {Ordered: on(100, "host"), Plugin: "p", Scope: "series", OnError: "pass"}},
			}}}
			p, found := program.Compile(set, program.Options{Today: today, Plugins: tt.plugin})
			if p == nil {
				t.Fatal(found)
			}
			found = Findings(set, Options{Today: today, Program: p, Catalogue: known})
			found = slices.DeleteFunc(found, func(d diag.Diagnostic) bool { return d.Code == diag.Merges })
			switch {
			case tt.want == "" && len(found) > 0:
				t.Errorf("found %v", found)
			case tt.want != "" && (len(found) == 0 || found[0].Code != tt.want):
				t.Errorf("found %v, want %s", found, tt.want)
			case tt.want == diag.TwoWriters && !strings.Contains(found[0].Message, "have the same order"):
				t.Errorf("%v", found)
			}
		})
	}
}

func TestATransformThatMatchesNothing(t *testing.T) {
	match := policy.Match{Metrics: []string{"flink_*"}}
	set := &policy.Set{Teams: []policy.Team{{
		APIVersion: "v1", Name: "orders",
		Transform: map[string]policy.Transform{"it": {
			Ordered: policy.Ordered{Enabled: true, Match: match, Unless: &match}, Plugin: "p", Scope: "series", OnError: "pass",
		}},
	}}}
	p, found := program.Compile(set, program.Options{Today: today, Plugins: said{}})
	if p == nil {
		t.Fatal(found)
	}
	found = Findings(set, Options{Today: today, Program: p, Catalogue: flink(t)})
	if len(found) != 1 || found[0].Code != diag.NeverDecides || found[0].Message != "transform it never applies: unless excludes all that match selects" {
		t.Errorf("found %v", found)
	}
}
