package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// TestCacheSparesTeams changes a set step by step: each step says which teams are
// evaluated, and what comes out is what comes out without a cache.
func TestCacheSparesTeams(t *testing.T) {
	team := func(name, rules string) []byte {
		return []byte(setHead + "policy: schema.#Policy & {team: \"" + name + "\"}\n" + rules + "\n")
	}
	snap := Snapshot{
		"org.cue":             []byte("package policies\n#env: *\"dev\" | \"prod\" @tag(env)\n"),
		"teams/order/p.cue":   team("order", `policy: control: a: schema.#Keep & {match: tasks: ["x"]}`),
		"teams/pay/p.cue":     team("pay", `policy: sink: out: {type: "scrape", default: true}`),
		"teams/pay/sub/p.cue": team("pay", ""),
	}
	steps := []struct {
		what   string
		change func(Snapshot)
		tags   []string
		want   []string
	}{
		{"all", func(Snapshot) {}, nil, []string{"order", "pay"}},
		{"nothing", func(Snapshot) {}, nil, nil},
		{"a rule that names an unknown sink", func(s Snapshot) {
			s["teams/order/p.cue"] = team("order", `policy: control: a: schema.#Route & {match: tasks: ["x"], to: ["oout"]}`)
		}, nil, []string{"order"}},
		{"the other team, whose sink is named so now", func(s Snapshot) {
			s["teams/pay/p.cue"] = team("pay", `policy: sink: oout: {type: "scrape", default: true}`)
		}, nil, []string{"pay"}},
		{"a typo", func(s Snapshot) { s["teams/pay/p.cue"] = team("pay", `policy: sink: oout: {typ: "scrape"}`) }, nil, []string{"pay"}},
		{"the typo again", func(Snapshot) {}, nil, nil},
		{"what all teams read", func(s Snapshot) { s["org.cue"] = append(s["org.cue"], "// more\n"...) }, nil, []string{"order", "pay"}},
		{"a tag", func(Snapshot) {}, []string{"env=prod"}, []string{"order", "pay"}},
		{"a tag that nobody takes", func(Snapshot) {}, []string{"zone=a"}, []string{"order", "pay"}},
		{"a team less", func(s Snapshot) { delete(s, "teams/pay/p.cue"); delete(s, "teams/pay/sub/p.cue") }, []string{"zone=a"}, nil},
	}
	var cache Cache
	for _, step := range steps {
		step.change(snap)
		opt := Options{Today: today, Tags: step.tags, Runnable: true}
		want, wantFound, err := Compile(maps.Clone(snap), opt)
		if err != nil {
			t.Fatal(err)
		}
		var evaluated []string
		work := judgement{Snapshot: snap, Packages: packages(snap), Rest: rest(packages(snap), snap), Tags: step.tags}
		_, _, err = cache.judge(t.Context(), work, func(ctx context.Context, w judgement) ([]teamOutcome, []diag.Diagnostic, error) {
			for _, p := range w.Packages {
				evaluated = append(evaluated, p.Team)
			}
			return judgeHere(ctx, w, func(int, *teamOutcome) {})
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(evaluated, step.want) {
			t.Errorf("%s: evaluated %v, want %v", step.what, evaluated, step.want)
		}
		opt.Cache = &cache
		got, found, err := compile(t.Context(), snap, nil, opt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: bundles differ: %s", step.what, diff)
		}
		if diff := cmp.Diff(wantFound, found, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: findings differ: %s", step.what, diff)
		}
	}
}

// BenchmarkOneTeamChanges loads a set of 100 teams of 100 rules in child processes,
// a team of which changes each time.
func BenchmarkOneTeamChanges(b *testing.B) {
	for _, size := range []struct{ teams, rules int }{{20, 50}, {100, 100}} {
		b.Run(fmt.Sprintf("rules=%d,teams=%d", size.teams*size.rules, size.teams), func(b *testing.B) {
			oneTeamChanges(b, size.teams, size.rules)
		})
	}
}

// oneTeamChanges reports the CPU time of this process and of the child.
func oneTeamChanges(b *testing.B, teams, each int) {
	snap := Snapshot{}
	text := func(team, round int) []byte {
		rules := fmt.Sprintf("%spolicy: schema.#Policy & {team: \"t%d\", description: \"round %d\"}\n", setHead, team, round)
		for i := range each {
			rules += fmt.Sprintf("policy: control: r%d: schema.#Keep & {match: tasks: [\"x-%d\"]}\n", i, i)
		}
		return []byte(rules)
	}
	for team := range teams {
		snap[fmt.Sprintf("teams/t%d/p.cue", team)] = text(team, 0)
	}
	opt := Options{Today: today, Cache: &Cache{}, Child: testChild(b, Limits{})}
	if set, found, err := compile(b.Context(), snap, nil, opt); set == nil {
		b.Fatal(found, err)
	}
	before := spent(b)
	for round := 1; b.Loop(); round++ {
		snap["teams/t7/p.cue"] = text(7, round)
		if set, found, err := compile(b.Context(), snap, nil, opt); set == nil {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64((spent(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// spent is the CPU time that this process and its children have used.
func spent(b *testing.B) (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
