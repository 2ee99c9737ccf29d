package program

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func TestTestsShowAggregatesAndBudgets(t *testing.T) {
	all := policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}}
	value := func(v float64) *float64 { return &v }
	given := func(metric, kind, subtask string, v float64, at string) policy.TestInput {
		return policy.TestInput{Task: "t-1", Metric: metric, Kind: kind, Labels: map[string]string{"subtask_index": subtask}, Value: v, At: at}
	}
	for _, c := range []struct {
		name  string
		team  policy.Team
		given []policy.TestInput
		want  policy.TestExpect
		fails []string
	}{
		{
			name: "counters and gauges by window",
			team: policy.Team{Aggregate: map[string]policy.Aggregate{"task": {
				Ordered: all, Drop: []string{"subtask_index"}, Gauge: "max", Window: "10s", Late: "0s", Members: "drop",
			}}},
			given: []policy.TestInput{
				given("in", "counter", "0", 5, "1s"), given("in", "counter", "1", 7, "2s"), given("in", "counter", "0", 2, "12s"),
				given("busy", "gauge", "0", 5, "12s"), given("busy", "gauge", "1", 3, "13s"), given("busy", "gauge", "0", 4, "3s"),
			},
			want: policy.TestExpect{
				Kept:    []policy.TestSeries{{Metric: "in", Task: "t-1", Value: value(14)}, {Metric: "busy", Task: "t-1", Value: value(5)}},
				Dropped: []policy.TestDropped{{Metric: "in", By: "task"}},
				Samples: []string{"aggregated", "aggregated", "aggregated", "aggregated", "aggregated", "late"},
			},
		},
		{
			name: "a budget merges what it has no room for",
			team: policy.Team{Budget: map[string]policy.Budget{"small": {Ordered: all, Per: "task", Series: 1, Overflow: "merge"}}},
			given: []policy.TestInput{
				given("in", "counter", "0", 5, "1s"), given("in", "counter", "1", 7, "2s"), given("in", "counter", "2", 4, "3s"), given("in", "counter", "1", 9, "12s"),
			},
			want: policy.TestExpect{
				Kept: []policy.TestSeries{
					{Metric: "in", Task: "t-1", Labels: map[string]string{"subtask_index": "0"}, Value: value(5)},
					{Metric: "in", Task: "t-1", Labels: map[string]string{"sluice_overflow": "platform/small"}, Value: value(13)},
				},
				Dropped: []policy.TestDropped{{Metric: "in", By: "small"}},
				Samples: []string{"out", "merged", "merged", "merged"},
			},
		},
		{
			name: "a budget drops, and bounds the rate",
			team: policy.Team{Budget: map[string]policy.Budget{
				"small": {Ordered: all, Per: "metric", Growth: &policy.Growth{Series: 1, Within: "1m"}, Overflow: "drop"},
				"slow":  {Ordered: all, Per: "task", SamplesPerSecond: 1, Overflow: "drop"},
			}},
			given: []policy.TestInput{
				given("in", "counter", "0", 5, "1s"), given("in", "counter", "1", 5, "1s"), given("in", "counter", "2", 5, "70s"), given("in", "counter", "3", 5, "75s"),
			},
			want: policy.TestExpect{Samples: []string{"out", "over-budget", "out", "over-budget"}, Dropped: []policy.TestDropped{{Metric: "in", By: "small", Labels: map[string]string{"subtask_index": "3"}}, {Metric: "in", By: "slow"}}},
		},
		{
			name: "a wrong total is told",
			team: policy.Team{Aggregate: map[string]policy.Aggregate{"task": {
				Ordered: all, Keep: []string{"torrent_task_id"}, Gauge: "avg", Window: "10s", Late: "0s", Members: "keep", Into: "all",
			}}},
			given: []policy.TestInput{given("busy", "gauge", "0", 1, "1s"), given("busy", "gauge", "1", 2, "1s")},
			want:  policy.TestExpect{Kept: []policy.TestSeries{{Metric: "all", Task: "t-1", Value: value(3)}}},
			fails: []string{
				`all{torrent_task_id="t-1"} has the value 1.5, not 3`,
				`busy{subtask_index="0", torrent_task_id="t-1"} came out and is not among kept`,
				`busy{subtask_index="1", torrent_task_id="t-1"} came out and is not among kept`,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.team.Name = "platform"
			c.team.Test = map[string]policy.Test{"it": {Given: c.given, Expect: c.want}}
			set := &policy.Set{Teams: []policy.Team{c.team}}
			p, found := Compile(set, Options{})
			if p == nil {
				t.Fatal(found)
			}
			r := RunTests(p, set, classify)[0]
			if diff := cmp.Diff(c.fails, messages(r.Failures)); diff != "" {
				t.Errorf("%s\nseen %+v", diff, r.Seen)
			}
			if len(r.Covered) == 0 {
				t.Error("no rule is covered")
			}
		})
	}
}
