package collector

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Whoever reads all reports knows at any time which series there are: what was
// sent and has not ended is what the last answers of all sections said.
func TestReadersKnowWhatThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reporter{rid: "a1b2c3d4e5f6"}
		known, want := map[string]bool{}, map[string]map[string]bool{}
		for round := range rapid.IntRange(1, 8).Draw(t, "rounds") {
			f := &findings{}
			for _, key := range []string{"a/x", "a/y", "b/x"} {
				switch rapid.SampledFrom([]string{"answers", "fails", "is gone"}).Draw(t, key) {
				case "answers":
					s := f.section(key, "task "+key[:1], label("cluster", key))
					want[key] = map[string]bool{}
					for i := range rapid.IntRange(0, 3).Draw(t, "vertices") {
						name := fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "vertex"))
						if want[key][name] {
							continue
						}
						want[key][name] = true
						s.counts(vertexBusy, int64(i), metric.Label{Name: "task_id", Value: name})
					}
				case "fails":
					f.keep(key)
				default:
					delete(want, key)
				}
			}
			for _, x := range r.report(f, int64(1000+round)) {
				rec, err := record.Decode(x.Value)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range rec.Points {
					name := rec.Labels.Get("cluster") + " " + p.Labels.Get("task_id")
					if rec.End {
						if !known[name] {
							t.Fatalf("%s ends and was not there", name)
						}
						delete(known, name)
					} else {
						known[name] = true
					}
				}
			}
			there := map[string]bool{}
			for key, names := range want {
				for name := range names {
					there[key+" "+name] = true
				}
			}
			if !maps.Equal(known, there) {
				t.Fatalf("round %d: readers know %v, there are %v", round, known, there)
			}
		}
	})
}
