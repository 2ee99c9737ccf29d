package program_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// defaults loads the default set and the catalogue.
func defaults(t testing.TB) (*program.Program, *policy.Set, *catalogue.Catalogue) {
	t.Helper()
	b, findings, err := policy.Load(context.Background(), policies.FS, policy.Options{Today: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("%v", f)
	}
	if b == nil {
		t.FailNow()
	}
	p, findings := program.Compile(&b.Set, program.Options{Provenance: b.Provenance})
	for _, f := range findings {
		t.Errorf("%v", f)
	}
	c, err := catalogue.Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	return p, &b.Set, c
}

// The default set passes its own tests, and they exercise every rule.
func TestDefaultSet(t *testing.T) {
	p, set, c := defaults(t)
	rules, covered := p.Rules(), map[int32]bool{}
	for _, r := range program.RunTests(p, set, c.Origin) {
		for _, f := range r.Failures {
			t.Errorf("%s: %s: %s", r.Pos, r.ID, f)
		}
		for _, i := range r.Covered {
			covered[i] = true
		}
	}
	for i, r := range rules {
		if !covered[int32(i)] {
			t.Errorf("no test exercises %s %s", r.Section, r.ID)
		}
		if !r.Pos.IsValid() || r.Description == "" {
			t.Errorf("%s %s has no place or no description: %+v", r.Section, r.ID, r)
		}
	}
}

// By the default set, no two series become one but the attempts of a subtask:
// neither vertices nor operators of one name, nor names that Flink cut alike.
func TestDefaultSetMergesAttemptsOnly(t *testing.T) {
	p, _, _ := defaults(t)
	names := rapid.SampledFrom([]string{
		"", "Map", "Sink: Print to Std. Out", "Source: orders[1]", "orders_out[11]: Writer", "Source:_orders_1_",
		strings.Repeat("long ", 16), strings.Repeat("long ", 16) + ".", strings.Repeat("long ", 30),
	})
	ids := rapid.SampledFrom([]string{"", "cbc357ccb763df2852fee8c4fc7d55f2", "cbc357ccb763df2852fee8c4fc7d55f3", "orders"})
	// A job's own label comes from a group of metrics, whose name is part of the
	// metric's: all series of that name have the label.
	const grouped = "flink_taskmanager_job_task_operator_table_hits"
	draw := func(t *rapid.T) program.Input {
		in := program.Input{Task: rapid.SampledFrom([]string{"t-1", "t-2"}).Draw(t, "task"), Kind: metric.Counter, Origin: metric.Native,
			Name: rapid.SampledFrom([]string{"flink_taskmanager_job_task_operator_numRecordsIn", grouped}).Draw(t, "metric")}
		in.Labels = in.Labels.Set(metric.TaskLabel, in.Task)
		for _, label := range []string{"task_name", "operator_name"} {
			in.Labels = in.Labels.Set(label, names.Draw(t, label))
		}
		for _, label := range []string{"task_id", "operator_id", "task_attempt_id", "task_attempt_num", "subtask_index"} {
			in.Labels = in.Labels.Set(label, ids.Draw(t, label))
		}
		if in.Name == grouped {
			in.Labels = in.Labels.Set("vertex", "mine").Set("table", rapid.SampledFrom([]string{"orders", "mine"}).Draw(t, "table"))
		}
		return in
	}
	identity := func(name string, labels metric.Labels) string {
		return name + slices.Clone(labels).Set("task_attempt_id", "").Set("task_attempt_num", "").String()
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t), draw(t)
		if rapid.Bool().Draw(t, "close") { // differ in few labels
			b.Labels = slices.Clone(a.Labels).Set(rapid.SampledFrom([]string{"task_id", "operator_id", "task_name", "operator_name"}).Draw(t, "label"), ids.Draw(t, "value"))
			b.Task, b.Name = a.Task, a.Name
		}
		va, vb := p.Decide(a, program.Filter{}, program.Filter{}), p.Decide(b, program.Filter{}, program.Filter{})
		same := identity(a.Name, a.Labels) == identity(b.Name, b.Labels)
		if merged := va.Name+va.Labels.String() == vb.Name+vb.Labels.String(); merged != same {
			t.Fatalf("%s and %s become %s and %s", a.Labels, b.Labels, va.Labels, vb.Labels)
		}
	})
}
