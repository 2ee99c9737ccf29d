package program

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// TestResult is the outcome of one entry of a test section.
type TestResult struct {
	ID       RuleID    // team/name
	Pos      diag.Pos  // where the test was written, if known
	Samples  int       // how many were given
	Failures []Failure // what is not as expected; none: the test passes
	Covered  []int32   // rules that decided or changed something, as indexes into Program.Rules, in order

	// Seen is what came of the samples, written as what a test would expect.
	Seen policy.TestExpect
}

// RunTests runs the tests of the set that p was compiled from, on a clock of
// their own that starts at the Unix epoch. classify gives the origin of a metric
// for which a test names none.
//
// A test is a small engine: every sample is decided about by Explain, so by the
// interpreter that runs, then by the steps. What steps hold goes on at the end.
func RunTests(p *Program, set *policy.Set, classify func(scope, metric string) metric.Origin) []TestResult {
	var out []TestResult
	by := func(policy.Test) (rank, order int) { return 0, 0 }
	for _, e := range inOrder(set, p.from, "test", func(t *policy.Team) map[string]policy.Test { return t.Test }, by) {
		test := e.of.Test[e.name]
		r := p.TryTest(&test, e.team, classify)
		r.ID, r.Pos = e.id(), e.pos
		out = append(out, r)
	}
	return out
}

// TryTest runs one test of a team that the set need not have.
func (p *Program) TryTest(test *policy.Test, team string, classify func(scope, metric string) metric.Origin) TestResult {
	t := trial{program: p, team: team, covered: map[int32]bool{}, series: map[string]*tried{}, buckets: map[neckKey]*Bucket{}, merging: newMerging(), products: map[string]*tried{}}
	r := TestResult{Samples: len(test.Given)}
	step, ok := ladder.ParseStep(cmp.Or(test.Step, ladder.P0.String()))
	if !ok {
		r.Failures = append(r.Failures, Failure{Message: fmt.Sprintf("step %q is none of P0, P1, P2, P3", test.Step), Rule: NoRule})
	}
	t.shedding = p.Shedding(step)
	for i := range test.Given {
		if err := t.sample(&test.Given[i], classify); err != nil {
			r.Failures = append(r.Failures, Failure{Message: fmt.Sprintf("given[%d]: %v", i, err), Rule: NoRule})
		}
	}
	if len(r.Failures) == 0 {
		t.end()
		r.Failures = t.compare(&test.Expect)
		r.Seen = t.seen()
	}
	r.Covered = slices.Sorted(maps.Keys(t.covered))
	return r
}

// trial is one test while it runs.
type trial struct {
	program *Program
	team    string
	covered map[int32]bool
	series  map[string]*tried // as reported
	order   []*tried          // by first sample
	buckets map[neckKey]*Bucket
	given   []*tried             // the series of each sample given
	samples []ledger.Disposition // what became of each
	merging merging

	products map[string]*tried // series that came out of transforms

	shedding uint16 // up to which Verdict.Shed series are given up
}

// tried is a series of a test, as reported, and what became of it.
type tried struct {
	in       Input
	verdict  Verdict
	window   Window
	held     float64
	heldAt   int // number of the sample held
	heldTime int64
	came     bool // a sample went out
	value    float64
	stopped  ledger.Disposition // of the last sample that did not, or Out
	rule     int32              // that decided about the last sample, or NoRule

	charged bool    // budgets have been asked
	refused *Charge // the budget without room; nil: none
	failure string  // why a transform failed for the last sample; "": it did not
	over    *Merge  // its overflow
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
		e.rule = e.verdict.Rule
		if f := e.verdict.Failure; f != nil {
			e.failure = f.TransformError.Error()
		}
		t.series[key], t.order = e, append(t.order, e)
		for _, ev := range events {
			if ev.Mismatch == "" && ev.Changed() && t.program.rules[ev.Rule].degrade == nil { // which the step decides
				t.covered[ev.Rule] = true
			}
		}
		for _, tag := range t.program.Task(in.Task, in.Labels.Get(jobLabel)).Tags {
			t.covered[tag.Rule] = true
		}
	}
	t.given, t.samples = append(t.given, e), append(t.samples, ledger.Out)
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
	v, n := &e.verdict, len(t.samples)-1
	if v.Disposition != ledger.Out {
		e.stopped, t.samples[n] = v.Disposition, v.Disposition
		return
	}
	if v.Shed-1 < t.shedding { // 0 is the largest number then
		e.rule = t.program.ShedBy(v.Shed)
		t.covered[e.rule] = true
		e.stopped, t.samples[n] = ledger.Shed, ledger.Shed
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
		case Replace:
			t.samples[e.heldAt] = ledger.Thinned
			fallthrough
		case Hold:
			e.held, e.heldAt, e.heldTime = value, n, ts
			return
		case Rotate:
			value, e.held = e.held, value
			n, e.heldAt = e.heldAt, n
			ts, e.heldTime = e.heldTime, ts
		}
	}
	if !pass {
		e.stopped = v.Step.Kind.Disposition()
		t.samples[n] = e.stopped
		return
	}
	t.goOn(e, n, ts, value)
}

// bucket returns the bucket that a limit counts the series in.
func (t *trial) bucket(e *tried) *Bucket {
	key := neckKey{rule: e.verdict.Rule}
	switch e.verdict.Step.Per {
	case PerTask:
		key.key = e.in.Task
	case PerSeries:
		key.key = e.in.Task + "\x00" + e.in.Name + e.in.Labels.String()
	}
	return newIn(t.buckets, key)
}

// end lets what steps hold go on, and closes the windows of aggregates.
func (t *trial) end() {
	for _, e := range t.order {
		if e.window.Flush() {
			t.goOn(e, e.heldAt, e.heldTime, e.held)
		}
	}
	t.merging.close()
}
