package relabel

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

var update = flag.Bool("update", false, "write what the tests get into testdata")

// Each scene of testdata is a configuration and the policy that it becomes.
func TestPolicy(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			lists, err := Read("prometheus.yml", ar.Files[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: ar.Comment, Files: ar.Files[:1:1]}
			for _, l := range lists {
				text, outcome, err := Policy(l, "orders", "prometheus.yml")
				if err != nil {
					t.Fatal(err)
				}
				text = fmt.Appendf(text, "// %+v\n", outcome)
				got.Files = append(got.Files, txtar.File{Name: strings.TrimSpace("policy " + l.Name), Data: text})
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(ar)), string(txtar.Format(got))); diff != "" {
				t.Errorf("(-want +got; -update accepts it):\n%s", diff)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "c.yml: the file is empty",
		"# nothing":                    "c.yml: the file is empty",
		"a: [":                         "c.yml: yaml: ",
		"global: {}":                   "there is no metric_relabel_configs",
		"just text":                    "there is no metric_relabel_configs",
		"metric_relabel_configs: 3":    "c.yml:1: a list of steps is expected here",
		"- 3":                          "c.yml:1: a step is a mapping",
		"- action: explode":            `c.yml:1: there is no action "explode"`,
		"- source_labels: a":           "c.yml:1: source_labels is a list of names",
		"- source_labels: [[a]]":       "c.yml:1: source_labels is a list of names",
		"- source_labels: ['']":        "c.yml:1: source_labels is a list of names",
		"- source_label: [a]":          "c.yml:1: a step has no field source_label",
		"- regex: 'x'\n- action: drop": "c.yml:1: action replace needs target_label",
		"- action: drop\n  regex: [x]": "c.yml:2: regex is a text",
		"- action: drop\n  regex: '('": "c.yml:2: regex: error parsing regexp: missing closing ): `(`",
		"- action: labeldrop\n  source_labels: [a]":               "c.yml:1: action labeldrop takes a regex and nothing else",
		strings.Repeat("- action: drop\n", 901):                   "c.yml:1: the list has 901 steps; 900 are the most",
		strings.Repeat("[", 30) + strings.Repeat("]", 30):         "c.yml:1: a step is a mapping",
		"a: " + strings.Repeat("[", 30) + strings.Repeat("]", 30): "nested too deeply",
		bomb(): "too large, or nested too deeply",
	} {
		if _, err := Read("c.yml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

// bomb is a small file whose aliases stand for billions of values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	return b.String()
}

// Patterns are written as people write them, and expressions where they cannot.
func TestPatterns(t *testing.T) {
	for expr, want := range map[string]string{
		".*": "*", "(.*)": "*", ".+": "?*", "a": "a", "": "", "a|b|c": "a b c", "(a|b)": "a b", "(?:a|b)": "a b",
		"(a)|(b)": "a b", "flink_.*": "flink_*", ".*_debug_.*": "*_debug_*", "a.c": "a?c", "a|.*": "*", "a|a": "a",
		`a\.b`: "a.b", `a\*b`: `re:a\*b`, "re:a": "re:re:a", "[ab]": "re:[ab]", "a|[b|c]": "a re:[b|c]", `\Qa|b\E`: "a|b",
		"(?i)a|b": "re:(?i)a|b", "(?i:a)|b": "re:(?i:a) b", "x{2}": "re:x{2}", "(a|b)c": "re:(a|b)c", "a(b|c)d|e": "re:a(b|c)d e",
		`[\]|]|x`: `re:[\]|] x`, `[[:alpha:]|]|x`: `re:[[:alpha:]|] x`, "[]|]|x": "re:[]|] x", "[^]|]|x": "re:[^]|] x",
	} {
		got, ok := patterns(expr)
		if !ok || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
	if _, ok := patterns(strings.Repeat("a", maxPattern+1)); ok {
		t.Error("a pattern that is too long")
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte("- action: drop\n  source_labels: [a, __name__]\n  regex: 'x|\\.;y'\n"))
	f.Add([]byte("scrape_configs: [{job_name: x, metric_relabel_configs: [{target_label: b, replacement: \"\\x01\\\"#\"}]}]"))
	f.Add([]byte("- {action: labelmap, regex: \"a|b\", replacement: \"${1}_x\"}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lists, err := Read("f.yml", text)
		if err != nil {
			return
		}
		for _, l := range lists {
			if out, outcome, err := Policy(l, "orders", "f.yml"); err != nil || outcome.Steps != len(l.Steps) {
				t.Fatalf("%v %+v\n%s", err, outcome, out)
			}
		}
	})
}

// The longest list that is read has orders that rules may have.
func TestOrdersFit(t *testing.T) {
	l := List{Steps: make([]Step, maxSteps)}
	for i := range l.Steps {
		l.Steps[i] = Step{Action: "labeldrop", regex: regexp.MustCompile("^$")}
	}
	last := Step{Action: "labelmap", Regex: "a|b|c|d|e|f|g|h|i|j|k|l", Replacement: "x_$0"}
	last.regex = regexp.MustCompile("^(?s:" + last.Regex + ")$")
	l.Steps[maxSteps-1] = last
	text, _, err := Policy(l, "orders", "f.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "order: 9999\n") || strings.Contains(string(text), "order: 10000") {
		t.Error("orders do not end at 9999")
	}
	if b, found, err := policy.Compile(policy.Snapshot{"p.cue": text}, policy.Options{}); err != nil || b == nil {
		t.Error(found, err)
	}
}
