package program

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestRewriteActions(t *testing.T) {
	long := strings.Repeat("é", 81)
	for _, tt := range []struct {
		rule policy.Rewrite
		in   metric.Labels
		want metric.Labels
	}{
		{policy.Rewrite{Action: "drop-labels", Labels: []string{"a", "re:x.*"}}, labelsOf("a", "1", "b", "2", "x1", "3"), labelsOf("b", "2")},
		{policy.Rewrite{Action: "prefer-label", Prefer: "task_name", Over: "task_id"}, labelsOf("task_id", "i", "task_name", "n"), labelsOf("task_name", "n")},
		{policy.Rewrite{Action: "prefer-label", Prefer: "task_name", Over: "task_id"}, labelsOf("task_id", "i"), labelsOf("task_id", "i")},
		{policy.Rewrite{Action: "rename-label", From: "a", To: "b"}, labelsOf("a", "1"), labelsOf("b", "1")},
		{policy.Rewrite{Action: "rename-label", From: "a", To: "b"}, labelsOf("a", "1", "b", "2"), labelsOf("b", "1")},
		{policy.Rewrite{Action: "rename-label", From: "a", To: "b"}, labelsOf("b", "2"), labelsOf("b", "2")},
		{policy.Rewrite{Action: "map-value", Label: "a", Map: map[string]string{"1": "one"}, Otherwise: "keep"}, labelsOf("a", "1"), labelsOf("a", "one")},
		{policy.Rewrite{Action: "map-value", Label: "a", Map: map[string]string{"1": "one"}, Otherwise: "keep"}, labelsOf("a", "2"), labelsOf("a", "2")},
		{policy.Rewrite{Action: "map-value", Label: "a", Map: map[string]string{"1": "one"}, Otherwise: "drop-label"}, labelsOf("a", "2", "b", "1"), labelsOf("b", "1")},
		{policy.Rewrite{Action: "map-value", Label: "a", Map: map[string]string{"": "none"}}, nil, labelsOf("a", "none")},
		{policy.Rewrite{Action: "short-id", Label: "a", Length: 12}, labelsOf("a", "abc"), labelsOf("a", "ba7816bf8f01")},
		{policy.Rewrite{Action: "short-id", Label: "a", Length: 32, Into: "id"}, labelsOf("a", "abc"), labelsOf("a", "abc", "id", "ba7816bf8f01cfea414140de5dae2223")},
		{policy.Rewrite{Action: "short-id", Label: "a", Length: 8, Longer: 80}, labelsOf("a", long), labelsOf("a", "dc90a767")},
		{policy.Rewrite{Action: "short-id", Label: "a", Length: 8, Longer: 81}, labelsOf("a", long), labelsOf("a", long)},
		{policy.Rewrite{Action: "short-id", Label: "a", Length: 8}, labelsOf("b", "1"), labelsOf("b", "1")},
		{policy.Rewrite{Action: "table-name", From: "op", Into: "table"}, labelsOf("op", "Source: orders[1]"), labelsOf("op", "Source: orders[1]", "table", "orders")},
		{policy.Rewrite{Action: "table-name", From: "op", Into: "table"}, labelsOf("op", "Calc[1]", "table", "t"), labelsOf("op", "Calc[1]", "table", "t")},
		{policy.Rewrite{Action: "extract", From: "a", Into: "b", Regex: `(\w+)-(\d+)`, Value: "$2.$1"}, labelsOf("a", "orders-7"), labelsOf("a", "orders-7", "b", "7.orders")},
		{policy.Rewrite{Action: "extract", From: "a", Into: "a", Regex: `(\w+)-\d+`, Value: "$1"}, labelsOf("a", "x-orders-7"), labelsOf("a", "x-orders-7")},
		{policy.Rewrite{Action: "extract", From: "a", Into: "b", Regex: `()x`, Value: "$1"}, labelsOf("a", "x", "b", "1"), labelsOf("a", "x")},
		{policy.Rewrite{Action: "extract", From: "none", Into: "b", Regex: `.*`, Value: "v"}, labelsOf("a", "x"), labelsOf("a", "x")},
		{policy.Rewrite{Action: "set-label", Label: "site", Value: "north"}, labelsOf("a", "1"), labelsOf("a", "1", "site", "north")},
	} {
		tt.rule.Ordered = inForce(1, everyMetric)
		p := mustCompile(t, &policy.Set{Teams: []policy.Team{{Name: "x", Rewrite: map[string]policy.Rewrite{"a": tt.rule}}}})
		before := tt.in.String()
		v := p.Decide(Input{Task: "t", Name: "m", Labels: tt.in}, Filter{}, Filter{})
		if diff := cmp.Diff(tt.want.String(), v.Labels.String()); diff != "" {
			t.Errorf("%+v: %s", tt.rule, diff)
		}
		if tt.in.String() != before {
			t.Errorf("%s has changed the labels of the input to %s", tt.rule.Action, tt.in)
		}
		for _, s := range v.Short {
			if s.Value != tt.in.Get(tt.rule.Label) || !strings.Contains(v.Labels.String(), `"`+s.ID+`"`) {
				t.Errorf("dictionary entry %+v for %s", s, v.Labels)
			}
		}
		if want := strings.Contains(tt.rule.Action, "short-id") && tt.want.String() != before; (len(v.Short) == 1) != want {
			t.Errorf("%+v gives the dictionary %v", tt.rule, v.Short)
		}
	}
}

func TestRewritesAreAChain(t *testing.T) {
	rule := func(order int, m policy.Match, r policy.Rewrite) policy.Rewrite {
		r.Ordered = inForce(order, m)
		return r
	}
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{Name: "x", Rewrite: map[string]policy.Rewrite{
		"1-last":   rule(30, policy.Match{Labels: map[string][]string{"a": {"1"}}}, policy.Rewrite{Action: "rename-label", From: "b", To: "c"}),
		"z-first":  rule(10, everyMetric, policy.Rewrite{Action: "rename-label", From: "a", To: "b"}),
		"y-second": rule(20, everyMetric, policy.Rewrite{Action: "rename-metric", To: "seconds"}),
		"z-second": rule(20, policy.Match{Metrics: []string{"millis"}}, policy.Rewrite{Action: "scale", Factor: 0.001}),
		"scale":    rule(21, everyMetric, policy.Rewrite{Action: "scale", Factor: 2}),
		"other":    rule(22, policy.Match{Metrics: []string{"seconds"}}, policy.Rewrite{Action: "scale", Factor: 100}),
	}}}})
	in := Input{Task: "t", Name: "millis", Labels: labelsOf("a", "1")}
	v, events := p.Explain(in)
	want := Verdict{Rule: NoRule, Name: "seconds", Labels: labelsOf("c", "1"), Scale: 0.002}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, e := range events {
		line := string(p.Rules()[e.Rule].ID) + " " + e.Mismatch
		if e.Mismatch == "" {
			line = fmt.Sprintf("%s %s%s*%v -> %s%s*%v", p.Rules()[e.Rule].ID,
				e.Before.Name, e.Before.Labels, e.Before.Scale, e.After.Name, e.After.Labels, e.After.Scale)
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{
		`x/z-first millis{a="1"}*1 -> millis{b="1"}*1`,
		`x/y-second millis{b="1"}*1 -> seconds{b="1"}*1`,
		`x/z-second seconds{b="1"}*1 -> seconds{b="1"}*0.001`,
		`x/scale seconds{b="1"}*0.001 -> seconds{b="1"}*0.002`,
		"x/other metrics",
		`x/1-last seconds{b="1"}*0.002 -> seconds{c="1"}*0.002`,
	}, got); diff != "" {
		t.Error(diff)
	}
}
