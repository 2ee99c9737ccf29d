package policy

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Codes whose examples the loader does not judge: one needs a symbolic link, one more
// time than a test has, and both have scenes in testdata; the others are about tests,
// which run on the compiled set, and plugins, which are started for it.
var shownOtherwise = []diag.Code{diag.BadFile, diag.TooExpensive, diag.TestFailed, diag.PluginFailed}

// ofAnalysis reports whether a code is of package analysis, which shows it.
func ofAnalysis(c diag.Code) bool { return strings.HasPrefix(string(c), "P3") }

// Every help says the truth: its bad example gets the code, its good one nothing.
func TestHelpExamples(t *testing.T) {
	for _, h := range diag.Codes() {
		if slices.Contains(shownOtherwise, h.Code) || ofAnalysis(h.Code) {
			continue
		}
		t.Run(string(h.Code), func(t *testing.T) {
			judge := func(text string) ([]diag.Diagnostic, string) {
				s := example(text)
				if h.Code == diag.NoFlow {
					s.keys["runnable"] = "yes" // the other examples are parts of a set
				}
				_, found, got := s.judge(t)
				return found, got
			}
			found, got := judge(h.Bad)
			if !slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return d.Code == h.Code }) {
				t.Errorf("the bad example does not get the code:\n%s", got)
			}
			if _, got := judge(h.Good); got != "" {
				t.Errorf("the good example has findings:\n%s", got)
			}
		})
	}
}

// example makes a set of the text of a help.
func example(text string) scene {
	if !strings.HasPrefix(text, "-- ") {
		text = "-- policy.cue --\npackage policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\n" +
			"policy: schema.#Policy & {team: \"orders\"}\n" + text + "\n"
	}
	return readScene("", txtar.Parse([]byte(text)))
}
