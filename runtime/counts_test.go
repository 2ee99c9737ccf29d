package runtime

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
)

// What rules, letters and scans have counted does not go back when a stream goes.
func TestCountsOutliveTheirStream(t *testing.T) {
	t.Parallel()
	const more = "\n\tstream: more: topics: [\"flink.more\"]"
	const rules = simpleSet + "\n\tcontrol: noise: schema.#Drop & {match: metrics: [\"noise\"], reason: \"nobody reads it\"}"
	cfg := testConfig(t, rules+more)
	r := startInstance(t, cfg)
	now := time.Now().UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "noise", "gauge", now, "1"))
	r.publish(t, "flink.more", flat("t-2", "noise", "gauge", now, "1"), flat("t-3", "noise", "gauge", now, "1"), `{"not json`)
	r.settled(t, false, "native", 1)
	r.settled(t, false, "more", 3)
	counted := func() map[string]string {
		out := map[string]string{}
		for line := range strings.Lines(scrapeMetrics(r)) {
			for _, name := range []string{"sluice_rule_samples_total", "sluice_dead_letters_total", "sluice_scan_total"} {
				if series, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && strings.HasPrefix(series, name) {
					out[series] = value
				}
			}
		}
		return out
	}
	top := func() TopRule {
		t.Helper()
		r.tops.last = nil // the last look is too young
		top, err := r.Top(t.Context(), "", 0)
		if err != nil || len(top.Rules) != 1 {
			t.Fatalf("%v, %+v", err, top.Rules)
		}
		return top.Rules[0]
	}
	before, first := counted(), top()
	if len(before) < 4 || first.Total != 3 {
		t.Fatalf("metrics %v, top %+v", before, first)
	}

	rewriteSet(t, cfg, policySet(rules))
	if report, err := r.Reload(context.Background()); err != nil || report.Refused() {
		t.Fatalf("%v, %v", err, report.Findings)
	}
	r.changed(t)
	if after := counted(); !maps.Equal(after, before) {
		t.Errorf("metrics %v, before %v", after, before)
	}
	if again := top(); again.Total != 3 || again.Samples != 0 {
		t.Errorf("top %+v, want as many samples as before and none of late", again)
	}
	if a, err := r.Explain(explain.Question{Rule: "noise"}); err != nil || a.Rule.Samples["dropped"] != 3 {
		t.Errorf("explain: %v, %+v", err, a.Rule)
	}
}
