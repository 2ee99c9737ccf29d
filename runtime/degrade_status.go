package runtime

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// DegradeStatus is what an instance gives up under overload, and why: the JSON of
// /api/v1/degrade.
type DegradeStatus struct {
	Step      string           `json:"step"`                // in force: P0 (nothing), P3, P2 or P1
	Since     time.Time        `json:"since,omitzero"`      // when the step came into force
	Cause     *DegradeCause    `json:"cause,omitempty"`     // of an automatic step
	Hand      *DegradeHand     `json:"by_hand,omitempty"`   // set while a step is
	Automatic string           `json:"automatic,omitempty"` // the step that it would be without
	Measures  []DegradeMeasure `json:"measures"`
	Rules     []DegradeRule    `json:"rules"` // in the order in which they give up
}

// DegradeCause is the bound that was passed.
type DegradeCause struct {
	Measure string  `json:"measure"` // memory, memory_bytes, cpu or lag
	Value   float64 `json:"value"`   // when it was passed
	Bound   float64 `json:"bound"`   // that was passed, in the unit of the measure
}

// DegradeHand is a step that somebody has set.
type DegradeHand struct {
	Step   string    `json:"step"`         // P0, P1, P2 or P3
	Until  time.Time `json:"until"`        // when the measures decide again
	Reason string    `json:"reason"`       // in the words of who set it
	By     string    `json:"by,omitempty"` // who set it
}

// DegradeMeasure is a measure and its bounds: memory and cpu as shares,
// memory_bytes in bytes, lag in seconds.
type DegradeMeasure struct {
	Measure string             `json:"measure"`          // memory, memory_bytes, cpu or lag
	Value   *float64           `json:"value,omitempty"`  // unknown without
	Bounds  map[string]float64 `json:"bounds,omitempty"` // by step
}

// Format writes a value of the measure, or a bound on it, for people.
func (d DegradeMeasure) Format(v float64) string { return formatMeasure(d.Measure, v) }

// Text says in a few words which bound was passed.
func (c DegradeCause) Text() string {
	return fmt.Sprintf("%s %s is above %s", c.Measure, formatMeasure(c.Measure, c.Value), formatMeasure(c.Measure, c.Bound))
}

func formatMeasure(name string, v float64) string {
	for m := range ladder.Measures {
		if m.String() == name {
			return m.Format(v)
		}
	}
	return fmt.Sprint(v)
}

// DegradeRule is a rule of the degrade section that is in force.
type DegradeRule struct {
	Rule     string `json:"rule"`     // team/name, as section:team/name where two sections have that
	Priority string `json:"priority"` // the step from which on it gives up
	Action   string `json:"action"`   // drop or sample
	Shedding bool   `json:"shedding"` // at this moment
	Samples  uint64 `json:"samples"`  // given up since the instance started
}

// DegradeStatus tells where degradation stands. Without a degrade rule in force it
// has no rules.
func (r *Runtime) DegradeStatus() *DegradeStatus {
	d := r.degradation
	d.mu.Lock()
	defer d.mu.Unlock()
	auto, since, cause := d.control.Step()
	s := &DegradeStatus{Step: auto.String(), Since: since, Measures: []DegradeMeasure{}, Rules: []DegradeRule{}}
	if h := d.control.Hand(); h != nil {
		s.Step, s.Since, s.Automatic = h.Step.String(), h.Set, auto.String()
		s.Hand = &DegradeHand{h.Step.String(), h.Until, h.Reason, h.By}
	} else if cause.Bound > 0 {
		s.Cause = &DegradeCause{cause.Measure.String(), cause.Value, cause.Bound}
	}
	for m := range ladder.Measures {
		s.Measures = append(s.Measures, degradeMeasure(m, d.read[m], d.control.Plan()))
	}
	shed := r.shedSamples()
	for _, rule := range r.rev.Load().program.Rules() {
		if rule.Section != program.SectionDegrade || rule.Inert != "" {
			continue
		}
		step, _ := ladder.ParseStep(rule.Priority)
		s.Rules = append(s.Rules, DegradeRule{
			Rule: string(rule.Label), Priority: rule.Priority, Action: rule.Action,
			Shedding: step <= d.control.InForce(), Samples: shed[string(rule.Label)],
		})
	}
	return s
}

func degradeMeasure(m ladder.Measure, value float64, plan *ladder.Plan) DegradeMeasure {
	out := DegradeMeasure{Measure: m.String()}
	if !math.IsNaN(value) {
		out.Value = &value
	}
	for step, rung := range plan {
		if bound := rung.Bounds[m]; bound > 0 {
			if out.Bounds == nil {
				out.Bounds = map[string]float64{}
			}
			out.Bounds[ladder.Step(step).String()] = bound
		}
	}
	return out
}

// shedSamples counts what each rule gave up, over all streams.
func (r *Runtime) shedSamples() map[string]uint64 {
	out := map[string]uint64{}
	for rule, n := range r.ruleSamples() {
		if rule.Disposition == ledger.Shed {
			out[rule.ID] = n
		}
	}
	return out
}

// degradeInstruments feeds the metrics of degradation.
func (r *Runtime) degradeInstruments() {
	m := r.metrics
	m.DegradeStep.Collect(func(emit func(float64, ...string)) { emit(float64(r.degradation.inForce())) })
	m.DegradeMeasure.Collect(func(emit func(float64, ...string)) {
		d := r.degradation
		d.mu.Lock()
		defer d.mu.Unlock()
		for i, v := range d.read {
			if !math.IsNaN(v) {
				emit(v, ladder.Measure(i).String())
			}
		}
	})
	m.ShedSamples.Collect(func(emit func(uint64, ...string)) {
		for rule, n := range r.shedSamples() {
			emit(n, rule)
		}
	})
}
