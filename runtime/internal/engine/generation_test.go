package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func TestAwaitTellsWhoRunsTheGeneration(t *testing.T) {
	b := newBench(t, setup{team: &policy.Team{}})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if late := b.engine.Await(ended); late != nil {
		t.Errorf("a worker that was handed nothing is late: %v", late)
	}
	b.send(rec(0, "m", "counter", `{"c":1}`))
	b.engine.Apply(b.generation("r2", &policy.Team{}))
	if late := b.engine.Await(ended); !slices.Equal(late, []Partition{{Topic: "in", ID: 3, Count: 1}}) {
		t.Errorf("late: %v", late)
	}
	done := make(chan []Partition)
	go func() { done <- b.engine.Await(context.Background()) }()
	b.send() // no record
	if late := <-done; late != nil {
		t.Errorf("late after a batch without records: %v", late)
	}
	b.engine.Apply(b.generation("r3", &policy.Team{}))
	go func() { done <- b.engine.Await(context.Background()) }()
	b.worker.Close()
	if late := <-done; late != nil {
		t.Errorf("a worker that has closed is late: %v", late)
	}
}

// What a rule remembers goes by its name: through reloads that put rules before it,
// take rules away and write it anew, but not through one that gives it a new name.
func TestStateOfRulesFollowsTheirNames(t *testing.T) {
	limit := policy.Control{Ordered: ordered("*_a"), Tier: "tenant", Action: "limit", Rate: 1, Per: "task"}
	first := policy.Control{Ordered: ordered("*_z"), Tier: "guard", Action: "keep"}
	last := policy.Control{Ordered: ordered("*_y"), Tier: "default", Action: "drop"}
	described := limit
	described.Description = "in other words"
	for name, tt := range map[string]struct {
		rules map[string]policy.Control
		state bool
	}{
		"one comes before": {map[string]policy.Control{"limit": limit, "a": first}, true},
		"one comes after":  {map[string]policy.Control{"limit": limit, "z": last}, true},
		"the others go":    {map[string]policy.Control{"limit": limit}, true},
		"other words":      {map[string]policy.Control{"limit": described}, true},
		"another name":     {map[string]policy.Control{"bound": limit}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, setup{team: &policy.Team{Control: map[string]policy.Control{"limit": limit, "b": first, "y": last}}})
			send := func() { b.send(rec(0, "a", "gauge", `{"v":1}`)) }
			send()
			send()
			b.engine.Apply(b.generation("r2", &policy.Team{Control: tt.rules}))
			send()
			want := int64(1)
			if tt.state {
				want = 2
			}
			if n := b.by(ledger.Limited); n != want {
				t.Errorf("limited %d of 3 at one instant, want %d", n, want)
			}
			for rule, n := range b.book.Sum().Rules {
				if rule.ID != "platform/limit" && rule.ID != "platform/bound" || n == 0 {
					t.Errorf("%v counts %d", rule, n)
				}
			}
			b.balanced()
		})
	}
}

// A sample that a thin rule holds goes on after a reload, and is not put down to
// the rule that has the number now which its own rule had.
func TestHeldSamplesOfAnOlderGeneration(t *testing.T) {
	thin := policy.Control{Ordered: ordered("*_a"), Tier: "tenant", Action: "thin", Every: "10s", Pick: "last"}
	total := policy.Aggregate{Ordered: ordered("*_a"), Drop: []string{"tm_id"}, Counter: "sum", Gauge: "sum", Meter: "sum", Histogram: "sum", Window: "10s", Late: "5s", Members: "drop"}
	b := newBench(t, setup{team: &policy.Team{
		Control: map[string]policy.Control{"thin": thin}, Aggregate: map[string]policy.Aggregate{"total": total},
	}})
	b.send(rec(0, "a", "gauge", `{"v":1}`))
	if n := b.by(ledger.Held); n != 1 {
		t.Fatalf("%d held", n)
	}
	b.engine.Apply(b.generation("r2", &policy.Team{
		Control:   map[string]policy.Control{"thin": thin, "a": {Ordered: ordered("*_b"), Tier: "guard", Action: "keep"}},
		Aggregate: map[string]policy.Aggregate{"total": total},
	}))
	b.now = b.now.Add(60e9)
	b.send()
	if n := b.by(ledger.Held); n != 0 {
		t.Errorf("%d held after a minute", n)
	}
	for rule := range b.book.Sum().Rules {
		if rule != (ledger.Rule{ID: "platform/total", Disposition: ledger.Aggregated}) {
			t.Errorf("counted for %v", rule)
		}
	}
	b.balanced()
}
