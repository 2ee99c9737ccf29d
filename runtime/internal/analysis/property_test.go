package analysis

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Few names and short patterns, so that rules meet.
var (
	someNames  = []string{"a", "b", "aa", "ab", "ba", "bb", "c"}
	someValues = append([]string{""}, someNames...)
	patternsOf = func(values ...string) *rapid.Generator[[]string] {
		return rapid.SliceOfN(rapid.SampledFrom(append(values, "*", "a*", "*b", "?", "?b", "re:a|b", "re:[ab]+", "c")), 1, 2)
	}
)

func drawMatch(t *rapid.T, name string) policy.Match {
	m := policy.Match{}
	draw := func(what string, g *rapid.Generator[[]string]) []string {
		if rapid.IntRange(0, 2).Draw(t, name+what+"?") > 0 {
			return nil
		}
		return g.Draw(t, name+what)
	}
	m.Metrics = patternsOf().Draw(t, name+"metrics")
	m.Tasks = draw("tasks", patternsOf())
	if host := draw("host", patternsOf("")); host != nil {
		m.Labels = map[string][]string{"host": host}
	}
	if job := draw("job", patternsOf("")); job != nil {
		if m.Labels == nil {
			m.Labels = map[string][]string{}
		}
		m.Labels["job_name"] = job
	}
	if tier := draw("tier", patternsOf("")); tier != nil {
		m.Tags = map[string][]string{"tier": tier}
	}
	m.Kinds = draw("kinds", rapid.SliceOfN(rapid.SampledFrom([]string{"counter", "gauge"}), 1, 1))
	return m
}

func drawSet(t *rapid.T) *policy.Set {
	teams := []string{"orders"}
	if rapid.Bool().Draw(t, "teams") {
		teams = []string{"orders", "payments", "platform"}
	}
	set := &policy.Set{}
	for _, name := range teams {
		team := policy.Team{APIVersion: "v1", Name: name, Control: map[string]policy.Control{}, Task: map[string]policy.Task{}}
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			r := policy.Control{
				Ordered: policy.Ordered{Enabled: rapid.IntRange(0, 5).Draw(t, "enabled") > 0, Order: rapid.IntRange(1, 2).Draw(t, "order"), Match: drawMatch(t, "match ")},
				Tier:    rapid.SampledFrom(tiers[:]).Draw(t, "tier"), Action: rapid.SampledFrom([]string{"keep", "drop"}).Draw(t, "action"),
			}
			if rapid.IntRange(0, 2).Draw(t, "unless?") == 0 {
				u := drawMatch(t, "unless ")
				r.Unless = &u
			}
			team.Control[fmt.Sprint("r", i)] = r
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "entries") {
			e := policy.Task{Enabled: rapid.IntRange(0, 3).Draw(t, "on") > 0, Match: policy.TaskMatch{Tasks: patternsOf().Draw(t, "entry")}, Tags: map[string]string{}}
			if rapid.Bool().Draw(t, "tagged") {
				e.Tags["tier"] = rapid.SampledFrom(someNames).Draw(t, "tier tag")
			}
			if name == policy.PlatformTeam || len(teams) == 1 && rapid.Bool().Draw(t, "team tag") {
				e.Tags[teamTag] = rapid.SampledFrom([]string{"orders", "payments"}).Draw(t, "of team")
			}
			team.Task[fmt.Sprint("e", i)] = e
		}
		set.Teams = append(set.Teams, team)
	}
	return set
}

// universe are all small series.
func universe(yield func(program.Input) bool) {
	for _, name := range someNames {
		for _, task := range someNames {
			for _, job := range someValues[:4] {
				for _, host := range someValues[:4] {
					for _, kind := range []metric.Kind{metric.Counter, metric.Gauge} {
						labels := metric.Labels{}.Set("host", host).Set("job_name", job).Set(metric.TaskLabel, task)
						if !yield(program.Input{Task: task, Name: name, Kind: kind, Origin: metric.Custom, Labels: labels}) {
							return
						}
					}
				}
			}
		}
	}
}

// only is the set with one control rule.
func only(set *policy.Set, r *rule) *policy.Set {
	out := &policy.Set{Teams: slices.Clone(set.Teams)}
	for i := range out.Teams {
		out.Teams[i].Control = nil
		if out.Teams[i].Name == r.team {
			out.Teams[i].Control = map[string]policy.Control{r.name: *r.control}
		}
	}
	return out
}

func newAnalyser(set *policy.Set, opts Options) *analyser {
	a := prepare(set, opts)
	a.ambiguous()
	a.neverDecide()
	return a
}

// What is claimed of control rules is what the program does, and no contradiction
// among small series is missed.
func TestControlFindingsAreTrue(t *testing.T) {
	known := flink(t)
	rapid.Check(t, func(t *rapid.T) {
		set := drawSet(t)
		p, refused := program.Compile(set, program.Options{})
		if p == nil {
			t.Skip(refused)
		}
		a := newAnalyser(set, Options{Program: p, Catalogue: known})
		var all []conflict
		for from, to := 0, 0; from < len(a.controls); from = to {
			for to = from; to < len(a.controls) && a.controls[to].tier == a.controls[from].tier && a.controls[to].order == a.controls[from].order; {
				to++
			}
			all = append(all, a.conflicts(a.controls, from, to)...)
		}
		for _, c := range all {
			examplesHold(t, a, set, c)
		}
		dead := map[string]bool{}
		for _, d := range a.found {
			if d.Code == diag.NeverDecides || d.Code == diag.Overruled {
				dead[strings.Fields(d.Message)[1]] = true
			}
		}
		for in := range universe {
			v, _ := p.Explain(in)
			if v.Disposition == ledger.Disabled || v.Rule < 0 {
				continue
			}
			x := a.ruleAt(v.Rule)
			if dead[x.id()] {
				t.Fatalf("%s is said never to decide, and decides about %v", x, in)
			}
			missed(t, a, in, x)
		}
	})
}

// examplesHold checks a series that two rules are said to contradict each other about.
func examplesHold(t *rapid.T, a *analyser, set *policy.Set, c conflict) {
	in := a.input(c.example)
	v, _ := a.opts.Program.Explain(in)
	if a.ruleAt(v.Rule) != c.first {
		t.Fatalf("%v: %s is said to decide, and %v does", in, c.first, v)
	}
	p, _ := program.Compile(only(set, c.second), program.Options{})
	if v, _ = p.Explain(in); v.Rule != 0 {
		t.Fatalf("%v: %s is said to match, and does not", in, c.second)
	}
}

// missed fails when a rule could have decided as well, by the task's id alone, and
// nothing was said.
func missed(t *rapid.T, a *analyser, in program.Input, x *rule) {
	if in.Labels.Get("job_name") != "" {
		return // then a job may meet the one rule and a task the other
	}
	s := &series{values: make([]string, dimFirst+len(a.dimNames)), kind: in.Kind, origin: in.Origin}
	s.values[dimMetric], s.values[dimTask] = in.Name, in.Task
	s.values[a.dim(labelDim+"host")] = in.Labels.Get("host")
	(&solver{analyser: a}).tagAs(s)
	for _, y := range a.controls[x.index+1:] {
		if y.tier != x.tier || y.order != x.order {
			return
		}
		if y.change() != x.change() && y.matches(s) && !a.ambiguousPairs[[2]*rule{x, y}] {
			t.Fatalf("%s and %s contradict each other about %v, and nothing is said", x, y, in)
		}
	}
}

// Whatever a set is, the analysis ends, twice with the same outcome.
func TestSameFindings(t *testing.T) {
	known := flink(t)
	rapid.Check(t, func(t *rapid.T) {
		set := drawSet(t)
		p, refused := program.Compile(set, program.Options{})
		if p == nil {
			t.Skip(refused)
		}
		one, two := Findings(set, Options{Program: p, Catalogue: known}), Findings(set, Options{Program: p, Catalogue: known})
		if fmt.Sprint(one) != fmt.Sprint(two) {
			t.Fatalf("%v\n%v", one, two)
		}
	})
}

// A set that is made to take long is given up, and that is said.
func TestBudget(t *testing.T) {
	team := policy.Team{Name: "orders", Control: map[string]policy.Control{}}
	for i := range 40 {
		team.Control[fmt.Sprint("r", i)] = policy.Control{
			Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Tasks: []string{fmt.Sprintf("re:(a|b)*a(a|b){%d}", 15+i)}}},
			Tier:    "tenant", Action: []string{"keep", "drop"}[i%2],
		}
	}
	set := &policy.Set{Teams: []policy.Team{team}}
	a := prepare(set, Options{Program: compiled(t, set), Catalogue: flink(t)})
	a.search.Left = 10_000_000
	found := a.findings()
	if len(found) != 1 || found[0].Code != diag.NotAnalysed || !strings.Contains(found[0].Message, "given up") {
		t.Errorf("found %v", found)
	}
	if a.search.Left < -10_000_000 {
		t.Errorf("%d units over the budget", -a.search.Left)
	}
}

// bigSet has rules as a fleet's teams write them: about their own tasks and metrics.
func bigSet(teams, rules int) *policy.Set {
	set := &policy.Set{Teams: []policy.Team{{APIVersion: "v1", Name: policy.PlatformTeam, Task: map[string]policy.Task{}, Control: map[string]policy.Control{
		"debug": {Ordered: policy.Ordered{Enabled: true, Order: 1, Match: policy.Match{Metrics: []string{"*_debug_*"}}}, Tier: "guard", Action: "drop"},
	}}}}
	for n := range teams {
		name := fmt.Sprintf("team%d", n)
		t := policy.Team{APIVersion: "v1", Name: name, Control: map[string]policy.Control{}, Rewrite: map[string]policy.Rewrite{}}
		for i := range rules {
			o := policy.Ordered{Enabled: true, Order: 100, Match: policy.Match{
				Tasks: []string{fmt.Sprintf("%s-etl-%d-*", name, i)}, Metrics: []string{fmt.Sprintf("flink_taskmanager_job_task_operator_app%d_*", i%97)},
				Labels: map[string][]string{"operator_name": {"src-*", "sink-*"}},
			}}
			switch {
			case i%50 == 0:
				o.Match = policy.Match{Tasks: []string{name + "-*"}, Metrics: []string{fmt.Sprintf("re:flink_taskmanager_job_task_operator_app%d_(in|out)[0-9]+", i%97)}}
				o.Order = i
			case i%10 == 0:
				o.Match = policy.Match{Metrics: []string{fmt.Sprintf("*_total%d", i)}}
			}
			if i%5 == 4 {
				t.Rewrite[fmt.Sprint("w", i)] = policy.Rewrite{Ordered: o, Action: "drop-labels", Labels: []string{"task_attempt_id"}}
				continue
			}
			t.Control[fmt.Sprint("r", i)] = policy.Control{Ordered: o, Tier: "tenant", Action: []string{"drop", "keep"}[i/10%2]}
		}
		set.Teams = append(set.Teams, t)
		set.Teams[0].Task[name] = policy.Task{Enabled: true, Match: policy.TaskMatch{Tasks: []string{name + "-*"}}, Tags: map[string]string{teamTag: name}}
	}
	return set
}

func BenchmarkFindings(b *testing.B) {
	known := flink(b)
	for _, c := range []struct{ teams, rules int }{{1, 1000}, {100, 100}, {1, 10000}} {
		b.Run(fmt.Sprintf("%dx%d", c.teams, c.rules), func(b *testing.B) {
			set := bigSet(c.teams, c.rules)
			opts := Options{Program: compiled(b, set), Catalogue: known}
			b.ReportAllocs()
			for b.Loop() {
				b.ReportMetric(float64(len(Findings(set, opts))), "findings")
			}
		})
	}
}
