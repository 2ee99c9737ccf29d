package program

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Labels that rules of the world do not look at, so that some can be left out.
var spareLabels = []string{"task_attempt_id", "tm_id", "operator_id"}

// drawFleetSet draws a set with every action that there is.
func drawFleetSet(t *rapid.T) *policy.Set {
	set := drawSet(t)
	set.Teams[0].Stream = map[string]policy.Stream{
		"usual":    {Topics: []string{usualTopic}, Processed: "sluice.processed"},
		"isolated": {Topics: []string{"flink.isolated", "flink.other"}, Processed: "isolated.processed"},
	}
	set.Teams[0].Sink = map[string]policy.Sink{"store": {Type: "store"}, "far": {Type: "remote-write"}}
	for i := range set.Teams {
		team := &set.Teams[i]
		for _, name := range slices.Sorted(maps.Keys(team.Control)) {
			c := team.Control[name]
			c.Action = rapid.SampledFrom([]string{"keep", "drop", "drop", "sample", "thin", "thin", "limit", "route", "route"}).Draw(t, "action")
			c.By = rapid.SampledFrom([]string{"series", "record"}).Draw(t, "by")
			c.Every = rapid.SampledFrom([]string{"5s", "30s", "1m"}).Draw(t, "every")
			c.Pick = rapid.SampledFrom([]string{"", "last", "first", "max", "min"}).Draw(t, "pick")
			c.Per = rapid.SampledFrom([]string{"series", "task", "rule"}).Draw(t, "per")
			if c.Action == "limit" {
				c.Rate = 0.3
			}
			widen(t, &c.Ordered)
			c.To = rapid.SampledFrom([][]string{{"isolated"}, {"store"}, {"store", "isolated"}}).Draw(t, "to")
			team.Control[name] = c
		}
		for _, name := range slices.Sorted(maps.Keys(team.Rewrite)) {
			r := drawRewrite(t, team.Rewrite[name])
			widen(t, &r.Ordered)
			team.Rewrite[name] = r
		}
	}
	return set
}

// widen lets most rules match many series: one that matches none shows nothing.
func widen(t *rapid.T, o *policy.Ordered) {
	if rapid.IntRange(0, 2).Draw(t, "narrow") > 0 {
		o.Match = policy.Match{Metrics: drawPatterns(t, worldNames)}
	}
}

func drawRewrite(t *rapid.T, r policy.Rewrite) policy.Rewrite {
	label := func(what string) string {
		return rapid.SampledFrom(slices.Concat(worldLabels[:3], spareLabels)).Draw(t, what)
	}
	r.Action = rapid.SampledFrom([]string{"drop-labels", "drop-labels", "drop-labels", "rename-label", "set-label", "scale",
		"prefer-label", "map-value", "short-id", "extract", "rename-metric", "table-name"}).Draw(t, "rewrite")
	r.Labels = rapid.SliceOfN(rapid.SampledFrom([]string{"task_attempt_id", "task_attempt_*", "tm_*", "zone", "*", "re:host|operator_id", "operator_id"}), 1, 2).Draw(t, "names")
	r.From, r.To, r.Into, r.Label = label("from"), label("to"), label("into"), label("label")
	r.Prefer, r.Over = label("prefer"), label("over")
	r.Map, r.Otherwise = map[string]string{"v1": "one"}, rapid.SampledFrom([]string{"keep", "drop-label"}).Draw(t, "otherwise")
	r.Length, r.Regex, r.Value = 8, "(.)(.*)", "${2}x"
	return r
}

const usualTopic = "flink.native"

// drawReports draws what one task reports: some series at every report, in the
// order of time. Reports come at most 2.4 periods apart.
func drawReports(t *rapid.T, period int64) (task, job string, all []reported, origins map[string]metric.Origin) {
	task, job = rapid.SampledFrom(worldTasks).Draw(t, "task"), rapid.SampledFrom(worldValues).Draw(t, "job")
	origins = map[string]metric.Origin{}
	series := map[string]reported{}
	for range rapid.IntRange(1, 5).Draw(t, "series") {
		in := drawInput(t)
		x := reported{Metric: in.Name, Type: rapid.SampledFrom([]string{"counter", "gauge", "meter", "histogram"}).Draw(t, "type"),
			Labels: map[string]string{}, Subtask: rapid.IntRange(-1, 1).Draw(t, "subtask"), Attempt: rapid.IntRange(-1, 1).Draw(t, "attempt")}
		for _, name := range slices.Concat(worldLabels[:3], spareLabels) {
			if v := rapid.SampledFrom(worldValues).Draw(t, name); v != "" {
				x.Labels[name] = v
			}
		}
		if x.Labels[jobLabel] = job; job == "" || rapid.IntRange(0, 3).Draw(t, "of the process") == 0 {
			delete(x.Labels, jobLabel)
		}
		if origins[in.Name] == 0 { // the catalogue goes by the name
			origins[in.Name] = in.Origin
		}
		if rapid.IntRange(0, 3).Draw(t, "sure") > 0 {
			x.Origin = origins[in.Name].String()
		}
		series[seriesKey(&x, x.allLabels(task))] = x
		if rapid.Bool().Draw(t, "twin") { // differs by a label that may go
			x.Labels = maps.Clone(x.Labels)
			x.Labels[rapid.SampledFrom(spareLabels).Draw(t, "by")] = "twin"
			series[seriesKey(&x, x.allLabels(task))] = x
		}
	}
	keys := slices.Sorted(maps.Keys(series))
	at := int64(1_763_800_000_000) + rapid.Int64Range(0, 100_000).Draw(t, "begin")
	reports := rapid.IntRange(4, 15).Draw(t, "reports")
	ends := map[string]int{}
	for _, k := range keys {
		ends[k] = reports - 1 - rapid.IntRange(0, 3).Draw(t, "ends")
	}
	for i := range reports {
		for _, k := range keys {
			if x := series[k]; i <= ends[k] {
				x.At, x.last, x.value = at, i == ends[k], float64(rapid.IntRange(0, 9).Draw(t, "value"))
				all = append(all, x)
			}
		}
		at += rapid.Int64Range(period/2, period*24/10).Draw(t, "gap")
	}
	return task, job, all, origins
}

// seriesKey is what an engine keeps state by: attempts of a subtask share it.
func seriesKey(x *reported, labels metric.Labels) string {
	return x.name() + " " + x.Type + " " + slices.Clone(labels).Set(metric.AttemptLabel, "").String()
}

// arrival is a sample as it comes to an instance.
type arrival struct {
	topic string
	reported
}

// govern is an instance: what it writes for what arrives, in no order.
func govern(p *Program, task string, origins map[string]metric.Origin, in []arrival) []string {
	var out []string
	states := map[string]*governed{}
	buckets := map[string]*Bucket{}
	for _, a := range in {
		labels := a.allLabels(task)
		kind, _ := metric.ParseKind(a.Type)
		key := seriesKey(&a.reported, labels)
		if states[key] == nil {
			states[key] = &governed{}
		}
		s := states[key]
		v := p.Decide(Input{Task: task, Name: a.name(), Kind: kind, Origin: origins[a.Metric], Labels: labels}, Filter{}, Filter{})
		if v.Disposition != ledger.Out {
			continue
		}
		topic := map[string]string{usualTopic: "sluice.processed", "flink.isolated": "isolated.processed"}[a.topic]
		line := fmt.Sprintf("%d %s%s to %v in %s: %v", a.At, v.Name, v.Labels, v.To, cmp.Or(v.Topic, topic), a.value*v.Scale)
		pass := true
		switch v.Step.Kind {
		case SampleStep:
			pass = v.Step.Passes(a.At)
		case LimitStep:
			id := fmt.Sprint(v.Rule, map[Per]string{PerSeries: key}[v.Step.Per])
			if buckets[id] == nil {
				buckets[id] = &Bucket{}
			}
			pass = buckets[id].Take(&v.Step, a.At)
		case ThinStep:
			switch s.window.Offer(&v.Step, a.At, a.value) {
			case Stop:
				pass = false
			case Hold, Replace:
				s.held, pass = line, false
			case Rotate:
				line, s.held = s.held, line
			}
		}
		if pass {
			out = append(out, line)
		}
	}
	for _, s := range states {
		if s.window.Flush() {
			out = append(out, s.held)
		}
	}
	slices.Sort(out)
	return out
}

type governed struct {
	window Window
	held   string
}

// obey lets a reporter go over what was reported, and maybe was gone over before.
func (r *sourceReporter) obey(in []arrival) []arrival {
	var out []arrival
	for _, a := range in {
		s := r.report(&a.reported)
		if s.Do == "skip" {
			continue
		}
		a.Labels, a.topic = s.Labels, cmp.Or(s.Topic, a.topic)
		out = append(out, a)
	}
	return out
}

// What an instance writes is the same whether or not the reporter obeys a
// document, of the task or of the whole set; and obeying twice is obeying once.
func TestControlAtTheSourceChangesNothing(t *testing.T) {
	notes := map[string]int{}
	check := func(t *rapid.T) {
		p, findings := Compile(drawFleetSet(t), Options{})
		if p == nil {
			t.Fatal(findings)
		}
		period := rapid.SampledFrom([]int64{1000, 10_000}).Draw(t, "period")
		task, job, all, origins := drawReports(t, period)
		var in []arrival
		for _, x := range all {
			in = append(in, arrival{usualTopic, x})
		}
		want := govern(p, task, origins, in)
		for form, doc := range map[string]*Collect{"task": p.CollectTask(task, job), "set": p.CollectAll()} {
			text := doc.Encode("r")
			reporter := func() *sourceReporter {
				r, err := newSourceReporter(text, task, period)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			first := reporter()
			once := first.obey(in)
			if diff := gocmp.Diff(want, govern(p, task, origins, once)); diff != "" {
				t.Fatalf("document of the %s %s\n-alone +after the source: %s", form, text, diff)
			}
			if diff := gocmp.Diff(once, reporter().obey(once), gocmp.AllowUnexported(arrival{}, reported{})); diff != "" {
				t.Fatalf("document of the %s %s\n-once +twice: %s", form, text, diff)
			}
			for what, n := range first.notes {
				notes[form+": "+what] += n
			}
			if again := doc.Encode("r"); string(again) != string(text) {
				t.Fatalf("%s is encoded again as %s", text, again)
			}
		}
	}
	for range 4 { // what a run draws differs: enough of it shows everything
		rapid.Check(t, check)
	}
	for _, form := range []string{"task", "set"} {
		for _, what := range deeds {
			if n := notes[form+": "+what]; n < 20 {
				t.Errorf("document of the %s: %s only %d times, which shows nothing", form, what, n)
			}
		}
	}
	t.Log(notes)
}

// The document of a task agrees with the one of the set about every sample.
func TestDocumentsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := Compile(drawFleetSet(t), Options{})
		task, job, all, _ := drawReports(t, 1000)
		one, err1 := newSourceReporter(p.CollectTask(task, job).Encode(""), task, 1000)
		set, err2 := newSourceReporter(p.CollectAll().Encode(""), task, 1000)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for _, x := range all {
			a, b := one.report(&x), set.report(&x)
			if a.Do != b.Do || a.Topic != b.Topic {
				text, _ := json.Marshal(x)
				t.Fatalf("%s: %+v, by the set %+v", text, a, b)
			}
		}
	})
}
