package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of overrides.
const (
	MaxOverrides    = 1000
	MaxOverrideTime = 30 * 24 * time.Hour
)

// Kinds of overrides.
const (
	OverrideTask = "task" // the tasks that a pattern matches are off
	OverrideRule = "rule" // a rule is off
	OverrideStep = "step" // the step of degradation is set
)

// Errors of overrides.
var (
	ErrTooMany    = errors.New("there are as many overrides as may be")
	ErrNoOverride = errors.New("there is no such override in force")
)

// Override is something that holds in the whole fleet until a time, whatever the
// policies say.
type Override struct {
	ID      string    `json:"id"`                // follows from kind and target: a later one takes the place of an earlier
	Kind    string    `json:"kind"`              // task, rule or step
	Target  string    `json:"target"`            // pattern of tasks, team/rule, or P0 to P3
	Team    string    `json:"team,omitempty"`    // whose task or rule it is; "" is nobody's in particular
	Reason  string    `json:"reason"`            // in the words of who set it
	By      string    `json:"by,omitempty"`      // who set it; "" is an instance itself
	Address string    `json:"address,omitempty"` // that it was set from
	Set     time.Time `json:"set"`
	Until   time.Time `json:"until"`
}

// OverrideID is that of the override of a kind on a target. There is one step at a
// time.
func OverrideID(kind, target string) string {
	if kind == OverrideStep {
		return kind
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + target))
	return hex.EncodeToString(sum[:5])
}

// Overrides are those of the fleet. Safe for concurrent use.
type Overrides struct{ log Log }

// NewOverrides returns those of a log.
func NewOverrides(log Log) *Overrides { return &Overrides{log} }

const overrideKind = "override"

// Put puts an override in force, in place of one on the same target. ID and Set are
// filled in. Errors: ErrTooMany, or one of the log.
func (s *Overrides) Put(ctx context.Context, o Override) (Override, error) {
	o.ID, o.Set = OverrideID(o.Kind, o.Target), time.Now().UTC()
	o.Until = o.Until.UTC().Round(0)
	others := 0
	for _, a := range s.Active() {
		if a.ID != o.ID {
			others++
		}
	}
	if others >= MaxOverrides {
		return Override{}, fmt.Errorf("%w: %d", ErrTooMany, MaxOverrides)
	}
	value, err := json.Marshal(o)
	if err != nil {
		return Override{}, fmt.Errorf("override %s: %w", o.ID, err)
	}
	return o, s.log.Put(ctx, overrideKind+"/"+o.ID, value)
}

// End ends an override. Errors: ErrNoOverride, or one of the log.
func (s *Overrides) End(ctx context.Context, id string) error {
	for _, o := range s.Active() {
		if o.ID == id {
			return s.log.Delete(ctx, overrideKind+"/"+id)
		}
	}
	return fmt.Errorf("%w: %q", ErrNoOverride, id)
}

// Active returns the overrides whose time is not over, in the order in which they
// were set. Of more than may be, the later ones do not hold.
func (s *Overrides) Active() (out []Override) {
	now := time.Now()
	for _, e := range s.log.List(overrideKind + "/") {
		if o, ok := readOverride(e); ok && o.Until.After(now) && len(out) < MaxOverrides {
			out = append(out, o)
		}
	}
	return out
}

// Sweep deletes what holds no longer, or never did.
func (s *Overrides) Sweep(ctx context.Context) error {
	now := time.Now()
	for _, e := range s.log.List(overrideKind + "/") {
		if o, ok := readOverride(e); ok && o.Until.After(now) {
			continue
		}
		if is, there := s.log.Get(e.Key); !there || is.Offset != e.Offset {
			continue // deleted by another instance, or set anew
		}
		if err := s.log.Delete(ctx, e.Key); err != nil {
			return fmt.Errorf("override: %w", err)
		}
	}
	return nil
}

// Changed returns a channel that is closed when one is set or ends before its time.
func (s *Overrides) Changed() <-chan struct{} { return s.log.Changed(overrideKind) }

// readOverride returns an entry's override; false for what no instance writes.
func readOverride(e Entry) (o Override, ok bool) {
	if json.Unmarshal(e.Value, &o) != nil || o.Target == "" {
		return Override{}, false
	}
	switch o.Kind {
	case OverrideTask, OverrideRule, OverrideStep:
	default:
		return Override{}, false
	}
	ok = o.ID == OverrideID(o.Kind, o.Target) && strings.TrimPrefix(e.Key, overrideKind+"/") == o.ID &&
		o.Until.Sub(o.Set) <= MaxOverrideTime+time.Minute
	return o, ok
}
