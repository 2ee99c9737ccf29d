package transform

import (
	"errors"
	"testing"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// However often a plugin fails for questions, live traffic goes on through it, and its
// counts tell of live traffic alone.
func TestQuestionsAreApartFromLiveTraffic(t *testing.T) {
	p, refs := stored(t)
	asked, live := open(t, p, refs["trap.wasm"]), open(t, p, refs["trap.wasm"])
	code := func(err error) string {
		var failed *program.TransformError
		errors.As(err, &failed)
		return failed.Code
	}
	trap := labels("user", "ann")
	for range 20 {
		if _, err := asked.Ask("m", trap); code(err) != "trap" {
			t.Fatalf("a question is not answered: %v", err)
		}
		if out, _, err := asked.Samples([]program.Sample{{Name: "m", Labels: trap, Kind: metric.Gauge}}); err != nil || len(out) != 1 || code(out[0].Failed) != "trap" {
			t.Fatalf("a question about samples is not answered: %+v %v", out, err)
		}
	}
	if len(p.entries) != 1 {
		t.Fatalf("%d plugins run", len(p.entries))
	}
	c := p.Counts()[0]
	if c.Breaker != plugins.BreakerClosed || c.Calls+c.In+c.Out+c.Fuel+c.Replacements != 0 || len(c.Failed)+len(c.Errors) != 0 || c.Duration != 0 {
		t.Errorf("questions are counted: %+v", c)
	}
	if out, err := live.Series("m", labels("host", "a")); err != nil || out.Labels.Get("host") != "a" {
		t.Fatalf("live traffic: %+v %v", out, err)
	}
	for range 5 {
		if _, err := live.Series("m", trap); code(err) != "trap" {
			t.Fatalf("live traffic: %v", err)
		}
	}
	if _, err := live.Series("m", trap); code(err) != "broken" {
		t.Errorf("live traffic that fails does not open the breaker: %v", err)
	}
	c = p.Counts()[0]
	if c.Breaker != plugins.BreakerOpen || c.Calls < 5 || c.Replacements < 5 || len(c.Failed) != 2 {
		t.Errorf("live traffic: %+v", c)
	}
}
