package program

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// TestResult is the outcome of one entry of a test section.
type TestResult struct {
	ID       RuleID   // team/name
	Pos      diag.Pos // where the test was written, if known
	Failures []string // what is not as expected; none: the test passes
	Covered  []int32  // rules that decided or changed something, as indexes into Program.Rules, in order
}

// RunTests runs the tests of the set that p was compiled from, on a clock of
// their own that starts at the Unix epoch. classify gives the origin of a metric
// for which a test names none.
//
// A test is a small engine: every sample is decided about by Explain, so by the
// interpreter that runs, then by the steps. What steps hold goes on at the end.
func RunTests(p *Program, set *policy.Set, classify func(scope, metric string) metric.Origin) []TestResult {
	var out []TestResult
	compare := func(a, b *named[policy.Test]) int {
		return cmp.Or(cmp.Compare(a.team, b.team), cmp.Compare(a.name, b.name))
	}
	for _, e := range inOrder(set, func(t *policy.Team) map[string]policy.Test { return t.Test }, compare) {
		t := trial{program: p, team: e.team, covered: map[int32]bool{}, series: map[string]*tried{}, buckets: map[string]*Bucket{}}
		r := TestResult{ID: RuleID(e.team + "/" + e.name), Pos: place(p.from, e.team+".test."+e.name)}
		for i := range e.value.Given {
			if err := t.sample(&e.value.Given[i], classify); err != nil {
				r.Failures = append(r.Failures, fmt.Sprintf("given[%d]: %v", i, err))
			}
		}
		if len(r.Failures) == 0 {
			t.end()
			r.Failures = append(t.checkKept(e.value.Expect.Kept), t.checkDropped(e.value.Expect.Dropped)...)
		}
		r.Covered = slices.Sorted(maps.Keys(t.covered))
		out = append(out, r)
	}
	return out
}

// trial is one test while it runs.
type trial struct {
	program *Program
	team    string
	covered map[int32]bool
	series  map[string]*tried // as reported
	order   []*tried          // by first sample
	buckets map[string]*Bucket
}

// tried is a series of a test, as reported, and what became of it.
type tried struct {
	in      Input
	verdict Verdict
	window  Window
	held    float64
	came    bool // a sample went out
	value   float64
	stopped ledger.Disposition // of the last sample that did not, or Out
}

func (t *trial) sample(s *policy.TestInput, classify func(scope, metric string) metric.Origin) error {
	in, err := input(s, classify)
	if err != nil {
		return err
	}
	at, err := policy.ParseDuration(cmp.Or(s.At, "0s"))
	if err != nil {
		return fmt.Errorf("at: %w", err)
	}
	key := in.Task + "\x00" + in.Name + in.Labels.String()
	e := t.series[key]
	if e == nil {
		var events []Event
		e = &tried{in: in}
		e.verdict, events = t.program.Explain(in)
		t.series[key], t.order = e, append(t.order, e)
		for _, ev := range events {
			if ev.Mismatch == "" && ev.changed() {
				t.covered[ev.Rule] = true
			}
		}
	}
	t.step(e, at.Milliseconds(), s.Value*e.verdict.Scale)
	return nil
}

func input(s *policy.TestInput, classify func(scope, metric string) metric.Origin) (Input, error) {
	kind, ok := metric.ParseKind(s.Kind)
	if !ok {
		return Input{}, fmt.Errorf("kind %q is none of counter, gauge, meter, histogram", s.Kind)
	}
	origin, ok := metric.ParseOrigin(s.Origin)
	if !ok {
		origin = classify(s.Scope, s.Metric)
	}
	labels := metric.Labels{}.Set(metric.TaskLabel, s.Task)
	for name, value := range s.Labels {
		labels = labels.Set(name, value)
	}
	return Input{Task: s.Task, Name: metric.SeriesName(s.Scope, s.Metric), Kind: kind, Origin: origin, Labels: labels}, nil
}

// step takes a sample as the engine does.
func (t *trial) step(e *tried, ts int64, value float64) {
	v := &e.verdict
	if v.Disposition != ledger.Out {
		e.stopped = v.Disposition
		return
	}
	pass := true
	switch v.Step.Kind {
	case SampleStep:
		pass = v.Step.Passes(ts)
	case LimitStep:
		pass = t.bucket(e).Take(&v.Step, ts)
	case ThinStep:
		switch e.window.Offer(&v.Step, ts, value) {
		case Stop:
			pass = false
		case Hold, Replace:
			e.held = value
			return
		case Rotate:
			value, e.held = e.held, value
		}
	}
	if !pass {
		e.stopped = v.Step.Kind.Disposition()
		return
	}
	e.came, e.value = true, value
}

// bucket returns the bucket that a limit counts the series in.
func (t *trial) bucket(e *tried) *Bucket {
	key := fmt.Sprint(e.verdict.Rule)
	switch e.verdict.Step.Per {
	case PerTask:
		key += e.in.Task
	case PerSeries:
		key += e.in.Task + "\x00" + e.in.Name + e.in.Labels.String()
	}
	if t.buckets[key] == nil {
		t.buckets[key] = &Bucket{}
	}
	return t.buckets[key]
}

// end lets what steps hold go on.
func (t *trial) end() {
	for _, e := range t.order {
		if e.window.Flush() {
			e.came, e.value = true, e.held
		}
	}
}

// checkKept compares what came out with what was expected. Without expectations
// anything may come out.
func (t *trial) checkKept(want []policy.TestSeries) (failures []string) {
	if want == nil {
		return nil
	}
	out := map[string]*tried{} // later series of one identity win, as in a store
	for _, e := range t.order {
		if e.came {
			out[e.verdict.Name+e.verdict.Labels.String()] = e
		}
	}
	for _, w := range want {
		labels := metric.Labels{}.Set(metric.TaskLabel, w.Task)
		for name, value := range w.Labels {
			labels = labels.Set(name, value)
		}
		key := w.Metric + labels.String()
		e := out[key]
		if e == nil {
			failures = append(failures, key+" did not come out"+t.hint(w.Metric))
			continue
		}
		delete(out, key)
		if w.Value != nil && *w.Value != e.value {
			failures = append(failures, fmt.Sprintf("%s has the value %v, not %v", key, e.value, *w.Value))
		}
		if to := t.to(e); w.To != nil && !slices.Equal(slices.Sorted(slices.Values(w.To)), to) {
			failures = append(failures, fmt.Sprintf("%s goes to %v, not to %v", key, to, w.To))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(out)) {
		failures = append(failures, key+" came out and is not among kept"+t.by(out[key]))
	}
	return failures
}

// to lists where a route sent a series, none for the default sinks.
func (t *trial) to(e *tried) []string {
	if e.verdict.Rule == NoRule {
		return nil
	}
	return slices.Sorted(slices.Values(t.program.rules[e.verdict.Rule].control.to))
}

// hint tells what became of series with this name instead.
func (t *trial) hint(name string) string {
	for _, e := range t.order {
		switch {
		case e.came && e.verdict.Name == name:
			return "; " + name + e.verdict.Labels.String() + " did"
		case !e.came && e.in.Name == name:
			return fmt.Sprintf("; it ended as %s%s", e.stopped, t.by(e))
		}
	}
	return ""
}

func (t *trial) by(e *tried) string {
	if e.verdict.Rule == NoRule {
		return ""
	}
	return fmt.Sprintf(" (rule %s)", t.program.rules[e.verdict.Rule].ID)
}

// checkDropped asks for each expectation that a series of the name did not come
// out at all, and which rule stopped it.
func (t *trial) checkDropped(want []policy.TestDropped) (failures []string) {
	for _, w := range want {
		by := w.By
		if !strings.Contains(by, "/") {
			by = t.team + "/" + by
		}
		verdict := "was not given"
		for _, e := range t.order {
			if e.in.Name != w.Metric || w.Task != "" && e.in.Task != w.Task {
				continue
			}
			switch {
			case e.came:
				verdict = "came out" + t.by(e)
			case e.verdict.Rule == NoRule || t.program.rules[e.verdict.Rule].ID != RuleID(by):
				verdict = "ended as " + e.stopped.String() + t.by(e)
			default:
				verdict = ""
			}
			if verdict == "" {
				break
			}
		}
		if verdict != "" {
			failures = append(failures, fmt.Sprintf("%s is not stopped by %s: it %s", w.Metric, by, verdict))
		}
	}
	return failures
}
