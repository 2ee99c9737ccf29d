package relabel

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// A small world, so that steps and series meet often.
var (
	worldLabels  = []string{"a", "b", "c", "job_name"}
	worldNames   = []string{"m_x", "m_y", "n_x_total"}
	worldValues  = []string{"", "x", "y", "xy", "x;y", "re:x", "X", "*", "x\ny", "$1"}
	worldRegexes = []string{
		"(.*)", ".*", "(.+)", "x", "x|y", "(x|y)", "(x)|(y)", "x(.*)", "(.).*", "m_.*", "(?:m|n)_x.*", "", "|x", "(?i)x", "[^;]+",
		`\*`, `re:x`, "x;y", "(x);(.*)", "([a-z]);(y)", "(.*);(.*)", "[a-z]*;[a-z]+", "(?P<v>x)(?P<w>y?)", "a|b", "c", "job_.*", `\Qx\E`, "[|x]", "x{1,2}", "n_x_total",
	}
	worldReplacements = []string{"$1", "fixed", "", "${1}-z", "$1$2", "$$1", "$v", "${w}", "$0", "m_new", "$01", "a b", "$", "é"}
	worldActions      = []string{"replace", "replace", "replace", "replace", "replace", "replace", "keep", "keep", "drop", "drop", "labeldrop", "labeldrop", "labelmap", "rare"}
	rareActions       = []string{"labelkeep", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"}
)

func drawStep(t *rapid.T) map[string]any {
	pick := func(name string, from []string) string { return rapid.SampledFrom(from).Draw(t, name) }
	step := map[string]any{"action": pick("action", worldActions)}
	if step["action"] == "rare" {
		step["action"] = pick("rare action", rareActions)
	}
	most := rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(t, "sources")
	source := rapid.SliceOfN(rapid.SampledFrom(append([]string{"__name__"}, worldLabels...)), most, most).Draw(t, "source")
	if rapid.Bool().Draw(t, "regex?") {
		step["regex"] = pick("regex", worldRegexes)
	}
	switch step["action"] {
	case "labeldrop", "labelkeep":
		return step
	case "labelmap":
		step["replacement"] = pick("new name", []string{"$1", "new", "b", "new_$1"})
		return step
	case "replace":
		if rapid.Bool().Draw(t, "replacement?") {
			step["replacement"] = pick("replacement", worldReplacements)
		}
	case "hashmod":
		step["modulus"] = 4
	}
	if len(source) > 0 {
		step["source_labels"] = source
	}
	if step["action"] != "keep" && step["action"] != "drop" {
		step["target_label"] = pick("target", append([]string{"__name__", "d"}, worldLabels...))
	}
	if step["action"] == "keepequal" || step["action"] == "dropequal" {
		delete(step, "regex")
	}
	return step
}

// theirs reads steps as Prometheus does.
func theirs(t *rapid.T, text []byte) []*promrelabel.Config {
	var out []*promrelabel.Config
	if err := yaml.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, c := range out {
		if err := c.Validate(model.LegacyValidation); err != nil {
			t.Skip(err) // Prometheus would not load it
		}
	}
	return out
}

// What is said to be exact is exact: Prometheus' own code and our program, from the
// policy that is written, agree on every series. And whatever the steps, what is
// written has no mistake.
func TestAgreesWithPrometheus(t *testing.T) {
	exact, dropped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text, err := yaml.Marshal(rapid.SliceOfN(rapid.Custom(drawStep), 1, 3).Draw(t, "steps"))
		if err != nil {
			t.Fatal(err)
		}
		configs := theirs(t, text)
		lists, err := Read("p.yml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		cue, outcome, err := Policy(lists[0], "orders", "p.yml")
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if n := strings.Count(string(cue), "// Step "); n != outcome.Steps || outcome.Exact+outcome.Differ+outcome.LeftOut != outcome.Steps {
			t.Fatalf("%d steps are commented on: %+v\n%s", n, outcome, cue)
		}
		bundle, found, err := policy.Compile(policy.Snapshot{"p.cue": cue}, policy.Options{Today: time.Unix(0, 0)})
		if err != nil || bundle == nil {
			t.Fatalf("%v %v\n%s\n%s", found, err, text, cue)
		}
		prog, found := program.Compile(&bundle.Set, program.Options{})
		if prog == nil || diag.Refused(found) {
			t.Fatalf("%v\n%s", found, cue)
		}
		if outcome.Exact != outcome.Steps {
			return
		}
		exact++
		for range 20 {
			in := drawSeries(t)
			want, keep := process(in, configs)
			v, _ := prog.Explain(in)
			if keep != (v.Disposition == ledger.Out) {
				t.Fatalf("%+v: Prometheus keeps it: %t, we: %s\n%s\n%s", in, keep, v.Disposition, text, cue)
			}
			if !keep {
				dropped++
				continue
			}
			got := map[string]string{nameLabel: v.Name}
			for _, l := range v.Labels {
				got[l.Name] = l.Value
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v (-Prometheus +we):\n%s\n%s\n%s", in, diff, text, cue)
			}
		}
	})
	t.Logf("%d lists were compared, %d series dropped", exact, dropped)
	if exact < 10 || dropped < 10 {
		t.Errorf("only %d lists were compared, and %d series dropped", exact, dropped)
	}
}

func drawSeries(t *rapid.T) program.Input {
	in := program.Input{Task: "t-1", Name: rapid.SampledFrom(worldNames).Draw(t, "name")}
	for _, l := range worldLabels {
		in.Labels = in.Labels.Set(l, rapid.SampledFrom(worldValues).Draw(t, l))
	}
	return in
}

// process runs Prometheus' own code.
func process(in program.Input, configs []*promrelabel.Config) (map[string]string, bool) {
	b := labels.NewScratchBuilder(8)
	b.Add(nameLabel, in.Name)
	for _, l := range in.Labels {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	lb := labels.NewBuilder(b.Labels())
	keep := promrelabel.ProcessBuilder(lb, configs...)
	return lb.Labels().Map(), keep
}
