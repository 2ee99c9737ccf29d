package policy

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Codes whose examples are not sets: one needs a symbolic link, the other more time
// than a test has. Both have scenes in testdata.
var shownOtherwise = []diag.Code{diag.BadFile, diag.TooExpensive}

// Every help says the truth: its bad example gets the code, its good one nothing.
func TestHelpExamples(t *testing.T) {
	for _, h := range diag.Codes() {
		if slices.Contains(shownOtherwise, h.Code) {
			continue
		}
		t.Run(string(h.Code), func(t *testing.T) {
			_, found, got := example(h.Bad).judge(t)
			if !slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return d.Code == h.Code }) {
				t.Errorf("the bad example does not get the code:\n%s", got)
			}
			if _, _, got := example(h.Good).judge(t); got != "" {
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
