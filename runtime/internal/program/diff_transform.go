package program

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// TransformUse is what a plugin made of traffic in one transform of a program, and
// what that cost. A plugin of scope sample is given one sample of value 1 of each
// series, in a batch of its own.
type TransformUse struct {
	Name        string         `json:"name"`             // as the manifest has it
	Version     string         `json:"version"`          // as the manifest has it
	Digest      string         `json:"digest"`           // sha256:…
	Scope       string         `json:"scope"`            // series or sample
	Calls       int            `json:"calls"`            // as many records
	Changed     int            `json:"changed"`          // records that came back with another name, other labels or another value
	Dropped     int            `json:"dropped"`          // records that did not come back
	Made        int            `json:"made"`             // records beside those
	Failed      map[string]int `json:"failed,omitempty"` // records that were not transformed, by code; NotAsked: it was not called for them
	Fuel        uint64         `json:"fuel"`             // of all calls: the same on every machine
	Nanoseconds int64          `json:"nanoseconds"`      // of all calls: a hint, another on every machine and at every time
}

// FuelPerRecord is what one record cost.
func (u *TransformUse) FuelPerRecord() float64 { return float64(u.Fuel) / float64(max(u.Calls, 1)) }

// TransformChange is a transform that one of two programs has, or both.
type TransformChange struct {
	RuleAt
	Before       *TransformUse `json:"before,omitempty"` // nil: the program before has no such rule in force
	After        *TransformUse `json:"after,omitempty"`
	Otherwise    int           `json:"otherwise"`    // series that both gave to it, and that come out otherwise
	NewlyDropped int           `json:"newlyDropped"` // of these, those that it drops now
	NewlyFailed  int           `json:"newlyFailed"`  // of these, those that it fails for now
}

// NotAsked is the code of records that a plugin was not called for any more, since it
// had failed for so long before.
const NotAsked = "not-asked"

// Patience is how long the calls of one transform that fail may take in all, in one
// comparison: a plugin that never ends would hold one up for hours.
const Patience = 10 * time.Second

// fate is what became of a series in a transform.
type fate struct {
	rule            int32
	dropped, failed bool
	as              uint64 // hash of what it came out as
}

// tally counts what transforms do. The zero tally of a nil pointer counts nothing.
type tally struct {
	seed  maphash.Seed
	uses  map[int32]*TransformUse
	fates []fate // of the series that is decided about

	patience time.Duration
	failing  map[int32]time.Duration // what calls that failed took, by rule
}

func newTally(p *Program, seed maphash.Seed) *tally {
	t := &tally{seed: seed, uses: map[int32]*TransformUse{}, patience: Patience, failing: map[int32]time.Duration{}}
	for _, x := range p.Transforms() {
		about := x.Plugin.Plugin()
		u := &TransformUse{Name: about.Name, Version: about.Version, Digest: about.Digest, Scope: "series", Failed: map[string]int{}}
		if x.samples {
			u.Scope = "sample"
		}
		t.uses[x.Rule] = u
	}
	return t
}

// began returns the time, if anybody asks.
func (t *tally) began() (now time.Time) {
	if t != nil {
		now = time.Now()
	}
	return now
}

// spent says why a plugin is not called any more, nil as long as it is.
func (t *tally) spent(rule int32) error {
	if t == nil || t.failing[rule] <= t.patience {
		return nil
	}
	return &TransformError{Code: NotAsked, Message: fmt.Sprintf("its calls that failed took %v in all", t.patience), Transient: true}
}

// called counts a call that began at a time, and begins the fate of its series.
func (t *tally) called(rule int32, began time.Time, fuel uint64, err error) *fate {
	u := t.uses[rule]
	t.fates = append(t.fates, fate{rule: rule})
	f := &t.fates[len(t.fates)-1]
	if err != nil {
		f.failed = true
		u.Failed[codeOf(err)]++
		if codeOf(err) == NotAsked {
			return f
		}
		t.failing[rule] += time.Since(began)
	}
	u.Calls++
	u.Fuel += fuel
	u.Nanoseconds += time.Since(began).Nanoseconds()
	return f
}

// series counts what a plugin of scope series did.
func (t *tally) series(rule int32, began time.Time, d *draft, out *Transformed, err error) {
	if t == nil {
		return
	}
	f, u := t.called(rule, began, out.Fuel, err), t.uses[rule]
	switch {
	case err != nil:
	case out.Dropped:
		f.dropped = true
		u.Dropped++
	default:
		f.as = t.hash(out.Name, out.Labels, 1)
		if out.Name != d.name || !slices.Equal(out.Labels, d.labels) {
			u.Changed++
		}
	}
}

// sample counts what a plugin of scope sample made of one.
func (t *tally) sample(rule int32, began time.Time, in *Sample, out []SampleOut, fuel uint64, err error) {
	f, u := t.called(rule, began, fuel, err), t.uses[rule]
	switch {
	case err != nil:
	case len(out) == 0:
		f.dropped = true
		u.Dropped++
	default:
		s := &out[0]
		f.as = t.hash(s.Name, s.Labels, s.Value)
		u.Made += len(out) - 1
		if s.Name != in.Name || s.Value != in.Value || !slices.Equal(s.Labels, in.Labels) {
			u.Changed++
		}
	}
}

func (t *tally) hash(name string, labels metric.Labels, value float64) uint64 {
	s := half{seed: t.seed}
	return s.hash(name, labels) ^ math.Float64bits(value)*0x9e3779b97f4a7c15
}

func codeOf(err error) string {
	if e := (*TransformError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return "internal"
}

// transit takes a series through the transforms that wait for its samples.
func (s *half) transit(x *subject, c *candidates, v *Verdict) {
	for v.Disposition == ledger.Out && v.Transform != nil {
		t, was := v.Transform, *v
		in := Sample{Name: v.Name, Labels: v.Labels, Kind: x.Kind, Value: v.Scale}
		began := s.tally.began()
		out, fuel, err := []SampleOut(nil), uint64(0), s.tally.spent(t.Rule)
		if err == nil {
			out, fuel, err = t.Plugin.Samples([]Sample{in})
		}
		if err == nil && len(out) > 0 && out[0].Failed != nil {
			err = out[0].Failed
		}
		s.tally.sample(t.Rule, began, &in, out, fuel, err)
		switch {
		case t.Shadow > 0: // it is only tried
			out = []SampleOut{{Sample: in}}
		case err != nil:
			if !v.fail(t, err) {
				return
			}
			out = []SampleOut{{Sample: in}}
		case len(out) == 0:
			*v = Verdict{Disposition: ledger.Dropped, Rule: t.Rule}
			return
		}
		*v = s.program.after(x, c, t, out[0].Name, out[0].Labels, nil)
		v.Step, v.Shed = was.Step, was.Shed
		if f := v.Scale * out[0].Value; !math.IsNaN(f) && !math.IsInf(f, 0) {
			v.Scale = f
		}
	}
}

// fates compares what became of a series in the transforms that both sides have.
func (d *Differ) fates(a, b *judged) {
	for i := range b.fates {
		ref := d.after.ref(b.fates[i].rule)
		k := slices.IndexFunc(a.fates, func(f fate) bool { return d.before.ref(f.rule) == ref })
		if k < 0 {
			continue
		}
		was, is := a.fates[k], b.fates[i]
		if was.dropped == is.dropped && was.failed == is.failed && was.as == is.as {
			continue
		}
		n := newIn(d.otherwise, ref)
		n.Otherwise++
		if is.dropped && !was.dropped {
			n.NewlyDropped++
		}
		if is.failed && !was.failed {
			n.NewlyFailed++
		}
	}
}

// Transforms lists the transforms of both programs, by team and name.
func (d *Differ) Transforms() []TransformChange {
	all := map[entryRef]*TransformChange{}
	for _, side := range []*half{&d.before, &d.after} {
		for rule, u := range side.tally.uses {
			ref := side.ref(rule)
			c := all[ref]
			if c == nil {
				c = &TransformChange{}
				if n := d.otherwise[ref]; n != nil {
					*c = *n
				}
				all[ref] = c
			}
			c.RuleAt = *side.at(rule)
			if side == &d.before {
				c.Before = u
			} else {
				c.After = u
			}
		}
	}
	out := make([]TransformChange, 0, len(all))
	for _, c := range slices.Collect(maps.Values(all)) {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b TransformChange) int { return cmp.Compare(a.Rule, b.Rule) })
	return out
}
