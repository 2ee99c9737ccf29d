package runtime

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// named has a rule and tasks of two teams to override.
var named = dropping("a") + `
	task: pay: schema.#Task & {match: tasks: ["t-9", "pay-*"], tags: team: "pay"}
	task: ads: schema.#Task & {match: tasks: ["t-1"], tags: team: "ads"}`

// disabled says whether a task is off by what its reporter is told, and what explain says.
func (r instance) disabled(t *testing.T, task string) (off bool, why string) {
	t.Helper()
	doc, err := r.Collect(t.Context(), task, "", never, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Explain(explain.Question{Series: fmt.Sprintf(`b{torrent_task_id=%q}`, task)})
	if err != nil {
		t.Fatal(err)
	}
	if d := a.Series[0].Task.Disabled; d != nil {
		why = d.ID + " " + d.Description
	}
	return strings.Contains(string(doc.JSON), `"enabled":false`), why
}

func TestOverrideOnATaskHoldsInTheWholeFleet(t *testing.T) {
	t.Parallel()
	fleet := startFleet(t, 3, testConfig(t, named))
	began := time.Now()
	o, err := fleet[0].SetOverride(t.Context(), operator, OverrideRequest{Kind: OverrideTask, Target: "t-9", For: time.Hour, Reason: "too loud"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Team != "pay" || o.By != "ann" || o.Idle != "" || o.Until.Sub(o.Set) < 59*time.Minute {
		t.Errorf("override %+v", o)
	}
	wait := func(wantOff bool) {
		t.Helper()
		for i, r := range fleet {
			eventually(t, func() string {
				off, why := r.disabled(t, "t-9")
				if off != wantOff || wantOff != strings.Contains(why, "override/"+o.ID+" switched off by ann until ") {
					return fmt.Sprintf("instance %d: off %t, why %q", i, off, why)
				}
				return ""
			})
			if off, _ := r.disabled(t, "t-1"); off {
				t.Errorf("instance %d: another task is off", i)
			}
			if n := len(r.Status().Overrides); (n == 1) != wantOff {
				t.Errorf("instance %d: %d overrides", i, n)
			}
		}
	}
	wait(true)
	t.Logf("in force on three instances after %v", time.Since(began))
	task, err := fleet[2].Task(t.Context(), "t-9")
	if err != nil || task.Enabled || task.Override == nil || task.Override.ID != o.ID || !strings.Contains(task.Off, "too loud") {
		t.Errorf("task %+v, %v", task, err)
	}
	if err := fleet[1].EndOverride(t.Context(), operator, o.ID); err != nil {
		t.Fatal(err)
	}
	wait(false)
	if err := fleet[1].EndOverride(t.Context(), operator, o.ID); !errors.Is(err, ErrNoOverride) {
		t.Errorf("ended twice: %v", err)
	}
}

// The samples of a task that is off are dropped by the override, and by no other rule.
func TestOverrideDecidesAboutSamples(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, named))
	r.send(t, 0, 10)
	r.settled(t, false, "native", 10)
	o, err := r.SetOverride(t.Context(), operator, OverrideRequest{Kind: OverrideTask, Target: "t-?", For: time.Hour, Reason: "too loud"})
	if err != nil {
		t.Fatal(err)
	}
	r.send(t, 10, 10)
	in := r.settled(t, false, "native", 20)
	if in.Dispositions["out"] != 10 || in.Imbalance != 0 || len(in.Rules) == 0 || in.Rules[len(in.Rules)-1].Rule != "override/"+o.ID {
		t.Errorf("%+v", in)
	}
	task, err := r.Task(t.Context(), "t-1")
	if err != nil || !task.Live || task.Series != 1 || task.Seen.IsZero() || task.Team != "ads" || task.Enabled {
		t.Errorf("task %+v, %v", task, err)
	}
}

func TestOverrideOnARuleSurvivesReloadsAndRestartsAndEndsByItself(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, named)
	cfg.Brokers = roomyBroker(t)
	inert := func(r instance) string {
		t.Helper()
		a, err := r.Explain(explain.Question{Rule: "drop-a"})
		if err != nil {
			t.Fatal(err)
		}
		return a.Rule.Inert
	}
	t.Run("first life", func(t *testing.T) {
		r := startInstance(t, cfg)
		o, err := r.SetOverride(t.Context(), operator, OverrideRequest{Kind: OverrideRule, Target: "drop-a", For: 30 * 24 * time.Hour, Reason: "it is needed"})
		if err != nil || o.Target != "control:platform/drop-a" || o.Team != "platform" {
			t.Fatalf("%+v, %v", o, err)
		}
		if why := inert(r); !strings.Contains(why, "switched off by ann") {
			t.Errorf("explain says %q", why)
		}
		a, err := r.Explain(explain.Question{Series: `a{torrent_task_id="t-1"}`})
		if err != nil || a.Series[0].Decision.Rule == "platform/drop-a" || !strings.Contains(fmt.Sprintf("%+v", a.Series[0].Control), "it is needed (override "+o.ID+")") {
			t.Errorf("explain of a series: %+v, %v", a.Series, err)
		}
		rewriteSet(t, cfg, policySet(named+"\n\tdescription: \"another set\""))
		if _, err := r.Reload(t.Context()); err != nil || inert(r) == "" {
			t.Errorf("after a reload: %v, %q", err, inert(r))
		}
		rewriteSet(t, cfg, policySet(simpleSet))
		if _, err := r.Reload(t.Context()); err != nil || len(r.Overrides()) != 1 || r.Overrides()[0].Idle == "" {
			t.Errorf("without the rule: %v, %+v", err, r.Overrides())
		}
		rewriteSet(t, cfg, policySet(named))
	})
	r := startInstance(t, cfg)
	if why := inert(r); !strings.Contains(why, "switched off by ann") { // as soon as it is ready
		t.Errorf("after a restart explain says %q", why)
	}
	_, err := r.SetOverride(t.Context(), operator, OverrideRequest{Kind: OverrideRule, Target: "platform/drop-a", For: time.Second, Reason: "not for long"})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Overrides()); n > 1 { // it may be over already
		t.Errorf("%d overrides: a later one does not take the place of an earlier one", n)
	}
	eventually(t, func() string {
		if why := inert(r); why != "" {
			return why
		}
		if log := r.control.Load(); len(log.List("override/")) != 0 {
			return "it is still on the topic"
		}
		return ""
	})
}

func TestWrongOverrides(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, named))
	for want, req := range map[string]OverrideRequest{
		`rejected: kind: "team" is none of task, rule, step`:                                 {Kind: "team", Target: "x", For: time.Hour, Reason: "a reason"},
		"rejected: for: 0s is not from 1s to 30d":                                            {Kind: OverrideTask, Target: "t-9", Reason: "a reason"},
		"rejected: for: 720h0m1s is not from 1s to 30d":                                      {Kind: OverrideTask, Target: "t-9", For: MaxOverrideTime + time.Second, Reason: "a reason"},
		"rejected: reason: write 3 to 500 characters":                                        {Kind: OverrideTask, Target: "t-9", For: time.Hour, Reason: "no"},
		`rejected: task: this instance knows no task that "t-99" matches; did you mean t-9?`: {Kind: OverrideTask, Target: "t-99", For: time.Hour, Reason: "a reason"},
		`rejected: rule: the set has no rule "drop-b"; did you mean drop-a?`:                 {Kind: OverrideRule, Target: "drop-b", For: time.Hour, Reason: "a reason"},
		`rejected: step: "P9" is none of P0, P1, P2, P3`:                                     {Kind: OverrideStep, Target: "P9", For: time.Hour, Reason: "a reason"},
		"rejected: task: write an id, a job name or a pattern of at most 500 bytes":          {Kind: OverrideTask, For: time.Hour, Reason: "a reason"},
	} {
		if _, err := r.SetOverride(t.Context(), operator, req); err == nil || err.Error() != want || !errors.Is(err, ErrRejected) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	bad := OverrideRequest{Kind: OverrideTask, Target: "re:(", For: time.Hour, Reason: "a reason"}
	if _, err := r.SetOverride(t.Context(), operator, bad); !errors.Is(err, ErrRejected) {
		t.Errorf("a pattern that is none: %v", err)
	}
	bad = OverrideRequest{Kind: OverrideStep, Target: "P1", For: time.Hour, Reason: "a reason"}
	if _, err := r.SetOverride(t.Context(), operator, bad); !errors.Is(err, ErrNoDegrade) {
		t.Errorf("a step without rules: %v", err)
	}
	if n := len(r.Overrides()); n != 0 {
		t.Errorf("%d overrides in force", n)
	}
	unseen := OverrideRequest{Kind: OverrideTask, Target: "t-99", For: time.Hour, Reason: "a reason", Unseen: true}
	if _, err := r.SetOverride(t.Context(), operator, unseen); err != nil {
		t.Error(err)
	}
	if off, _ := r.disabled(t, "t-99"); !off {
		t.Error("a task that is not seen yet is not off")
	}
}

func TestOverridesStayWithinTheTeamsOfTheActor(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, named))
	pay := Actor{Name: "pia", Role: RoleOperator, Teams: []string{"pay"}}
	set := func(by Actor, kind, target string) (string, error) {
		o, err := r.SetOverride(t.Context(), by, OverrideRequest{Kind: kind, Target: target, For: time.Hour, Reason: "a reason"})
		return o.ID, err
	}
	for target, kind := range map[string]string{"t-1": OverrideTask, "t-*": OverrideTask, "drop-a": OverrideRule} {
		if _, err := set(pay, kind, target); !errors.Is(err, ErrForeignTeam) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := set(pay, OverrideTask, "t-9"); err != nil {
		t.Error(err)
	}
	id, err := set(operator, OverrideTask, "t-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.EndOverride(t.Context(), pay, id); !errors.Is(err, ErrForeignTeam) {
		t.Errorf("ends what is of another team: %v", err)
	}
}

// What no instance has written changes nothing.
func TestOverridesOfOthersAreLookedAt(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, named))
	until := time.Now().Add(time.Hour).Format(time.RFC3339)
	now := time.Now().Format(time.RFC3339)
	for key, value := range map[string]string{
		"override/x": "{",
		"override/y": fmt.Sprintf(`{"id":"y","kind":"task","target":"t-9","set":%q,"until":%q}`, now, until),
		"override/" + control.OverrideID("task", "re:("): fmt.Sprintf(`{"id":%q,"kind":"task","target":"re:(","set":%q,"until":%q}`, control.OverrideID("task", "re:("), now, until),
		"override/" + control.OverrideID("task", "t-1"):  fmt.Sprintf(`{"id":%q,"kind":"task","target":"t-1","set":%q,"until":"2999-01-01T00:00:00Z"}`, control.OverrideID("task", "t-1"), now),
	} {
		if err := r.control.Load().Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.Overrides()); n != 1 {
		t.Errorf("%d overrides", n)
	}
	for _, task := range []string{"t-1", "t-9"} {
		if off, _ := r.disabled(t, task); off {
			t.Errorf("%s is off", task)
		}
	}
	eventually(t, func() string {
		if !strings.Contains(r.log.String(), "an override has no effect") {
			return "nobody says that the pattern is wrong"
		}
		return ""
	})
}
