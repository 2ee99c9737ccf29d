package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/spell"
)

// Bounds of overrides.
const (
	MinOverrideTime = time.Second
	MaxOverrideTime = control.MaxOverrideTime
)

// Kinds of overrides.
const (
	OverrideTask = control.OverrideTask // the tasks that a pattern matches are off
	OverrideRule = control.OverrideRule // a rule is off
	OverrideStep = control.OverrideStep // the step of degradation is set
)

// Errors of overrides.
var (
	ErrNoOverride = control.ErrNoOverride // none with this id is in force
	ErrTooMany    = control.ErrTooMany    // as many are in force as may be
)

// Override is something that holds in the whole fleet until a time, whatever the
// policies say.
type Override struct {
	ID     string    `json:"id"`             // follows from kind and target: a later one takes the place of an earlier
	Kind   string    `json:"kind"`           // task, rule or step
	Target string    `json:"target"`         // pattern of task ids or job names; section:team/rule; P0 to P3
	Team   string    `json:"team,omitempty"` // whose task or rule it is, as far as that is known
	Reason string    `json:"reason"`         // in the words of who set it
	By     string    `json:"by"`             // who set it; "" is an instance itself
	Set    time.Time `json:"set"`            // when
	Until  time.Time `json:"until"`          // then it ends by itself
	Idle   string    `json:"idle,omitempty"` // why it changes nothing on this instance
}

// OverrideRequest asks for an override.
type OverrideRequest struct {
	Kind   string        // task, rule or step
	Target string        // a task id, job name or pattern of either; a rule; a step
	For    time.Duration // from MinOverrideTime to MaxOverrideTime
	Reason string        // 3 to 500 characters
	Unseen bool          // the tasks need not be known to this instance
}

// overriding is what overrides do on this instance.
type overriding struct {
	mu     sync.Mutex // one change of what is in force at a time; also guards what follows
	active []control.Override
	hand   control.Override // the step that the ladder was given last
}

// count is how many overrides this instance has taken up.
func (o *overriding) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.active)
}

// Overrides lists what is overridden at present, in the order in which it was set.
// Without a control topic there is none.
func (r *Runtime) Overrides() []Override {
	log := r.control.Load()
	if log == nil {
		return []Override{}
	}
	out := []Override{}
	rules := r.rules()
	for _, o := range control.NewOverrides(log).Active() {
		out = append(out, overrideOf(o, rules))
	}
	return out
}

// rules are those of the set in force and, behind them, those that only its canary has.
func (r *Runtime) rules() []program.Rule {
	all := r.rev.Load().plain.Rules()
	c := r.rollouts.canary.Load()
	if c == nil {
		return all
	}
	known := map[string]bool{}
	for i := range all {
		known[ruleTarget(&all[i])] = true
	}
	all = slices.Clip(all)
	for _, rule := range c.rev.plain.Rules() {
		if !known[ruleTarget(&rule)] {
			all = append(all, rule)
		}
	}
	return all
}

func overrideOf(o control.Override, rules []program.Rule) Override {
	out := Override{
		ID: o.ID, Kind: o.Kind, Target: o.Target, Team: o.Team, Reason: o.Reason, By: o.By, Set: o.Set, Until: o.Until,
	}
	if o.Kind == OverrideRule {
		i := slices.IndexFunc(rules, func(rule program.Rule) bool { return ruleTarget(&rule) == o.Target })
		switch {
		case i < 0:
			out.Idle = "the policies in force have no such rule"
		case rules[i].Inert != "":
			out.Idle = "the rule is not in force: " + rules[i].Inert
		}
	}
	return out
}

func ruleTarget(r *program.Rule) string { return r.Section + ":" + string(r.ID) }

// SetOverride puts something in force in the whole fleet, for a time; one on the
// same target is replaced. It returns when this instance has taken it up; the
// others do within seconds. Errors wrap ErrRejected, ErrForeignTeam, ErrTooMany,
// ErrNoDegrade, ErrNotReady or ErrUnreachable.
func (r *Runtime) SetOverride(ctx context.Context, by Actor, req OverrideRequest) (Override, error) {
	if req.For < MinOverrideTime || req.For > MaxOverrideTime {
		return Override{}, fmt.Errorf("%w: for: %v is not from %v to 30d", ErrRejected, req.For, MinOverrideTime)
	}
	if err := checkReason(req.Reason); err != nil {
		return Override{}, err
	}
	o := control.Override{
		Kind: req.Kind, Target: req.Target, Reason: req.Reason, By: by.Name, Address: by.Address, Until: time.Now().Add(req.For),
	}
	if err := r.aim(ctx, by, &o, req.Unseen); err != nil {
		return Override{}, err
	}
	log, err := r.controlLog()
	if err != nil && o.Kind == OverrideStep {
		return r.stepHere(o), nil
	} else if err != nil {
		return Override{}, err
	}
	writing, cancel := context.WithTimeout(ctx, overridePatience)
	defer cancel()
	set := control.NewOverrides(log)
	if o, err = set.Put(writing, o); errors.Is(err, ErrTooMany) {
		return Override{}, fmt.Errorf("%w; end one that is needed no more", err)
	} else if err != nil {
		return Override{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r.takeOverrides(set.Active)
	r.log.Warn("override", "id", o.ID, "kind", o.Kind, "target", o.Target, "until", o.Until.Format(time.RFC3339), "by", o.By, "reason", o.Reason)
	return overrideOf(o, r.rules()), nil
}

// overridePatience is how long the control topic may take while somebody waits.
const overridePatience = 10 * time.Second

// stepHere sets the step of degradation on this instance only, until the control
// topic can be read: who needs it may need it because the brokers are overloaded.
func (r *Runtime) stepHere(o control.Override) Override {
	o.ID, o.Set = control.OverrideID(o.Kind, o.Target), time.Now().UTC()
	r.takeOverrides(func() []control.Override { return []control.Override{o} })
	r.log.Warn("the control topic is not read: the step holds on this instance only, until it is", "step", o.Target)
	return overrideOf(o, nil)
}

// aim checks what an override is on, completes it, and says whose it is.
func (r *Runtime) aim(ctx context.Context, by Actor, o *control.Override, unseen bool) error {
	switch o.Kind {
	case OverrideRule:
		rules := r.rules()
		i, err := explain.Find(rules, o.Target)
		if err != nil { // a question of explain; here the hint belongs to the message
			return fmt.Errorf("%w: %s", ErrRejected, err.Error())
		}
		o.Target = ruleTarget(&rules[i])
		o.Team, _, _ = strings.Cut(string(rules[i].ID), "/")
	case OverrideTask:
		if err := r.aimTask(ctx, by, o, unseen); err != nil {
			return err
		}
	case OverrideStep:
		if _, ok := ladder.ParseStep(o.Target); !ok {
			return fmt.Errorf("%w: step: %q is none of P0, P1, P2, P3", ErrRejected, o.Target)
		}
		if !r.degrades() {
			return ErrNoDegrade
		}
	default:
		return fmt.Errorf("%w: kind: %q is none of task, rule, step", ErrRejected, o.Kind)
	}
	if !by.MayChange(o.Team) {
		return fmt.Errorf("%w: %s may change what belongs to %s, and %s %s belongs to %s", ErrForeignTeam,
			by.Name, strings.Join(by.Teams, ", "), o.Kind, o.Target, orNobody(o.Team))
	}
	return nil
}

func orNobody(team string) string {
	if team == "" {
		return "no team"
	}
	return team
}

// maxTaskPattern bounds the pattern of an override in bytes.
const maxTaskPattern = 500

// aimTask finds the tasks that a pattern means. Those of an actor that is bound to
// teams must be all that it matches, and one of them.
func (r *Runtime) aimTask(ctx context.Context, by Actor, o *control.Override, unseen bool) error {
	if o.Target == "" || len(o.Target) > maxTaskPattern {
		return fmt.Errorf("%w: task: write an id, a job name or a pattern of at most %d bytes", ErrRejected, maxTaskPattern)
	}
	matches, err := program.Matcher(o.Target)
	if err != nil {
		return fmt.Errorf("%w: task: %w", ErrRejected, err)
	}
	known, err := r.Tasks(ctx, TaskFilter{})
	if err != nil {
		return err
	}
	var names []string
	teams := map[string]bool{}
	for _, t := range known {
		names = append(names, t.ID)
		if t.Job != "" {
			names = append(names, t.Job)
		}
		if matches(t.ID) || t.Job != "" && matches(t.Job) {
			teams[t.Team] = true
		}
	}
	if len(teams) == 0 && !unseen {
		hint := "; if it reports to another instance, or will report later, say that it may be unseen"
		if near := spell.Nearest(o.Target, names); near != "" {
			hint = "; did you mean " + near + "?"
		}
		return fmt.Errorf("%w: task: this instance knows no task that %q matches%s", ErrRejected, o.Target, hint)
	}
	if len(teams) == 1 {
		for team := range teams {
			o.Team = team
		}
	}
	if len(by.Teams) > 0 && (o.Team == "" || isPattern(o.Target)) { // other tasks may match a pattern later
		return fmt.Errorf("%w: %s may only switch off single tasks of %s", ErrForeignTeam, by.Name, strings.Join(by.Teams, ", "))
	}
	return nil
}

// controlLog returns the control topic, or ErrNotReady while nothing can be known of it.
func (r *Runtime) controlLog() (control.Log, error) {
	log := r.control.Load()
	if log == nil || !log.Loaded() {
		return nil, fmt.Errorf("%w: the control topic is not read yet", ErrNotReady)
	}
	return log, nil
}

// EndOverride ends what holds before its time is over. Errors wrap ErrNoOverride,
// ErrForeignTeam, ErrNotReady or ErrUnreachable.
func (r *Runtime) EndOverride(ctx context.Context, by Actor, id string) error {
	log, err := r.controlLog()
	if err != nil {
		return err
	}
	set := control.NewOverrides(log)
	for _, o := range set.Active() {
		if o.ID == id && !by.MayChange(o.Team) {
			return fmt.Errorf("%w: override %s belongs to %s", ErrForeignTeam, id, orNobody(o.Team))
		}
	}
	writing, cancel := context.WithTimeout(ctx, overridePatience)
	defer cancel()
	if err := set.End(writing, id); errors.Is(err, ErrNoOverride) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r.takeOverrides(set.Active)
	r.log.Info("override ended", "id", id, "by", by.Name)
	return nil
}

// EnableTask ends the override that switches a task off and returns the task as it
// is then. Errors are those of EndOverride, ErrNoTask, or ErrRejected when the
// policies switch it off.
func (r *Runtime) EnableTask(ctx context.Context, by Actor, id string) (TaskInfo, error) {
	t, err := r.Task(ctx, id)
	if err != nil {
		return TaskInfo{}, err
	}
	if t.Override != nil {
		if err := r.EndOverride(ctx, by, t.Override.ID); err != nil {
			return TaskInfo{}, err
		}
		t.Override, t.Off = nil, ""
		t.describe(r.rev.Load().program, r.Overrides())
	}
	if !t.Enabled && t.Override == nil {
		return TaskInfo{}, fmt.Errorf("%w: task %s is switched off by the policies, by %s: change them", ErrRejected, id, t.Off)
	}
	return t, nil
}

// followOverrides is the part that takes up what is set or ends anywhere in the
// fleet, and ends what has had its time. It is ready when what was in force before
// the start is in force again.
func (r *Runtime) followOverrides(ctx context.Context, ready func()) error {
	set := control.NewOverrides(r.control.Load())
	for {
		changed := set.Changed()
		active := r.takeOverrides(set.Active)
		ready()
		var over <-chan time.Time
		if len(active) > 0 {
			first := slices.MinFunc(active, func(a, b control.Override) int { return a.Until.Compare(b.Until) })
			over = time.After(time.Until(first.Until))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-over:
			r.takeOverrides(set.Active)
			sweeping, cancel := context.WithTimeout(ctx, control.BeatEvery)
			if err := set.Sweep(sweeping); err != nil && ctx.Err() == nil {
				r.log.Debug("an override that is over is not deleted yet", "error", err)
			}
			cancel()
		}
	}
}
