package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// gathered is a sink of both kinds that keeps the series it is given.
type gathered struct {
	bound   []string
	written []string
}

func (g *gathered) Lane(engine.Partition) (engine.Lane, error)             { return g, nil }
func (g *gathered) RecordLane(engine.Partition) (engine.RecordLane, error) { return letters{}, nil }
func (g *gathered) Release(engine.Ref)                                     {}
func (g *gathered) Flush(context.Context) error                            { return nil }
func (g *gathered) Close()                                                 {}

func (g *gathered) Bind(s engine.Series) engine.Ref {
	g.bound = append(g.bound, metric.SeriesText(s.Name, s.Labels)+" to "+fmt.Sprint(s.To))
	return engine.Ref(len(g.bound) - 1)
}

func (g *gathered) Write(_ context.Context, samples []engine.Sample) error {
	for _, s := range samples {
		g.written = append(g.written, g.bound[s.Ref])
	}
	return nil
}

// letters takes what cannot be read, and forgets it.
type letters struct{}

func (letters) Write(context.Context, engine.Outgoing) error { return nil }
func (letters) Flush(context.Context) error                  { return nil }
func (letters) Close()                                       {}

func oneOf(t *rapid.T, what string, words ...string) string {
	return rapid.SampledFrom(words).Draw(t, what)
}

func drawOrdered(t *rapid.T) policy.Ordered {
	o := policy.Ordered{Enabled: true, Order: rapid.IntRange(0, 2).Draw(t, "order")}
	switch rapid.IntRange(0, 4).Draw(t, "by") {
	case 0:
		o.Match.Metrics = []string{oneOf(t, "pattern", "*", "*_a", "re:.*[ab]", "flink_s_*")}
	case 1:
		o.Match.Labels = map[string][]string{oneOf(t, "label", "host", "subtask_index", "zone"): {oneOf(t, "value", "", "1", "?*")}}
	case 2:
		o.Match.Tasks = []string{oneOf(t, "task", "t-1", "pay", "*")}
	case 3:
		o.Match.Kinds = []string{oneOf(t, "kind", "gauge", "counter")}
	case 4:
		o.Match.Tags = map[string][]string{"tier": {"gold"}}
	}
	return o
}

// drawTeam makes a team whose rules decide about whole series.
func drawTeam(t *rapid.T) policy.Team {
	team := policy.Team{Name: "x", Control: map[string]policy.Control{}, Rewrite: map[string]policy.Rewrite{}, Task: map[string]policy.Task{},
		Sink: map[string]policy.Sink{"store": {Default: true}, "other": {}}}
	for i := range rapid.IntRange(0, 4).Draw(t, "controls") {
		team.Control[string(rune('a'+i))] = policy.Control{Ordered: drawOrdered(t), Tier: "tenant", Rate: 0.5, By: "series", To: []string{"other"},
			Action: oneOf(t, "action", "drop", "keep", "sample", "route"), Reason: "a reason"}
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "rewrites") {
		team.Rewrite[string(rune('a'+i))] = policy.Rewrite{Ordered: drawOrdered(t), Labels: []string{"z*"}, From: "host", To: "zone", Label: "zone",
			Map: map[string]string{"1": "2"}, Otherwise: "keep", Length: 8, Value: "v", Factor: 2, Into: "short", Prefer: "host", Over: "zone",
			Action: oneOf(t, "rewrite", "drop-labels", "rename-label", "rename-metric", "map-value", "short-id", "set-label", "scale", "prefer-label")}
	}
	if rapid.Bool().Draw(t, "task") {
		team.Task["a"] = policy.Task{Enabled: oneOf(t, "switch", "on", "on", "off") == "on", Tags: map[string]string{"tier": "gold"},
			Match: policy.TaskMatch{Tasks: []string{oneOf(t, "task", "t-1", "pay")}}}
	}
	return team
}

// drawRecord makes a record, grouped or flat, as a reporter may write it.
func drawRecord(t *rapid.T, at int64) string {
	labels := `{"<host>":"` + oneOf(t, "host", "", "1", "h\\u00e9") + `","zone":"` + oneOf(t, "zone", "", "1", "2") + `"` +
		oneOf(t, "more", "", `,"job_name":"pay"`, `,"torrent_task_id":"t-9"`, `,"subtask_index":"7"`, `,"torrent_task_id":""`) + `}`
	head := fmt.Sprintf(`"torrent_task_id":%q,"report_timestamp":%d,"metric":%q,"labels":%s`, oneOf(t, "task", "t-1", "t-2"), at, oneOf(t, "metric", "a", "b.c"), labels)
	head += oneOf(t, "origin", "", `,"origin":"custom"`, `,"origin":"native"`) + oneOf(t, "scope", "", `,"scope":"s"`)
	if oneOf(t, "form", "flat", "grouped") == "flat" {
		return `{` + head + `,"type":"gauge","value":` + oneOf(t, "value", "1", "null", `"NaN"`, `"text"`) + `}`
	}
	kind := oneOf(t, "type", "gauge", "counter", "meter", "histogram")
	value := map[string]string{"gauge": `"v":1`, "counter": `"c":1`, "meter": `"c":1,"r":0.5`, "histogram": `"c":1,"min":1,"max":2,"mean":1.5,"sd":0.5,"q":{"…":1}`}[kind]
	value = strings.ReplaceAll(value, "…", "0.5")
	return `{"v":1,` + head + fmt.Sprintf(`,"type":%q,"points":[{"s":0,"a":1,%s},{"s":1,%s,"l":{"zone":"%s"}}]}`, kind, value, value, oneOf(t, "own", "", "3"))
}

// What explain says becomes of each point of a record is what an engine writes of it.
func TestExplainIsWhatTheEngineDoes(t *testing.T) {
	t.Parallel()
	known, err := catalogue.Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_763_800_000_000)
	rapid.Check(t, func(t *rapid.T) {
		set := &policy.Set{Teams: []policy.Team{drawTeam(t)}}
		prog, found := program.Compile(set, program.Options{})
		if prog == nil {
			t.Fatal(found)
		}
		line := drawRecord(t, now.UnixMilli())
		sink := &gathered{}
		eng, err := engine.New(engine.Options{Name: "test", Samples: sink, Letters: sink, LetterTopic: "letters", Catalogue: known,
			CacheBytes: 1 << 20, Book: new(ledger.Book), Now: func() time.Time { return now }}, engine.Generation{Program: prog, Revision: "r"})
		if err != nil {
			t.Fatal(err)
		}
		w, err := eng.Open(engine.Partition{Topic: "in", Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := w.Process(context.Background(), []engine.Message{{Value: []byte(line)}}); err != nil {
			t.Fatal(err)
		}
		x := New(Set{Policies: set, Program: prog, Known: known}, Instance{})
		explained, more, err := x.record([]byte(line))
		if err != nil || more != 0 {
			t.Fatalf("%s: %v, %d more", line, err, more)
		}
		var want []string
		for _, e := range explained {
			to := "[]"
			if len(e.Sinks) > 0 && strings.HasPrefix(e.Sinks[0].Why, "named") {
				to = "[other]"
			}
			for _, r := range e.Result {
				want = append(want, strings.ReplaceAll(r, "…", "0.5")+" to "+to)
			}
		}
		slices.Sort(want)
		got := slices.Sorted(slices.Values(sink.written))
		if !slices.Equal(slices.Compact(got), slices.Compact(want)) {
			t.Fatalf("%s\nexplained as %q\nwritten as   %q", line, want, got)
		}
	})
}
