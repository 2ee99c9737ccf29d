package program

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func taskOf(enabled bool, until string, tags map[string]string, tasks ...string) policy.Task {
	return policy.Task{Match: policy.TaskMatch{Tasks: tasks}, Tags: tags, Enabled: enabled, Until: until}
}

func TestTags(t *testing.T) {
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{Name: "x", Task: map[string]policy.Task{
		"b-all":    taskOf(true, "", map[string]string{"tier": "bronze", "site": "north"}, "*"),
		"a-orders": taskOf(true, "", map[string]string{"tier": "gold"}, "orders-*"),
		"c-by-job": taskOf(true, "", map[string]string{"owner": "ann", "tier": "silver"}, "job-7"),
		"a-past":   taskOf(true, "2026-11-21", map[string]string{"tier": "none"}, "*"),
		"today":    taskOf(true, "2026-11-22", map[string]string{"today": "yes"}, "*"),
	}}}})
	for _, tt := range []struct {
		task, job string
		want      metric.Labels
	}{
		{"orders-1", "", labelsOf("tier", "gold", "site", "north", "today", "yes")},
		{"t-1", "job-7", labelsOf("tier", "bronze", "site", "north", "owner", "ann", "today", "yes")},
		{"t-1", "job-8", labelsOf("tier", "bronze", "site", "north", "today", "yes")},
	} {
		if diff := cmp.Diff(tt.want, p.tasks.info(tt.task, tt.job).tags); diff != "" {
			t.Errorf("tags of %s %s: %s", tt.task, tt.job, diff)
		}
	}
}

func TestDisabledTask(t *testing.T) {
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{
		Name:    "x",
		Control: map[string]policy.Control{"keep": {Ordered: inForce(1, everyMetric), Tier: "guard", Action: "keep"}},
		Task: map[string]policy.Task{
			"noisy":  taskOf(false, "2026-11-22", nil, "t-1"),
			"noisy2": taskOf(false, "", nil, "t-*"),
			"past":   taskOf(false, "2026-11-21", nil, "u-1"),
		},
	}}})
	v := decide(p, series("m"))
	if v.Disposition != ledger.Disabled || ruleID(p, v) != "x/noisy" || v.Labels != nil {
		t.Errorf("verdict %+v by %q", v, ruleID(p, v))
	}
	if r := p.Rules()[v.Rule]; r.Section != SectionTask || r.Action != "disable" {
		t.Errorf("rule %+v", r)
	}
	in := series("m")
	in.Task = "u-1"
	if v := decide(p, in); v.Disposition != ledger.Out {
		t.Errorf("a task whose entry has passed ends as %s", v.Disposition)
	}
}

// Teams see their own tasks only, and cannot take or touch those of others.
func TestTeamsAreApart(t *testing.T) {
	drop := func() map[string]policy.Control {
		return map[string]policy.Control{"all": {Ordered: inForce(1, everyMetric), Tier: "tenant", Action: "drop"}}
	}
	team := func(name string, control map[string]policy.Control, task map[string]policy.Task) policy.Team {
		return policy.Team{Name: name, Control: control, Task: task}
	}
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{
		team("order", drop(), map[string]policy.Task{
			"mine":   taskOf(true, "", map[string]string{"tier": "gold"}, "order-*"),
			"greedy": taskOf(false, "", map[string]string{"tier": "lead"}, "pay-1"),
		}),
		team("pay", nil, map[string]policy.Task{"a": taskOf(true, "", nil, "pay-*")}),
		team("platform", map[string]policy.Control{"guard": {
			Ordered: inForce(1, policy.Match{Metrics: []string{"debug"}}), Tier: "guard", Action: "drop"}},
			map[string]policy.Task{"z": taskOf(true, "", map[string]string{"team": "pay"}, "order-of-pay")}),
	}})
	for _, tt := range []struct{ task, metric, want string }{
		{"order-1", "m", "order/all"},
		{"pay-1", "m", ""},
		{"order-of-pay", "m", ""},
		{"unknown", "m", ""},
		{"unknown", "debug", "platform/guard"},
		{"order-1", "debug", "platform/guard"},
	} {
		in := series(tt.metric)
		in.Task = tt.task
		v := decide(p, in)
		if got := ruleID(p, v); got != tt.want || v.Disposition == ledger.Disabled {
			t.Errorf("%s of %s is decided by %q (%s), want %q", tt.metric, tt.task, got, v.Disposition, tt.want)
		}
	}
	if got := p.tasks.info("pay-1", "").tags; got.Get("team") != "pay" || got.Get("tier") != "" {
		t.Errorf("tags of pay-1: %v", got)
	}
}
