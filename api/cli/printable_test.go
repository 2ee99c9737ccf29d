package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

// What others have written, such as a reason or the label of a job, does nothing to the
// terminal of who reads it.
func TestNothingActsOnATerminal(t *testing.T) {
	const evil = "a\x1b]0;b\a\u202ec"
	when, q := time.Now(), &questions{format: "pretty"}
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
		"token list": func(w io.Writer) error {
			return listTokens(w, auth.File{Tokens: []auth.Token{{Name: evil, Teams: []string{evil}}}, Certificates: []auth.Certificate{{Name: evil}}}, when)
		},
		"fleet": func(w io.Writer) error {
			return printFleet(w, q, &runtime.FleetStatus{Error: evil, Instances: []runtime.FleetInstance{{
				Name: evil, State: evil, Revision: evil, Version: evil, Address: evil, NotRead: map[string]string{evil: evil},
			}}})
		},
		"audit": func(w io.Writer) error {
			return printAudit(w, []runtime.AuditEntry{{Actor: runtime.Actor{Name: evil}, Operation: evil, Target: evil, Result: evil, Error: evil}})
		},
		"override": func(w io.Writer) error {
			return printOverrides(w, q, []runtime.Override{{ID: evil, Kind: evil, Target: evil, By: evil, Reason: evil, Idle: evil}})
		},
		"tasks": func(w io.Writer) error {
			return printTasks(w, q, []runtime.TaskInfo{{ID: evil, Job: evil, Team: evil}})
		},
		"task": func(w io.Writer) error {
			return printTask(w, q, &runtime.TaskInfo{ID: evil, Job: evil, Off: evil, Tags: map[string]string{evil: evil}})
		},
		"streams": func(w io.Writer) error {
			return printStreams(w, q, []runtime.Stream{{Name: evil, State: evil, Halt: &runtime.Halt{Reason: evil, By: evil}}})
		},
		"ledger": func(w io.Writer) error {
			return printLedger(w, &runtime.Ledger{Sinks: []runtime.LedgerBook{{Name: evil, Lines: []runtime.LedgerLine{{Disposition: evil, By: []runtime.LedgerPart{{Rule: evil}}}},
				Partitions: []runtime.LedgerPlace{{Topic: evil}}}}}, true)
		},
		"plugins": func(w io.Writer) error {
			return printPlugins(w, []runtime.StoredPlugin{{Name: evil, Version: evil, Scope: evil, By: evil, Damaged: evil}}, when)
		},
		"plugins that run": func(w io.Writer) error {
			return printRunning(w, []runtime.RunningPlugin{{PluginView: explain.PluginView{Name: evil, Version: evil}, Breaker: evil}})
		},
		"a plugin": func(w io.Writer) error {
			return (&inspected{File: evil, Manifest: abi.Manifest{Name: evil, Summary: evil, Source: evil}, Imports: []string{evil}, Refused: evil}).write(w)
		},
		"differences": func(w io.Writer) error {
			return diffText(w, []runtime.RuleChange{{Change: "added", Section: "control", Rule: evil}})
		},
		"checks": func(w io.Writer) error {
			return printChecks(w, []runtime.HealthCheck{{Area: evil, Outcome: runtime.CheckOK, Name: evil, Seen: evil, Do: evil}}, 0)
		},
		"letters": func(w io.Writer) error {
			return printReplayed(w, &runtime.ReplayedLetters{Letters: []runtime.Letter{{Reason: evil, Detail: evil, Source: evil, Task: evil, Text: evil}}, Left: map[string]int{evil: 1}})
		},
		"status": func(w io.Writer) error {
			x := statusText{url: "http://127.0.0.1:7070", now: when}
			hop := map[string]runtime.Hop{evil: {State: evil, Error: evil, Halt: &runtime.Halt{Reason: evil, By: evil}, Dispositions: map[string]int64{evil: 1}, SamplesIn: 1}}
			_, err := io.WriteString(w, x.draw(&runtime.Status{
				Waiting: evil, Version: evil, Policies: evil, Revision: evil, Brokers: []string{evil}, Streams: hop, Sinks: hop,
				Policy: runtime.PolicyStatus{State: evil, Refused: &runtime.RefusedPolicy{Error: evil}},
			}))
			return err
		},
		"an error": func(w io.Writer) error {
			exitCode(errors.New(evil), w)
			return nil
		},
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil || !strings.Contains(out.String(), "c") || strings.ContainsAny(out.String(), "\x1b\a\u202e") {
			t.Errorf("%s: %q, error %v", name, out.String(), err)
		}
	}
}
