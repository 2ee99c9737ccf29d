package program

import (
	"errors"
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
)

// transform passes sample n through the transform that its series waits for, and
// what comes out goes on: it returns what became of the sample.
func (t *trial) transform(e *tried, n int, ts int64, value float64) ledger.Disposition {
	x, v := e.verdict.Transform, &e.verdict
	t.covered[x.Rule] = true
	in := Sample{Name: v.Name, Labels: v.Labels, Kind: e.in.Kind, Time: ts, Value: value}
	out, _, err := x.Plugin.Samples([]Sample{in})
	if err == nil && len(out) > 0 && out[0].Failed != nil {
		err = out[0].Failed
	}
	switch {
	case err != nil && x.OnError == PassFailed:
		out = []SampleOut{{Sample: in}}
	case err != nil:
		d := ledger.Quarantined
		if x.OnError == DropFailed {
			d = ledger.Dropped
		}
		e.stopped, e.rule, e.failure = d, x.Rule, failureText(err)
		return d
	case len(out) == 0:
		e.stopped, e.rule = ledger.Dropped, x.Rule
		return ledger.Dropped
	}
	became := ledger.Dropped
	for i := len(out) - 1; i >= 0; i-- { // the first is the sample itself, if that came back
		s := &out[i]
		p := t.product(e, x, s)
		t.goOn(p, n, s.Time, s.Value*p.verdict.Scale)
		became = t.samples[n]
		e.came = e.came || p.came
		if e.stopped, e.rule = p.stopped, p.rule; p.came {
			e.stopped = ledger.Out
		}
	}
	return became
}

// product is the series that a sample came out of a transform as.
func (t *trial) product(e *tried, x *Transform, s *SampleOut) *tried {
	key := fmt.Sprint(x.Rule, " ", s.Name, s.Labels, " ", e.in.Task, e.in.Name, e.in.Labels)
	p := t.products[key]
	if p == nil {
		about := t.program.alone(e.in)
		var rec recorder
		p = &tried{in: e.in, verdict: t.program.after(&about, &candidates{}, x, s.Name, s.Labels, &rec)}
		p.rule = p.verdict.Rule
		for _, ev := range rec.events {
			if ev.Mismatch == "" && ev.Changed() {
				t.covered[ev.Rule] = true
			}
		}
		t.products[key], t.order = p, append(t.order, p)
	}
	return p
}

func failureText(err error) string {
	if f := (*TransformError)(nil); errors.As(err, &f) {
		return f.Error()
	}
	return err.Error()
}
