package sluice

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// change is a call of a method that changes labels, by the places of its keys in a list.
type change struct {
	Record int
	Kind   string
	A, B   int
}

// Whatever the order of changes, the labels of a record are those of a map that was
// changed alike: keys remember where labels were, and batches what is new in them.
func TestLabelsAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c", "new", "new"} // two keys of one name
		some := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.SampledFrom([]string{"a", "x"}))
		var in, want []Sample
		for i, l := range rapid.SliceOfN(some, 1, 5).Draw(t, "labels") {
			in = append(in, Sample{Name: "m", Labels: l, Source: i})
			want = append(want, Sample{Name: "m", Labels: maps.Clone(l), Source: i})
		}
		key := rapid.IntRange(0, len(names)-1)
		changes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) change {
			return change{rapid.IntRange(0, len(in)-1).Draw(t, "record"), rapid.SampledFrom([]string{"rename", "rename", "set", "remove"}).Draw(t, "kind"), key.Draw(t, "a"), key.Draw(t, "b")}
		}), 1, 20).Draw(t, "changes")
		if rapid.Bool().Draw(t, "in order") {
			slices.SortStableFunc(changes, func(x, y change) int { return x.Record - y.Record })
		}
		p := Register(func(*Config) Transform {
			var keys []*Key
			for _, n := range names {
				keys = append(keys, NewKey(n))
			}
			return func(b *Batch) {
				for _, c := range changes {
					r := b.Record(c.Record)
					switch c.Kind {
					case "rename":
						r.Rename(keys[c.A], keys[c.B])
					case "set":
						r.SetLabel(keys[c.A], "new")
					case "remove":
						r.RemoveLabel(keys[c.A])
					}
				}
			}
		})
		for _, c := range changes {
			m, a, z := want[c.Record].Labels, names[c.A], names[c.B]
			v, has := m[a]
			switch {
			case c.Kind == "set":
				m[a] = "new"
			case c.Kind == "remove" || has && a != z:
				delete(m, a)
			}
			if c.Kind == "rename" && has {
				m[z] = v
			}
		}
		for round := range 2 { // the second with what the first has left in the keys
			got := p.Try(`{}`, in...)
			for i := range want {
				if len(want[i].Labels) == 0 {
					want[i].Labels = got.Samples[i].Labels // nil or empty
				}
			}
			if d := cmp.Diff(want, got.Samples); d != "" {
				t.Fatalf("round %d: %s", round, d)
			}
		}
	})
}
