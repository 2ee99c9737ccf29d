package program

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Plugins makes the plugins of transforms ready. Compile asks once per rule.
type Plugins interface {
	// Open returns the plugin of a rule, ready with its config. What it opens is its
	// to close, after the program. The error says for people why there is none.
	Open(rule *policy.Transform) (Transformer, error)
}

// Transformer is a plugin, ready with the config of one rule. It is safe for
// concurrent use.
type Transformer interface {
	// Plugin says what it is.
	Plugin() Plugin

	// Series gives what becomes of a series: a pure function of name and labels. It
	// is asked once per series, not per sample, and for a plugin of scope series
	// only. The labels are not to be changed; those returned are sorted and may be
	// the same. An error is a *TransformError.
	//
	// Ask answers a question with the same: neither what it costs nor its failures
	// count for live traffic, which a plugin that fails too often is kept from.
	Series(name string, labels metric.Labels) (Transformed, error)
	Ask(name string, labels metric.Labels) (Transformed, error)

	// Samples gives what becomes of samples, for a plugin of scope sample. It is for
	// questions, as Ask is; the engine has a way of its own. fuel is what they
	// cost, alike on every machine. An error is a *TransformError and about all of them.
	Samples(in []Sample) (out []SampleOut, fuel uint64, err error)
}

// Plugin describes a plugin, as its manifest does.
type Plugin struct {
	Name, Version string
	Digest        string   // sha256:…
	Reads         []string // labels that it needs; "*": all
	Writes        []string // labels that it sets or takes away; "*": all
	Renames       bool     // it may give series another name
	Drops         bool     // it may end series or samples
	Values        bool     // it may change values
	Emits         bool     // it may make samples
}

// Transformed is a series that a plugin has seen.
type Transformed struct {
	Name    string
	Labels  metric.Labels
	Dropped bool
	Fuel    uint64 // what it cost, alike on every machine; also where the plugin failed
}

// Sample is one value of a series.
type Sample struct {
	Name   string
	Labels metric.Labels
	Kind   metric.Kind
	Time   int64 // Unix milliseconds
	Value  float64
}

// SampleOut is a sample that a plugin let through or made, or one that it failed for.
type SampleOut struct {
	Sample
	Source int // index of the sample given that it is, or was made of
	Failed *TransformError
}

// TransformError says why a plugin did not transform something.
type TransformError struct {
	Code      string // word of the plugin interface: trap, deadline, record-failed, …
	Message   string
	Transient bool // it may work the next time: too slow, or resting after failures
}

func (e *TransformError) Error() string { return e.Code + ": " + e.Message }

// OnError says what becomes of a series or sample that a transform fails for.
type OnError uint8

// The policies of failure.
const (
	Quarantine   OnError = iota // it is put aside with the dead letters
	DropFailed                  // it ends, dropped by the rule
	PassFailed                  // it goes on as if the rule were not there
	StopOnFailed                // the partition stops before it
)

var onErrors = map[string]OnError{"quarantine": Quarantine, "drop": DropFailed, "pass": PassFailed, "stop": StopOnFailed}

// Transform is a rule of the section transform.
type Transform struct {
	Rule    int32 // index in Program.Rules
	ID      RuleID
	Plugin  Transformer
	OnError OnError
	Shadow  float64 // share of batches on which it is only tried; 0: it is in earnest
	samples bool    // its scope is sample
}

// TransformFailure is a transform that failed for a series.
type TransformFailure struct {
	Rule    int32 // index in Program.Rules
	Plugin  Plugin
	OnError OnError
	TransformError
}

// transform compiles a transform.
func (c *compiler) transform(v *policy.Transform, e *sectionEntry) {
	r := c.ordered(&v.Ordered, e, cmp.Or(v.Scope, "series"))
	t := &Transform{
		Rule: int32(len(c.rules) - 1), ID: r.ID, OnError: lookup(c, v.OnError, e.in(".onError"), onErrors),
		Shadow: v.Shadow, samples: v.Scope == "sample",
	}
	r.transform = t
	if r.Inert != "" {
		return
	}
	err := errors.New("there are no plugins here")
	if c.plugins != nil {
		t.Plugin, err = c.plugins.Open(v)
	}
	if err != nil {
		c.fail(diag.PluginFailed, e.in(".plugin"), fmt.Sprintf("plugin %s: %v", v.Plugin, err), "")
		return
	}
	p := t.Plugin.Plugin()
	r.touches = slices.Concat(p.Reads, p.Writes)
}

// Transforms lists the transforms in force, in order.
func (p *Program) Transforms() (all []*Transform) {
	for i := p.degrades; i < p.rewrites; i++ {
		if r := &p.rules[i]; r.transform != nil && r.Inert == "" {
			all = append(all, r.transform)
		}
	}
	return all
}

// transform applies a transform whose scope is series. False says that the series
// ends, as v says.
func (d *draft) transform(t *Transform, v *Verdict, x *subject) bool {
	counts := x.memo.counts()
	began := counts.began()
	out, err := Transformed{}, counts.spent(t.Rule)
	if err == nil {
		out, err = t.series(d, x.live)
	}
	counts.series(t.Rule, began, d, &out, err)
	switch {
	case err != nil:
		return v.fail(t, err)
	case out.Dropped:
		*v = Verdict{Disposition: ledger.Dropped, Rule: t.Rule}
		return false
	}
	d.name, d.labels = out.Name, slices.Clone(out.Labels)
	return true
}

func (t *Transform) series(d *draft, live bool) (Transformed, error) {
	if live {
		return t.Plugin.Series(d.name, d.labels)
	}
	return t.Plugin.Ask(d.name, d.labels)
}

// fail notes that a transform failed for the series; false says that it ends.
func (v *Verdict) fail(t *Transform, err error) bool {
	f := &TransformFailure{Rule: t.Rule, Plugin: t.Plugin.Plugin(), OnError: t.OnError}
	if e := (*TransformError)(nil); errors.As(err, &e) {
		f.TransformError = *e
	} else {
		f.TransformError = TransformError{Code: "internal", Message: err.Error()}
	}
	switch t.OnError {
	case PassFailed:
		v.Failure = f
		return true
	case DropFailed:
		*v = Verdict{Disposition: ledger.Dropped, Rule: t.Rule, Failure: f}
	default:
		*v = Verdict{Disposition: ledger.Quarantined, Rule: t.Rule, Failure: f}
	}
	return false
}

// After decides about a series that came out of a transform of scope sample, by
// what comes behind the transform: later rewrites and transforms, the aggregate, the
// budgets. in is the series as it was reported, name and labels are as the plugin
// left them; labels are not kept. Scale is that of the later rewrites alone: those
// before the transform have been applied to what the plugin was given. The verdict
// has no Step and is never shed, which comes before. It is asked once per series
// that comes out of live traffic, not per sample.
func (p *Program) After(t *Transform, in Input, name string, labels metric.Labels, byName, bySource Filter) Verdict {
	x, c := p.subject(in, byName, bySource)
	x.live = true
	return p.after(&x, &c, t, name, labels, nil)
}

func (p *Program) after(x *subject, c *candidates, t *Transform, name string, labels metric.Labels, rec *recorder) Verdict {
	v := Verdict{Rule: p.decide(x, c, nil)}
	if v.Rule != NoRule {
		v.To, v.Topic = p.rules[v.Rule].control.sinks, p.rules[v.Rule].control.topic
	}
	d := draft{name: name, labels: slices.Clone(labels).Compact(), scale: 1}
	if p.rewriteFrom(int(t.Rule)+1, x, c, &d, &v, rec) {
		p.finish(x, c, &v, rec)
	}
	return v
}
