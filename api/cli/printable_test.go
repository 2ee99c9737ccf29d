package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// What others have written, such as a reason or the label of a job, does nothing to the
// terminal of who reads it.
func TestNothingActsOnATerminal(t *testing.T) {
	const evil = "a\x1b]0;b\a\u202ec"
	when := time.Now()
	for name, write := range map[string]func(io.Writer) error{
		"history": func(w io.Writer) error {
			return historyText(w, []runtime.HistoryEntry{{Revision: "0123456789abcdef", Origin: runtime.Origin{By: evil, Reason: evil}}})
		},
		"plan": func(w io.Writer) error {
			p := runtime.Plan{Rules: []runtime.RuleChange{{Change: "added", Section: "control", Rule: "a/b"}}}
			err := json.Unmarshal([]byte(`{"impact": {"moves": [{"from": "kept", "to": "dropped", "series": 1, "examples": ["a\u001bc"]}]}}`), &p)
			return errors.Join(err, writePlanText(w, &p))
		},
		"rollout": func(w io.Writer) error {
			return rolloutText(w, &runtime.RolloutStatus{Canary: &runtime.CanaryStatus{By: evil, Reason: evil, Since: when}}, when)
		},
		"degrade": func(w io.Writer) error {
			return degradeText(w, &runtime.DegradeStatus{Step: "P1", Hand: &runtime.DegradeHand{Reason: evil}}, when)
		},
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil || !strings.Contains(out.String(), "c") || strings.ContainsAny(out.String(), "\x1b\a\u202e") {
			t.Errorf("%s: %q, error %v", name, out.String(), err)
		}
	}
}
