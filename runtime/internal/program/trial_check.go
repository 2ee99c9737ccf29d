package program

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Failure is one thing that is not as a test expects.
type Failure struct {
	Message string // in one line

	// The same in parts, where the failure is about a series.
	Series   string // as it was expected to come out, or as it did, in PromQL notation
	Expected string
	Got      string
	Rule     int32  // that decided, or NoRule
	Input    *Input // the series as reported, nil when none was given
}

// String is the message.
func (f Failure) String() string { return f.Message }

// outcome is a series that came out of a test.
type outcome struct {
	name   string
	labels metric.Labels
	value  float64
	to     []string // sinks and streams of a route, sorted; nil: the default sinks
	from   *tried   // the last series that became it
}

func (o *outcome) key() string { return o.name + o.labels.String() }

// outcomes are the series that came out; of several that are one, the later wins,
// as in a store.
func (t *trial) outcomes() map[string]*outcome {
	out := map[string]*outcome{}
	for _, e := range t.order {
		if e.came && e.verdict.Transform == nil {
			o := &outcome{name: e.verdict.Name, labels: e.verdict.Labels, value: e.value, to: t.to(e), from: e}
			out[o.key()] = o
		}
	}
	for _, c := range t.merging.order {
		if c.came {
			o := t.outcomeOf(c)
			out[o.key()] = o
		}
	}
	return out
}

// compare says what is not as expected.
func (t *trial) compare(want *policy.TestExpect) []Failure {
	return slices.Concat(t.checkKept(want.Kept), t.checkDropped(want.Dropped), t.checkSamples(want.Samples))
}

// checkKept compares what came out with what was expected. Without expectations
// anything may come out.
func (t *trial) checkKept(want []policy.TestSeries) (failures []Failure) {
	if want == nil {
		return nil
	}
	out := t.outcomes()
	for i := range want {
		key := ExpectedKey(&want[i])
		o := out[key]
		if o == nil {
			failures = append(failures, t.missing(key, want[i].Metric))
			continue
		}
		delete(out, key)
		if v := want[i].Value; v != nil && *v != o.value {
			failures = append(failures, t.failure(o.from, key, fmt.Sprintf("the value %v", *v), fmt.Sprintf("the value %v", o.value),
				fmt.Sprintf("%s has the value %v, not %v", key, o.value, *v)))
		}
		if to := want[i].To; to != nil && !slices.Equal(slices.Sorted(slices.Values(to)), o.to) {
			failures = append(failures, t.failure(o.from, key, fmt.Sprintf("goes to %v", to), fmt.Sprintf("goes to %v", o.to),
				fmt.Sprintf("%s goes to %v, not to %v", key, o.to, to)))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(out)) {
		e := out[key].from
		failures = append(failures, t.failure(e, key, "no other series", "came out"+t.by(e), key+" came out and is not among kept"+t.by(e)))
	}
	return failures
}

// ExpectedKey is a series that a test expects, in PromQL notation: no two that are
// different have the same.
func ExpectedKey(s *policy.TestSeries) string {
	labels := metric.Labels{}.Set(metric.TaskLabel, s.Task)
	for name, value := range s.Labels {
		labels = labels.Set(name, value)
	}
	return s.Metric + labels.String()
}

// failure is about a series that was given; e may be nil.
func (t *trial) failure(e *tried, series, expected, got, message string) Failure {
	f := Failure{Message: message, Series: series, Expected: expected, Got: got, Rule: NoRule}
	if e != nil {
		f.Rule, f.Input = e.rule, &e.in
	}
	return f
}

// missing tells what became of series with this name instead.
func (t *trial) missing(key, name string) Failure {
	message := key + " did not come out"
	for _, e := range t.order {
		switch {
		case e.came && e.verdict.Name == name:
			did := name + e.verdict.Labels.String()
			return t.failure(e, key, "comes out", did+" came out", message+"; "+did+" did")
		case !e.came && e.in.Name == name:
			ended := fmt.Sprintf("%s%s", e.stopped, t.by(e))
			return t.failure(e, key, "comes out", ended, message+"; it ended as "+ended)
		}
	}
	return t.failure(nil, key, "comes out", "no such series", message)
}

// to lists where a route sent a series, none for the default sinks.
func (t *trial) to(e *tried) []string {
	if e.verdict.Rule == NoRule {
		return nil
	}
	return slices.Sorted(slices.Values(t.program.rules[e.verdict.Rule].control.to))
}

func (t *trial) by(e *tried) string {
	if e.rule == NoRule {
		return ""
	}
	if e.failure != "" {
		return fmt.Sprintf(" (rule %s, whose plugin fails: %s)", t.program.rules[e.rule].ID, e.failure)
	}
	return fmt.Sprintf(" (rule %s)", t.program.rules[e.rule].ID)
}

// checkDropped asks for each expectation that a series of the name did not come
// out at all, and which rule stopped it.
func (t *trial) checkDropped(want []policy.TestDropped) (failures []Failure) {
	for i := range want {
		w := &want[i]
		by := RuleID(w.By)
		if !strings.Contains(w.By, "/") {
			by = RuleID(t.team + "/" + w.By)
		}
		var last *tried
		got := "was not given"
		for _, e := range t.order {
			if !about(w, &e.in) {
				continue
			}
			last = e
			switch {
			case e.came:
				got = "came out" + t.by(e)
			case e.rule == NoRule || t.program.rules[e.rule].ID != by:
				got = "ended as " + e.stopped.String() + t.by(e)
			default:
				got = ""
			}
			if got == "" {
				break
			}
		}
		if got != "" {
			series := w.Metric
			if last != nil {
				series += last.in.Labels.String()
			}
			failures = append(failures, t.failure(last, series, "stopped by "+string(by), got,
				fmt.Sprintf("%s is not stopped by %s: it %s", w.Metric, by, got)))
		}
	}
	return failures
}

// about reports whether an expectation means a series.
func about(w *policy.TestDropped, in *Input) bool {
	if in.Name != w.Metric || w.Task != "" && in.Task != w.Task {
		return false
	}
	for name, value := range w.Labels {
		if in.Labels.Get(name) != value {
			return false
		}
	}
	return true
}

// checkSamples compares what became of each sample.
func (t *trial) checkSamples(want []string) (failures []Failure) {
	if want == nil {
		return nil
	}
	if len(want) != len(t.samples) {
		message := fmt.Sprintf("samples has %d words, but %d samples are given", len(want), len(t.samples))
		return []Failure{{Message: message, Rule: NoRule}}
	}
	for i, got := range t.samples {
		if want[i] != got.String() {
			e := t.given[i]
			failures = append(failures, t.failure(e, e.in.Name+e.in.Labels.String(), want[i], got.String()+t.by(e),
				fmt.Sprintf("given[%d], %s, is %s, not %s%s", i, e.in.Name, got, want[i], t.by(e))))
		}
	}
	return failures
}

// seen writes what happened as expectations that would hold.
func (t *trial) seen() policy.TestExpect {
	x := policy.TestExpect{Kept: []policy.TestSeries{}, Dropped: []policy.TestDropped{}}
	out := t.outcomes()
	for _, e := range t.order { // in the order of the samples, each series once
		o := out[e.verdict.Name+e.verdict.Labels.String()]
		if o != nil && o.from == e {
			x.Kept = append(x.Kept, o.expectation())
			delete(out, o.key())
		}
		if !e.came && e.rule != NoRule {
			x.Dropped = append(x.Dropped, t.dropped(e))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(out)) {
		x.Kept = append(x.Kept, out[key].expectation())
	}
	for _, d := range t.samples {
		x.Samples = append(x.Samples, d.String())
	}
	return x
}

func (o *outcome) expectation() policy.TestSeries {
	s := policy.TestSeries{Metric: o.name, To: o.to, Value: &o.value}
	for _, l := range o.labels {
		if l.Name == metric.TaskLabel {
			s.Task = l.Value
			continue
		}
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Labels[l.Name] = l.Value
	}
	return s
}

// dropped is the expectation that e ends as it did. Rules of the test's own team
// go by their name.
func (t *trial) dropped(e *tried) policy.TestDropped {
	by := string(t.program.rules[e.rule].ID)
	d := policy.TestDropped{Metric: e.in.Name, Task: e.in.Task, By: strings.TrimPrefix(by, t.team+"/")}
	for _, other := range t.order {
		if other != e && about(&d, &other.in) {
			d.Labels = map[string]string{}
			for _, l := range e.in.Labels {
				if l.Name != metric.TaskLabel {
					d.Labels[l.Name] = l.Value
				}
			}
		}
	}
	return d
}
