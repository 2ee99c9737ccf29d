package program

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

var update = flag.Bool("update", false, "write the vectors that the reporter for Flink is tested with")

// vectorFolder is where the reporter's tests find them.
const vectorFolder = "../../../plugins/flink/reporter/src/test/resources/collect"

// vectorCase is what one reporter does by one document.
type vectorCase struct {
	Name     string          `json:"name"`
	Document json.RawMessage `json:"document"`
	Task     string          `json:"task"`
	Job      string          `json:"job"`
	Period   int64           `json:"period_ms"`
	Series   []vector        `json:"series"` // samples in the order of reporting
}

// vector is one sample and what becomes of it.
type vector struct {
	reported
	Hash   string `json:"hash"` // of the series, as sample rules compare it; unsigned
	Expect sent   `json:"expect"`
}

// TestVectorsAreCurrent compares the vectors with what the documents and the
// reporter of this package make of the cases.
func TestVectorsAreCurrent(t *testing.T) {
	files := map[string][]vectorCase{
		"select.json": selectCases(t), "sample.json": sampleCases(t), "thin.json": thinCases(t), "topic.json": topicCases(t),
		"labels.json": labelCases(t), "tasks.json": taskCases(t), "open.json": openCases(), "drawn.json": drawnCases(t),
	}
	cases, did := 0, map[string]int{}
	for name, list := range files {
		for i := range list {
			expect(t, &list[i], did)
		}
		cases += len(list)
		want := encodeVectors(t, list)
		path := filepath.Join(vectorFolder, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(string(got), string(want)); diff != "" {
			t.Errorf("%s is not what this test makes; run it with -update and test the reporter\n%.2000s", name, diff)
		}
	}
	for _, what := range deeds {
		if did[what] < 3 {
			t.Errorf("%s occurs %d times in the vectors", what, did[what])
		}
	}
	if cases < 30 || cases > 60 {
		t.Errorf("%d cases", cases)
	}
	present, err := filepath.Glob(filepath.Join(vectorFolder, "*.json"))
	if err != nil || len(present) != len(files) {
		t.Errorf("%v, error %v: want %d files, %v", present, err, len(files), slices.Sorted(maps.Keys(files)))
	}
}

// encodeVectors writes a sample per line, which reads well in a diff.
func encodeVectors(t *testing.T, list []vectorCase) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	line := func(format string, v any) {
		var one bytes.Buffer
		enc := json.NewEncoder(&one)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, format, bytes.TrimSpace(one.Bytes()))
	}
	for i, c := range list {
		b.WriteString([]string{"[", ","}[min(i, 1)])
		line("{\"name\":%s,\n", c.Name)
		line(" \"document\":%s,\n", c.Document)
		line(" \"task\":%s,", c.Task)
		line("\"job\":%s,", c.Job)
		line("\"period_ms\":%s,\"series\":[\n", c.Period)
		for j, v := range c.Series {
			line("  %s", v)
			b.WriteString([]string{",\n", "]}\n"}[max(0, j+2-len(c.Series))])
		}
	}
	b.WriteString("]\n")
	return b.Bytes()
}

// expect fills in what the reporter of this package does.
func expect(t *testing.T, c *vectorCase, did map[string]int) {
	r, err := newSourceReporter(c.Document, c.Task, c.Period)
	if err != nil || len(c.Series) == 0 {
		t.Fatalf("%s: %v, %d samples", c.Name, err, len(c.Series))
	}
	for i := range c.Series {
		v := &c.Series[i]
		v.Hash = strconv.FormatUint(hashSeries(c.Task, v.name(), v.allLabels(c.Task)), 10)
		v.Expect = r.report(&v.reported)
	}
	for what, n := range r.notes {
		did[what] += n
	}
}

// at is a time that is the begin of a minute.
const at = int64(1_763_800_020_000)

// sampleOf is a sample of a gauge; labels come in pairs.
func sampleOf(name string, labels ...string) vector {
	l := map[string]string{}
	for i := 0; i < len(labels); i += 2 {
		l[labels[i]] = labels[i+1]
	}
	return vector{reported: reported{Scope: "taskmanager.job.task", Metric: name, Type: "gauge", Labels: l, Subtask: 0, Attempt: 0, At: at}}
}

func (v vector) with(change func(*vector)) vector { change(&v); return v }

// byTask is a case with the document of its task.
func byTask(t *testing.T, name string, set *policy.Set, task, job string, series ...vector) vectorCase {
	doc := mustCompile(t, set).CollectTask(task, job).Encode("7f")
	return vectorCase{Name: name, Document: doc, Task: task, Job: job, Period: 10_000, Series: series}
}

// bySet is a case with the document of the whole set.
func bySet(t *testing.T, name string, set *policy.Set, task, job string, series ...vector) vectorCase {
	c := byTask(t, name, set, task, job, series...)
	c.Document = mustCompile(t, set).CollectAll().Encode("7f")
	return c
}

// teamOf is a set of one team.
func teamOf(controls map[string]policy.Control, rewrites map[string]policy.Rewrite) *policy.Set {
	return &policy.Set{Teams: []policy.Team{{Name: "platform", Control: controls, Rewrite: rewrites,
		Stream: map[string]policy.Stream{
			"usual":    {Topics: []string{usualTopic}, Processed: "sluice.processed"},
			"isolated": {Topics: []string{"flink.isolated", "flink.other"}, Processed: "isolated.processed"},
		},
		Sink: map[string]policy.Sink{"store": {Type: "store"}, "far": {Type: "remote-write"}}}}}
}

// ruleOf is a control rule of tier tenant.
func ruleOf(order int, action string, m policy.Match) policy.Control {
	return policy.Control{Ordered: inForce(order, m), Tier: "tenant", Action: action}
}

// drawnCases are cases of the property test, always the same ones.
func drawnCases(t *testing.T) (out []vectorCase) {
	type drawn struct {
		set  *policy.Set
		c    vectorCase
		used map[string]int
	}
	draw := rapid.Custom(func(t *rapid.T) drawn {
		d := drawn{set: drawFleetSet(t), used: map[string]int{}}
		d.c.Period = rapid.SampledFrom([]int64{1000, 10_000}).Draw(t, "period")
		task, job, all, _ := drawReports(t, d.c.Period)
		d.c.Task, d.c.Job = task, job
		for _, x := range all {
			if !x.last { // vectors do not say when a metric goes away
				d.c.Series = append(d.c.Series, vector{reported: x})
			}
		}
		return d
	})
	kinds := []string{"drop", "sampled away", "thinned away", "topic", "label left out", "send", "not understood", "disabled"}
	for seed := 1; len(out) < 8 && seed < 2000; seed++ {
		d := draw.Example(seed)
		if len(d.c.Series) == 0 || len(d.c.Series) > 40 {
			continue
		}
		p := mustCompile(t, d.set)
		doc := p.CollectTask(d.c.Task, d.c.Job)
		if len(out)%2 == 1 {
			doc = p.CollectAll()
		}
		d.c.Document = doc.Encode("7f")
		expect(t, &d.c, d.used)
		if d.used[kinds[len(out)%len(kinds)]] > 2 { // each in its turn, so that all occur
			d.c.Name = fmt.Sprintf("drawn %d", seed)
			out = append(out, d.c)
		}
	}
	return out
}
