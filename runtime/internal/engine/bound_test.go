package engine

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A Ref stands for one series from Add until nobody has it bound and nothing of
// it waits.
func TestARefIsUsedAgainOnlyAfterItsSeriesHasGone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type known struct {
			value, times int
			waits        bool
		}
		var b Bound[int]
		have := map[Ref]*known{}
		refs := func(bound bool) (out []Ref) {
			for ref, k := range have {
				if (k.times > 0) == bound {
					out = append(out, ref)
				}
			}
			slices.Sort(out)
			return out
		}
		for n := range rapid.IntRange(1, 80).Draw(rt, "steps") {
			step := rapid.IntRange(0, 3).Draw(rt, "step")
			bound := refs(true)
			switch {
			case step == 0 || len(bound) == 0 && step != 3:
				ref := b.Add(n)
				if have[ref] != nil {
					rt.Fatalf("%d is in use", ref)
				}
				have[ref] = &known{value: n, times: 1}
			case step == 1:
				ref := rapid.SampledFrom(slices.Concat(bound, refs(false))).Draw(rt, "again")
				b.Again(ref)
				have[ref].times++
			case step == 2:
				ref := rapid.SampledFrom(bound).Draw(rt, "release")
				k := have[ref]
				k.waits = k.waits || rapid.Bool().Draw(rt, "waits")
				k.times--
				if went := b.Release(ref, k.waits); went != (k.times == 0 && !k.waits) {
					rt.Fatalf("released %+v: gone %v", *k, went)
				} else if went {
					b.Free(ref)
					delete(have, ref)
				}
			default:
				want := refs(false)
				left := slices.Clone(b.Left())
				slices.Sort(left)
				if !slices.Equal(left, want) {
					rt.Fatalf("left %v, want %v", left, want)
				}
				for _, ref := range left {
					b.Free(ref)
					delete(have, ref)
				}
				for _, k := range have {
					k.waits = false
				}
			}
			for ref, k := range have {
				if *b.At(ref) != k.value {
					rt.Fatalf("%d is %d, want %d", ref, *b.At(ref), k.value)
				}
			}
		}
	})
}
