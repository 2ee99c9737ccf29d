package program

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// TestMemoAgrees decides about series that share label sets, with one memo and
// without, over two programs in turn.
func TestMemoAgrees(t *testing.T) {
	recalled := 0
	rapid.Check(t, func(t *rapid.T) {
		var programs []*Program
		for range 2 {
			set := drawSet(t)
			set.Teams[0].Rewrite["rename"] = policy.Rewrite{Ordered: drawOrdered(t), Action: "rename-metric", To: "renamed"}
			set.Teams[0].Rewrite["short"] = policy.Rewrite{Ordered: drawOrdered(t), Action: "short-id", Label: "zone", Length: 8}
			p, found := Compile(set, Options{})
			if p == nil {
				t.Fatal(found)
			}
			programs = append(programs, p)
		}
		var memo Memo
		shared := []metric.Labels{drawInput(t).Labels, drawInput(t).Labels}
		for range 20 {
			p, in := rapid.SampledFrom(programs).Draw(t, "program"), drawInput(t)
			in.Labels = rapid.SampledFrom(shared).Draw(t, "labels")
			want := p.Decide(in, Filter{}, Filter{})
			x, c := p.subject(in, Filter{}, Filter{})
			if _, ok := memo.recall(p, &x, &c); ok {
				recalled++
			}
			if diff := cmp.Diff(want, memo.Decide(p, in, Filter{}, Filter{})); diff != "" {
				t.Fatalf("a memo changes the verdict (-without +with):\n%s", diff)
			}
		}
	})
	if recalled == 0 {
		t.Error("no verdict was recalled: the test shows nothing")
	}
}
