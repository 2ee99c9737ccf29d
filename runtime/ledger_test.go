package runtime

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
)

func TestLedgerAddsUp(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, tapSet))
	now := time.Now().UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "m", "gauge", now, "1"), flat("t-1", "noise", "gauge", now, "1"),
		flat("t-2", "noise", "gauge", now, "1"), flat("t-3", "m", "gauge", now, "null"), `{"not json`)
	r.settled(t, false, "native", 5)
	r.settled(t, true, "store", 1)
	l := r.Ledger()
	if l.Imbalance != 0 || len(l.Streams) != 1 || len(l.Sinks) != 1 {
		t.Fatalf("ledger %+v", l)
	}
	in := l.Streams[0]
	var sum, placed int64
	got := map[string]LedgerLine{}
	for _, line := range in.Lines {
		sum += line.Samples
		got[line.Disposition] = line
	}
	for _, p := range in.Partitions {
		var of int64
		for _, n := range p.Dispositions {
			of += n
		}
		if of != p.In || p.Imbalance != 0 {
			t.Errorf("partition %+v does not add up", p)
		}
		placed += p.In
	}
	if in.In != 5 || sum != 5 || placed != 5 {
		t.Errorf("%d in, %d accounted for, %d in partitions; want 5", in.In, sum, placed)
	}
	noise, letter := got["dropped"], got["dead-letter"]
	if noise.Samples != 2 || !noise.Final || len(noise.By) != 1 || noise.By[0].Rule != "platform/noise" || noise.By[0].Samples != 2 {
		t.Errorf("dropped: %+v", noise)
	}
	if letter.Samples != 1 || len(letter.By) != 1 || letter.By[0].Reason != "not-json" {
		t.Errorf("dead letters: %+v", letter)
	}
	if got["out"].Samples != 1 || got["no-value"].Samples != 1 {
		t.Errorf("lines %+v", in.Lines)
	}
}

// Where two sections have a rule of one name, every answer says which it was, in the
// form that questions and overrides take.
func TestRulesOfOneNameAreToldApart(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet+`
	control: twice: schema.#Drop & {match: metrics: ["noise"], reason: "nobody reads it"}
	control: once: schema.#Drop & {match: metrics: ["other"], reason: "nobody reads it"}
	aggregate: twice: schema.#Aggregate & {match: metrics: ["calls"], drop: ["host"], gauge: "sum", window: "1s", late: "1s"}`))
	now := time.Now().UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "noise", "gauge", now, "1"), flat("t-1", "other", "gauge", now, "1"), flat("t-1", "calls", "gauge", now, "1"))
	h := r.settled(t, false, "native", 3)
	want := []RuleCount{
		{"aggregate:platform/twice", "aggregated", 1}, {"control:platform/twice", "dropped", 1}, {"platform/once", "dropped", 1},
	}
	slices.SortFunc(h.Rules, func(a, b RuleCount) int { return cmp.Compare(a.Rule, b.Rule) })
	if !slices.Equal(h.Rules, want) {
		t.Errorf("the status has %v, want %v", h.Rules, want)
	}
	seen := map[string]bool{}
	for _, line := range r.Ledger().Streams[0].Lines {
		for _, part := range line.By {
			seen[part.Rule] = true
		}
	}
	for _, c := range want {
		if !seen[c.Rule] {
			t.Errorf("the ledger lacks %s: %v", c.Rule, seen)
		}
		if a, err := r.Explain(explain.Question{Rule: c.Rule}); err != nil || a.Rule == nil {
			t.Errorf("explain does not take %s: %v", c.Rule, err)
		} else if n := a.Rule.Samples[c.Disposition]; n != c.Samples || len(a.Rule.Samples) != 1 {
			t.Errorf("explain has %v for %s, want %d %s", a.Rule.Samples, c.Rule, c.Samples, c.Disposition)
		}
		o, err := r.SetOverride(t.Context(), pusher, OverrideRequest{Kind: OverrideRule, Target: c.Rule, For: time.Minute, Reason: "for the test"})
		if err != nil || o.Kind == "" {
			t.Errorf("an override does not take %s: %v", c.Rule, err)
		}
	}
	if _, err := r.Explain(explain.Question{Rule: "platform/twice"}); err == nil {
		t.Error("a name of two rules is explained")
	}
}
