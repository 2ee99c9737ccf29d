package explain

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// load compiles a policy set.
func load(t *testing.T, fsys fs.FS) Set {
	t.Helper()
	known, err := catalogue.Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	b, found, err := policy.Load(t.Context(), fsys, policy.Options{})
	if b == nil {
		t.Fatal(err, found)
	}
	p, found := program.Compile(&b.Set, program.Options{Provenance: b.Provenance})
	if p == nil {
		t.Fatal(found)
	}
	return Set{Policies: &b.Set, Provenance: b.Provenance, Program: p, Known: known, Dir: "there"}
}

func ask(t *testing.T, set Set, q Question) Answer {
	t.Helper()
	a, err := New(set, Instance{}).Answer(&q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return a
}

// flat is a record of one series of a task.
func flat(task, metric, kind string, at int64, value string) string {
	return fmt.Sprintf(`{"torrent_task_id":%q,"report_timestamp":%d,"metric":%q,"type":%q,"value":%s}`, task, at, metric, kind, value)
}

// explainedSet has a rule whose fields stand in two files.
var explainedSet = fstest.MapFS{
	"policy.cue": {Data: []byte("package policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\n" + `policy: schema.#Policy & {
	team: "platform"
	stream: flink: topics: ["flink.native"]
	sink: {store: {type: "store", default: true}, late: {type: "scrape"}}
	control: away: schema.#Route & {match: metrics: ["away_*"], to: ["late"]}
	control: half: schema.#Sample & {order: 300, match: metrics: ["half"], rate: 0.5, by: "record"}
	control: slow: schema.#Limit & {order: 400, match: metrics: ["slow"], rate: 2, per: "task"}
	rewrite: unit: schema.#Scale & {match: metrics: ["slow"], factor: 0.001}
}
`)},
	"prod.cue": {Data: []byte("package policies\n\npolicy: control: away: order: 200\n")},
}

func TestExplainPlacesFieldsOfOverlays(t *testing.T) {
	set := load(t, explainedSet)
	e := ask(t, set, Question{Series: `away_x{torrent_task_id="t-1"}`}).Series[0]
	last := e.Control[len(e.Control)-1]
	places := map[string]diag.Pos{}
	for _, f := range last.Fields {
		f.Pos.File = strings.TrimPrefix(f.Pos.File, "there/")
		places[f.Name] = f.Pos
	}
	want := map[string]diag.Pos{
		"order": {File: "prod.cue", Line: 3, Column: 31}, "match.metrics": {File: "policy.cue", Line: 9, Column: 41}, "to": {File: "policy.cue", Line: 9, Column: 66},
		"enabled": {}, "tier": {}, "action": {},
	}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Error(diff)
	}
	if e.Decision.Text != "sent to late instead of where it would go" || len(e.Sinks) != 1 || e.Sinks[0].Sink != "late" || e.Sinks[0].Why != "named by the route" {
		t.Errorf("decision %+v, sinks %+v", e.Decision, e.Sinks)
	}
}

func TestExplainSamples(t *testing.T) {
	set := load(t, explainedSet)
	record := func(name string, at int64) []byte {
		return []byte(flat("t-1", name, "gauge", at, "3"))
	}
	passes := map[string]bool{}
	for at := range int64(40) {
		passes[ask(t, set, Question{Record: record("half", 1_763_800_000_000+at)}).Series[0].Decision.Sample] = true
		if len(passes) == 2 {
			break
		}
	}
	if !passes["this sample passes"] || !passes["this sample does not pass"] {
		t.Errorf("of 40 samples all are the same: %v", passes)
	}
	slow := ask(t, set, Question{Record: record("slow", 1_763_800_000_000)}).Series[0]
	if slow.Decision.Text != "limited to 2 samples a second for each task, after a burst of as many" || slow.Scale != 0.001 || slow.Decision.Step != "limit" {
		t.Errorf("%+v, scale %v", slow.Decision, slow.Scale)
	}
	many := `{"v":1,"torrent_task_id":"t","report_timestamp":1763800000000,"metric":"m","type":"gauge","points":[{"v":1}` + strings.Repeat(`,{"v":1}`, 24) + `]}`
	if a := ask(t, set, Question{Record: []byte(many)}); len(a.Series) != maxExplained || a.More != 5 {
		t.Errorf("%d points explained, %d more", len(a.Series), a.More)
	}
	text := `{"torrent_task_id":"t","report_timestamp":1763800000000,"metric":"m","type":"gauge","value":"RUNNING"}`
	if got := ask(t, set, Question{Record: []byte(text)}).Series[0].Result[0]; got != `m_info{torrent_task_id="t", value="RUNNING"}` {
		t.Errorf("a text becomes %s", got)
	}
}

func TestWrongQuestions(t *testing.T) {
	set := load(t, policies.FS)
	for name, tt := range map[string]struct {
		question Question
		want     QuestionError
	}{
		"nothing":         {Question{}, QuestionError{"question", -1, "ask about one of a series, a record, a rule, and a series that is missing", ""}},
		"two":             {Question{Series: "up", Rule: "x"}, QuestionError{"question", -1, "ask about one of a series, a record, a rule, and a series that is missing", ""}},
		"a missing brace": {Question{WhyNot: "up{"}, QuestionError{"why-not", 3, "the text ends where the name of a label should be", ""}},
		"a kind":          {Question{Series: "up", Kind: "x"}, QuestionError{"kind", -1, `"x" is none`, "write one of counter, gauge, meter, histogram"}},
		"a rule":          {Question{Rule: "kafka-client"}, QuestionError{"rule", -1, `the set has no rule "kafka-client"`, "did you mean kafka-clients?"}},
		"no record":       {Question{Record: []byte(" ")}, QuestionError{"record", 0, "the record is empty (not-json)", "such a record goes to the dead letters"}},
	} {
		_, err := New(set, Instance{}).Answer(&tt.question)
		got := (*QuestionError)(nil)
		if !errors.As(err, &got) || !errors.Is(err, diag.ErrRejected) {
			t.Errorf("%s: error %v", name, err)
		} else if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhyNot(t *testing.T) {
	defaults := load(t, policies.FS)
	for series, want := range map[string]string{
		`flink_taskmanager_job_task_numRecordsInPerSecond_count{job_name="pay"}`: "no rule touches it: it was not reported",
		`flink_taskmanager_job_task_buffers_inPoolUsage`:                         "dropped by default/deprecated-duplicates",
		`flink_taskmanager_job_task_numBytesIn{task_attempt_id="1"}`:             "no series leaves like this: default/attempts rewrites it",
		`flink_jobmanager_job_lastCheckpointExternalPath_info{value="s3://x"}`:   "no rule touches it: it was not reported",
	} {
		a := ask(t, defaults, Question{WhyNot: series}).WhyNot
		if a.Verdict != want {
			t.Errorf("%s: %s, want %s; origins %+v", series, a.Verdict, want, a.Origins)
		}
	}
	// Of recorded traffic it knows what came.
	traffic := strings.Join([]string{
		flat("t-1", "away_x", "gauge", 1_763_800_000_000, "1"), flat("t-2", "slow", "gauge", 1_763_800_000_000, "1"), "nonsense"}, "\n")
	set := load(t, explainedSet)
	a := ask(t, set, Question{WhyNot: `slow{torrent_task_id="t-2"}`, Traffic: strings.NewReader(traffic)}).WhyNot
	if a.Verdict != "it is in the traffic and goes out: look for it in the sinks" || !a.Origins[0].Recorded {
		t.Errorf("%s, %+v", a.Verdict, a.Origins)
	}
	r := ask(t, set, Question{Rule: "away", Traffic: strings.NewReader(traffic)}).Rule
	if diff := cmp.Diff(&RuleTraffic{Series: 2, Matched: 1, Acts: 1, Samples: 1, Top: []SeriesCount{{`away_x{torrent_task_id="t-1"}`, 1}}}, r.Traffic); diff != "" {
		t.Error(diff)
	}
	if _, err := New(set, Instance{}).Answer(&Question{Rule: "away", Traffic: strings.NewReader("nonsense")}); !errors.Is(err, diag.ErrRejected) {
		t.Errorf("traffic without a record: %v", err)
	}
}
