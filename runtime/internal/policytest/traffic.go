package policytest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// FromTraffic writes n tests, each of one recorded series and what a set makes of it,
// as a CUE file of tests. The series are spread over the rules that act on them, and
// over their tasks.
func FromTraffic(set explain.Set, seen *traffic.Recording, n int) ([]byte, error) {
	team := set.Policies.Teams[0].Name
	several := len(set.Policies.Teams) > 1
	var tests []policy.NamedTest
	names := map[string]bool{}
	for _, s := range spread(set.Program, seen.Series, n) {
		t := policy.NamedTest{Name: testName(cmp.Or(s.Metric, s.Name), names), Test: policy.Test{Given: []policy.TestInput{given(s)}}}
		r := set.Program.TryTest(&t.Test, team, set.Known.Origin)
		t.Expect = policy.TestExpect{Dropped: r.Seen.Dropped}
		if len(r.Seen.Kept) > 0 || len(r.Seen.Dropped) == 0 {
			t.Expect.Kept = r.Seen.Kept
		}
		qualify(t.Expect.Dropped, team, several)
		tests = append(tests, t)
	}
	return policy.TestFile("Recorded series, and what the set made of them when this was written.", tests)
}

// qualify names rules by team in a set of several, where the file may be put
// anywhere.
func qualify(dropped []policy.TestDropped, team string, several bool) {
	for i := range dropped {
		if several && !strings.Contains(dropped[i].By, "/") {
			dropped[i].By = team + "/" + dropped[i].By
		}
	}
}

// spread picks n series. Series on which the same rules act are alike; of each
// kind it takes one in turn, and of each kind it takes tasks in turn.
func spread(p *program.Program, all []*traffic.Series, n int) (out []*traffic.Series) {
	alike := map[string][]*traffic.Series{}
	var kinds []string
	for _, s := range all {
		key := ""
		_, events := p.Explain(s.Input)
		for _, e := range events {
			if e.Mismatch == "" && e.Changed() {
				key += fmt.Sprint(e.Rule, " ")
			}
		}
		if alike[key] == nil {
			kinds = append(kinds, key)
		}
		alike[key] = append(alike[key], s)
	}
	for _, k := range kinds {
		alike[k] = byTaskInTurn(alike[k])
	}
	for turn := 0; len(out) < n; turn++ {
		before := len(out)
		for _, k := range kinds {
			if turn < len(alike[k]) && len(out) < n {
				out = append(out, alike[k][turn])
			}
		}
		if len(out) == before {
			return out
		}
	}
	return out
}

// byTaskInTurn orders series so that each task has its first before any has its second.
func byTaskInTurn(list []*traffic.Series) []*traffic.Series {
	turn, of := map[*traffic.Series]int{}, map[string]int{}
	for _, s := range list {
		turn[s] = of[s.Input.Task]
		of[s.Input.Task]++
	}
	slices.SortStableFunc(list, func(a, b *traffic.Series) int { return turn[a] - turn[b] })
	return list
}

// given writes a recorded series as a test would give it. Of its values nothing is
// known.
func given(s *traffic.Series) policy.TestInput {
	t := policy.TestInput{
		Task: s.Task, Scope: s.Scope, Metric: cmp.Or(s.Metric, s.Name), Kind: s.Kind.String(), Origin: s.Origin.String(), Value: 1,
	}
	for _, l := range s.Input.Labels {
		if l.Name == metric.TaskLabel && l.Value == s.Input.Task {
			continue
		}
		if t.Labels == nil {
			t.Labels = map[string]string{}
		}
		t.Labels[l.Name] = l.Value
	}
	return t
}

// testName makes a name for a test of a metric that no other has.
func testName(metricName string, taken map[string]bool) string {
	var b strings.Builder
	divide := func() {
		if text := b.String(); text != "" && !strings.HasSuffix(text, "-") {
			b.WriteByte('-')
		}
	}
	lower := false
	for _, r := range metricName {
		capital := r >= 'A' && r <= 'Z'
		if capital && lower {
			divide()
		}
		lower = r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		if lower || capital {
			b.WriteString(strings.ToLower(string(r)))
		} else {
			divide()
		}
	}
	base := "recorded-" + b.String()
	base = strings.Trim(base[:min(len(base), 56)], "-")
	name := base
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	taken[name] = true
	return name
}
