package program

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func degradeRule(priority string, metrics ...string) policy.Degrade {
	return policy.Degrade{
		Ordered: inForce(100, policy.Match{Metrics: metrics}), Priority: priority, Action: "drop",
		When: policy.DegradeWhen{Lag: "30s"}, Back: "1m",
	}
}

func sampled(r policy.Degrade, rate float64) policy.Degrade {
	r.Action, r.Rate = "sample", rate
	return r
}

// shedAt is the rule that gives a series up, and at which step.
func shedAt(p *Program, v Verdict) string {
	if v.Shed == 0 {
		return "P0"
	}
	r := p.Rules()[p.ShedBy(v.Shed)]
	for step := ladder.P3; step < ladder.Steps; step++ {
		if sheds := v.Shed <= p.Shedding(step); sheds != (r.Priority >= "P0" && step.String() <= r.Priority) {
			return fmt.Sprintf("%s: step %v sheds: %v", r.ID, step, sheds)
		}
	}
	return r.Priority + " " + string(r.ID)
}

func TestTheFirstStepThatNamesASeriesGivesItUp(t *testing.T) {
	off := degradeRule("P3", "off")
	off.Enabled = false
	over := degradeRule("P3", "over")
	over.Expires = "2026-11-22"
	unless := degradeRule("P1", "*")
	unless.Unless = &policy.Match{Metrics: []string{"*restarts*", "off", "over"}}
	later := degradeRule("P3", "debug_b")
	later.Order = 200
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{
		Name: "x",
		Control: map[string]policy.Control{
			"vital":     {Ordered: inForce(1, policy.Match{Metrics: []string{"vital*"}}), Tier: "guard", Action: "keep"},
			"liked":     {Ordered: inForce(1, policy.Match{Metrics: []string{"liked*"}}), Tier: "tenant", Action: "keep"},
			"unwanted":  {Ordered: inForce(1, policy.Match{Metrics: []string{"unwanted"}}), Tier: "tenant", Action: "drop"},
			"each-hour": {Ordered: inForce(1, policy.Match{Metrics: []string{"hourly"}}), Tier: "guard", Action: "thin", Every: "1h"},
		},
		Degrade: map[string]policy.Degrade{
			"all": unless, "noise": degradeRule("P3", "debug_*"), "later": later, "operators": degradeRule("P2", "*operator*", "debug_*"),
			"off": off, "over": over,
		},
	}}})
	for name, want := range map[string]string{
		"debug_b": "P3 x/noise", "operator_a": "P2 x/operators", "anything": "P1 x/all",
		"job_restarts": "P0", "off": "P0", "over": "P0", // no rule in force names them
		"vital_debug": "P0", "liked_debug": "P1 x/all", "hourly": "P1 x/all", "unwanted": "P0",
	} {
		v := decide(p, series(name))
		if got := shedAt(p, v); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if (v.Disposition == ledger.Dropped) != (name == "unwanted") {
			t.Errorf("%s ends as %v", name, v.Disposition)
		}
		explained, _ := p.Explain(series(name))
		if diff := cmp.Diff(v, explained); diff != "" {
			t.Errorf("%s: explain and run differ: %s", name, diff)
		}
	}
}

// A share is let through up to the next step, and is another one than that of a
// control rule.
func TestASampleIsAskedOfTheNextStep(t *testing.T) {
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{
		Name:    "x",
		Control: map[string]policy.Control{"half": {Ordered: inForce(1, everyMetric), Tier: "tenant", Action: "sample", Rate: 0.5, By: "series"}},
		Degrade: map[string]policy.Degrade{"most": sampled(degradeRule("P3", "*"), 0.25), "rest": degradeRule("P1", "*")},
	}}})
	count := map[string]int{}
	for i := range 4000 {
		in := series("m", "n", fmt.Sprint(i))
		v := decide(p, in)
		if v.Disposition != ledger.Out {
			continue
		}
		got := shedAt(p, v)
		count[got]++
		_, events := p.Explain(in)
		last := events[len(events)-1]
		if rule := p.Rules()[last.Rule]; last.Mismatch != "" || rule.Priority+" "+string(rule.ID) != got {
			t.Fatalf("explain ends with %+v of rule %s, and the series is given up at %s", last, rule.ID, got)
		}
		if skipped := events[len(events)-2]; got == "P1 x/rest" && skipped.Mismatch != "rate" {
			t.Fatalf("explain says %q of the rule that let the series through", skipped.Mismatch)
		} else if why := p.Why(skipped.Rule, in); got == "P1 x/rest" && why != "its hash is within the share that the rule lets through" {
			t.Fatalf("why: %q", why)
		}
	}
	if most, rest := count["P3 x/most"], count["P1 x/rest"]; len(count) != 2 || rest < 400 || rest > 600 || most < 1300 || most > 1700 {
		t.Errorf("of some 2000 series some 500 are to go on to P1: %v", count)
	}
}

func TestTheLadderTakesTheLowestBounds(t *testing.T) {
	a, b := degradeRule("P3", "a"), degradeRule("P3", "b")
	a.When = policy.DegradeWhen{Memory: "85%", Lag: "30s"}
	b.When, b.Back = policy.DegradeWhen{Memory: "80%", CPU: "90%"}, "2m"
	c := degradeRule("P1", "c")
	c.When = policy.DegradeWhen{Memory: "2GiB"}
	off := degradeRule("P2", "off")
	off.Enabled = false
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{{Name: "x", Degrade: map[string]policy.Degrade{"a": a, "b": b, "c": c, "off": off}}}})
	want := ladder.Plan{
		ladder.P3: {Rules: []string{"x/a", "x/b"}, Bounds: ladder.Values{ladder.Memory: 0.8, ladder.Lag: 30, ladder.CPU: 0.9}, Back: 2 * time.Minute},
		ladder.P1: {Rules: []string{"x/c"}, Bounds: ladder.Values{ladder.MemoryBytes: 2 << 30}, Back: time.Minute},
	}
	if diff := cmp.Diff(want, p.Ladder()); diff != "" {
		t.Error(diff)
	}
}

func TestTeamsGiveUpTheirOwn(t *testing.T) {
	task := func(match, team string) policy.Task {
		return policy.Task{Match: policy.TaskMatch{Tasks: []string{match}}, Enabled: true, Tags: map[string]string{"team": team}}
	}
	p := mustCompile(t, &policy.Set{Teams: []policy.Team{
		{Name: "platform", Task: map[string]policy.Task{"a": task("a-*", "a"), "b": task("b-*", "b")}},
		{Name: "a", Degrade: map[string]policy.Degrade{"mine": degradeRule("P3", "*")}},
		{Name: "b"},
	}})
	for id, want := range map[string]string{"a-1": "P3 a/mine", "b-1": "P0"} {
		in := Input{Task: id, Name: "m", Kind: 1, Origin: 1, Labels: labelsOf("torrent_task_id", id)}
		if got := shedAt(p, decide(p, in)); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestWrongDegradeRules(t *testing.T) {
	with := func(change func(*policy.Degrade)) *policy.Set {
		r := degradeRule("P3", "*")
		change(&r)
		return &policy.Set{Teams: []policy.Team{{Name: "x", Degrade: map[string]policy.Degrade{"r": r}}}}
	}
	for want, change := range map[string]func(*policy.Degrade){
		`x.degrade.r.priority: "P0" is not one of the words allowed`:                func(r *policy.Degrade) { r.Priority = "P0" },
		`x.degrade.r.action: "thin" is not one of the words allowed`:                func(r *policy.Degrade) { r.Action = "thin" },
		`x.degrade.r.rate: a share must be above 0 and below 1`:                     func(r *policy.Degrade) { r.Action, r.Rate = "sample", 1 },
		`x.degrade.r.back: "0s" is not a duration above 0`:                          func(r *policy.Degrade) { r.Back = "0s" },
		`x.degrade.r.when.lag: "soon" is not a duration above 0`:                    func(r *policy.Degrade) { r.When.Lag = "soon" },
		`x.degrade.r.when.memory: "101%" is not a share from 1% to 100%`:            func(r *policy.Degrade) { r.When.Memory = "101%" },
		`x.degrade.r.when.memory: "2GB" is not a size such as 64KiB, 16MiB or 2GiB`: func(r *policy.Degrade) { r.When.Memory = "2GB" },
		`x.degrade.r.when.cpu: "2" is not a share from 1% to 100%`:                  func(r *policy.Degrade) { r.When.CPU = "2" },
		`x.degrade.r.when: a rule without a bound would never give anything up`:     func(r *policy.Degrade) { r.When = policy.DegradeWhen{} },
	} {
		p, found := Compile(with(change), Options{})
		var got []string
		for _, d := range found {
			got = append(got, d.Path+": "+d.Message)
		}
		if p != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("findings %q, want %q", got, want)
		}
	}
}

// What a degrade rule looks at, a reporter does not leave out.
func TestReportersSendWhatDegradeRulesLookAt(t *testing.T) {
	team := policy.Team{
		Name:    "x",
		Rewrite: map[string]policy.Rewrite{"hosts": {Ordered: inForce(1, everyMetric), Action: "drop-labels", Labels: []string{"host", "tm_id"}}},
	}
	dropped := func() []string {
		p := mustCompile(t, &policy.Set{Teams: []policy.Team{team}})
		return p.CollectAll().Labels[0].Drop
	}
	if got := dropped(); !slices.Equal(got, []string{"host", "tm_id"}) {
		t.Fatalf("without a degrade rule: %v", got)
	}
	byHost := degradeRule("P3", "*")
	byHost.Match.Labels = map[string][]string{"host": {"a*"}}
	team.Degrade = map[string]policy.Degrade{"by-host": byHost}
	if got := dropped(); !slices.Equal(got, []string{"tm_id"}) {
		t.Errorf("with one that looks at host: %v", got)
	}
}

// Whatever the rules are, a series is given up at the first step at which a rule in
// force matches it, unless a guard keeps it; filters and explain make no difference.
func TestSheddingAgreesWithItsMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := drawSet(t)
		for i := range set.Teams {
			rules := map[string]policy.Degrade{}
			for k := range rapid.IntRange(0, 4).Draw(t, "degrades") {
				r := degradeRule(rapid.SampledFrom([]string{"P1", "P2", "P3"}).Draw(t, "priority"))
				if r.Ordered = drawOrdered(t); rapid.Bool().Draw(t, "sample") {
					r = sampled(r, 0.5)
				}
				rules[string(rune('a'+k))] = r
			}
			set.Teams[i].Degrade = rules
		}
		p, found := Compile(set, Options{})
		if p == nil {
			t.Fatal(found)
		}
		for range 8 {
			in := drawInput(t)
			v := decide(p, in)
			explained, _ := p.Explain(in)
			if diff := cmp.Diff(explained, v); diff != "" {
				t.Fatalf("explain and run differ: %s", diff)
			}
			want := "P0"
			rules := p.Rules()
			for i, r := range rules {
				if r.Section == SectionDegrade && r.Priority > want && p.Why(int32(i), in) == "" {
					want = r.Priority
				}
			}
			if v.Rule != NoRule {
				by := rules[v.Rule]
				guard := by.Section == SectionControl && set.Teams[teamIndex(set, by.ID)].Control[ruleName(by.ID)].Tier == "guard"
				if v.Disposition != ledger.Out || guard && by.Action == "keep" {
					want = "P0"
				}
			}
			if got, _, _ := strings.Cut(shedAt(p, v), " "); got != want {
				t.Fatalf("%+v is given up at %s, want %s", in, got, want)
			}
		}
	})
}

func ruleName(id RuleID) string {
	_, name, _ := strings.Cut(string(id), "/")
	return name
}

func teamIndex(set *policy.Set, id RuleID) int {
	return slices.IndexFunc(set.Teams, func(t policy.Team) bool { return strings.HasPrefix(string(id), t.Name+"/") })
}
