package heavy

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestSketchKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntRange(1, 20).Draw(t, "places")
		s, truth, total := New(places), map[string]Counts{}, 0.0
		for range rapid.IntRange(0, 300).Draw(t, "adds") {
			key := fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "key"))
			n := float64(rapid.IntRange(0, 100).Draw(t, "weight"))
			s.Add(key, Counts{n, [3]float64{1, 2 * n}})
			c := truth[key]
			c.Weight, c.Others = c.Weight+n, [3]float64{c.Others[0] + 1, c.Others[1] + 2*n}
			truth[key] = c
			total += n
		}
		rows := map[string]Row{}
		for _, r := range s.Rows() {
			rows[r.Key] = r
		}
		if len(rows) > places || len(s.Rows()) != len(rows) {
			t.Fatalf("%d rows in %d places", len(s.Rows()), places)
		}
		for key, c := range truth {
			r, kept := rows[key]
			switch {
			case !kept && c.Weight > total/float64(places):
				t.Fatalf("key %s weighs %g of %g and has no place of %d", key, c.Weight, total, places)
			case !kept:
			case r.Weight < c.Weight || r.Weight-r.Error > c.Weight:
				t.Fatalf("key %s weighs %g ± %g, in truth %g", key, r.Weight, r.Error, c.Weight)
			case len(truth) <= places && r != (Row{key, c, 0}):
				t.Fatalf("row %+v, want exactly %+v", r, c)
			}
		}
		if len(truth) <= places && s.Full() {
			t.Fatal("it is full with a place for every key")
		}
	})
}
