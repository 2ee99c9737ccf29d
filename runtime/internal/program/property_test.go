package program

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// A small world, so that rules and series meet often.
var (
	worldNames  = []string{"m_a", "m_b", "n_a"}
	worldValues = []string{"", "v1", "v2", "w1"}
	worldLabels = []string{"host", "job_name", "zone", "subtask_index"}
	worldTasks  = []string{"t-1", "t-2", "v1"}
	worldTeams  = []string{"order", "pay", "platform"}
)

func drawPatterns(t *rapid.T, from []string) []string {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom(from).Draw(t, "value")
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0:
			return "*"
		case 1:
			return s[:len(s)/2] + "*"
		case 2:
			return "*" + s[len(s)/2:]
		case 3:
			return "?" + s[min(1, len(s)):]
		case 4:
			return "re:" + s + "|none"
		}
		return s
	}), 1, 2).Draw(t, "patterns")
}

func drawMatch(t *rapid.T) policy.Match {
	var m policy.Match
	some := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }
	if some("metrics") {
		m.Metrics = drawPatterns(t, worldNames)
	}
	if some("tasks") {
		m.Tasks = drawPatterns(t, worldTasks)
	}
	if some("kinds") {
		m.Kinds = []string{rapid.SampledFrom([]string{"gauge", "counter"}).Draw(t, "kind")}
	}
	if some("origin") {
		m.Origin = []string{rapid.SampledFrom([]string{"native", "custom"}).Draw(t, "origin")}
	}
	if some("labels") {
		m.Labels = map[string][]string{rapid.SampledFrom(worldLabels).Draw(t, "label"): drawPatterns(t, worldValues)}
	}
	if some("tags") {
		m.Tags = map[string][]string{"tier": drawPatterns(t, worldValues)}
	}
	return m
}

func drawOrdered(t *rapid.T) policy.Ordered {
	o := policy.Ordered{Enabled: rapid.IntRange(0, 9).Draw(t, "on") > 0, Order: rapid.IntRange(0, 3).Draw(t, "order"), Match: drawMatch(t)}
	if rapid.IntRange(0, 3).Draw(t, "unless?") == 0 {
		m := drawMatch(t)
		o.Unless = &m
	}
	return o
}

func drawSet(t *rapid.T) *policy.Set {
	var set policy.Set
	for _, name := range worldTeams[:rapid.IntRange(1, len(worldTeams)).Draw(t, "teams")] {
		team := policy.Team{Name: name, Control: map[string]policy.Control{}, Rewrite: map[string]policy.Rewrite{}, Task: map[string]policy.Task{}}
		for i := range rapid.IntRange(0, 4).Draw(t, "controls") {
			team.Control[string(rune('a'+i))] = policy.Control{Ordered: drawOrdered(t),
				Tier:   rapid.SampledFrom(tiers[:]).Draw(t, "tier"),
				Action: rapid.SampledFrom([]string{"keep", "drop", "sample"}).Draw(t, "action"), Rate: 0.5, By: "series"}
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "rewrites") {
			r := policy.Rewrite{Ordered: drawOrdered(t), Action: rapid.SampledFrom([]string{"drop-labels", "rename-label", "set-label", "scale"}).Draw(t, "rewrite"),
				Labels: []string{"zone"}, From: "host", To: "zone", Label: "host", Value: string(rune('a' + i)), Factor: 2}
			team.Rewrite[string(rune('a'+i))] = r
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "tasks") {
			task := taskOf(rapid.IntRange(0, 9).Draw(t, "enabled") > 0, "", map[string]string{"tier": rapid.SampledFrom(worldValues[1:]).Draw(t, "tier")}, drawPatterns(t, worldTasks)...)
			team.Task[string(rune('a'+i))] = task
		}
		set.Teams = append(set.Teams, team)
	}
	return &set
}

func drawInput(t *rapid.T) Input {
	in := Input{
		Task:   rapid.SampledFrom(worldTasks).Draw(t, "task"),
		Name:   rapid.SampledFrom(worldNames).Draw(t, "name"),
		Kind:   rapid.SampledFrom([]metric.Kind{metric.Gauge, metric.Counter}).Draw(t, "kind"),
		Origin: rapid.SampledFrom([]metric.Origin{metric.Native, metric.Custom}).Draw(t, "origin"),
	}
	in.Labels = labelsOf(metric.TaskLabel, in.Task)
	for _, name := range worldLabels {
		in.Labels = in.Labels.Set(name, rapid.SampledFrom(worldValues).Draw(t, name))
	}
	return in
}

// Filters change nothing, even one made from labels that lack some of the
// series' or contradict them; and explain is the program.
func TestFiltersAndExplainAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := drawSet(t)
		p, findings := Compile(set, Options{})
		if p == nil {
			t.Fatal(findings)
		}
		in := drawInput(t)
		common := slices.Clone(in.Labels)
		for _, name := range worldLabels {
			switch rapid.IntRange(0, 5).Draw(t, "common") {
			case 0:
				common = common.Set(name, "")
			case 1:
				common = common.Set(name, rapid.SampledFrom(worldValues).Draw(t, "other"))
			}
		}
		want, events := p.Explain(in)
		byName := p.ByName(in.Name, in.Kind, in.Origin)
		for _, got := range []Verdict{
			p.Decide(in, Filter{}, Filter{}),
			p.Decide(in, byName, p.BySource(in.Task, in.Labels)),
			p.Decide(in, byName, p.BySource(in.Task, common)),
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%v: %s", in, diff)
			}
		}
		checkReference(t, set, p, in, want, events)
	})
}

// The same with many rules, whose sets take many words.
func TestManyRulesAgree(t *testing.T) {
	p := mustCompile(t, manyRules(3000))
	decided := 0
	for i := range 200 {
		in := benchInput(i * 37)
		switch i % 3 {
		case 1:
			in.Name = fmt.Sprintf("flink_taskmanager_job_task_operator_m%d", (i*37)%3000/5*5+4)
		case 2:
			in.Labels = in.Labels.Set("operator_name", fmt.Sprintf("Source: t%d[1]", i*37))
		}
		want, _ := p.Explain(in)
		if want.Rule != NoRule {
			decided++
		}
		if diff := cmp.Diff(want, decide(p, in)); diff != "" {
			t.Fatalf("%v: %s", in, diff)
		}
	}
	if decided < 20 {
		t.Errorf("rules decide about %d of 200 series: the test shows nothing", decided)
	}
}

// checkReference compares a verdict with a second, plain reading of the set.
func checkReference(t *rapid.T, set *policy.Set, p *Program, in Input, v Verdict, events []Event) {
	tags, off := referenceTags(set, in)
	if (v.Disposition == ledger.Disabled) != off {
		t.Fatalf("disabled: %s, want %t", v.Disposition, off)
	}
	if off {
		return
	}
	matched := map[string]bool{}
	for _, team := range set.Teams {
		foreign := len(set.Teams) > 1 && team.Name != "platform" && tags["team"] != team.Name
		for name, c := range team.Control {
			matched[SectionControl+team.Name+"/"+name] = !foreign && referenceMatch(c.Ordered, in, tags)
		}
		for name, r := range team.Rewrite {
			matched[SectionRewrite+team.Name+"/"+name] = !foreign && referenceMatch(r.Ordered, in, tags)
		}
	}
	first := NoRule
	applied := map[int32]bool{}
	for i, r := range p.Rules() {
		if r.Section == SectionControl && matched[SectionControl+string(r.ID)] && first == NoRule {
			first = int32(i)
		}
	}
	if v.Rule != first {
		t.Fatalf("decided by %d, want %d of %v", v.Rule, first, p.Rules())
	}
	for _, e := range events {
		applied[e.Rule] = e.After != nil
	}
	for i, r := range p.Rules() {
		if want := matched[SectionRewrite+string(r.ID)] && v.Disposition == ledger.Out; r.Section == SectionRewrite && v.Disposition == ledger.Out && applied[int32(i)] != want {
			t.Fatalf("rewrite %s applied: %t, want %t", r.ID, !want, want)
		}
	}
}

func referenceTags(set *policy.Set, in Input) (tags map[string]string, off bool) {
	tags = map[string]string{}
	type entry struct {
		team, name string
		task       policy.Task
	}
	var all []entry
	for _, team := range set.Teams {
		for name, task := range team.Task {
			if referenceAny(task.Match.Tasks, in.Task) || in.Labels.Get("job_name") != "" && referenceAny(task.Match.Tasks, in.Labels.Get("job_name")) {
				all = append(all, entry{team.Name, name, task})
			}
		}
	}
	key := func(e entry) string {
		if e.team == "platform" {
			return "0" + e.name
		}
		return "1" + e.name + e.team
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(key(a), key(b)) })
	many := len(set.Teams) > 1
	for _, e := range all {
		if many && e.team != "platform" {
			if tags["team"] == "" {
				tags["team"] = e.team
			}
			if tags["team"] != e.team {
				continue
			}
		}
		for k, v := range e.task.Tags {
			if tags[k] == "" {
				tags[k] = v
			}
		}
		off = off || !e.task.Enabled
	}
	return tags, off
}

func referenceMatch(o policy.Ordered, in Input, tags map[string]string) bool {
	return o.Enabled && referenceSelects(&o.Match, in, tags) && (o.Unless == nil || !referenceSelects(o.Unless, in, tags))
}

func referenceSelects(m *policy.Match, in Input, tags map[string]string) bool {
	job := in.Labels.Get("job_name")
	ok := (m.Metrics == nil || referenceAny(m.Metrics, in.Name)) &&
		(m.Tasks == nil || referenceAny(m.Tasks, in.Task) || job != "" && referenceAny(m.Tasks, job)) &&
		(m.Kinds == nil || slices.Contains(m.Kinds, in.Kind.String())) &&
		(m.Origin == nil || slices.Contains(m.Origin, in.Origin.String()))
	for name, list := range m.Labels {
		ok = ok && referenceAny(list, in.Labels.Get(name))
	}
	for name, list := range m.Tags {
		ok = ok && referenceAny(list, tags[name])
	}
	return ok
}

func referenceAny(list []string, v string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		if expr, ok := strings.CutPrefix(s, "re:"); ok {
			return regexp.MustCompile(`^(?:` + expr + `)$`).MatchString(v)
		}
		return globExpression(s).MatchString(v)
	})
}
