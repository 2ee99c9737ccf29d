package program

import (
	"math"
	"slices"
)

// Value is one sample, of a member or of a cell. What its kind does not have is
// zero; a statistic that is missing is NaN.
type Value struct {
	Count          int64   // of a counter, meter or histogram
	Uncounted      bool    // a meter without its count
	Number         float64 // of a gauge; rate of a meter
	Min, Max, Mean float64 // of a histogram
	Quantiles      []Quantile
}

// Quantile is one of a histogram: Q is its key as written.
type Quantile struct {
	Q     string
	Value float64
}

// raise keeps the greater of each quantile.
func (v *Value) raise(qs []Quantile) {
	for _, q := range qs {
		i := slices.IndexFunc(v.Quantiles, func(o Quantile) bool { return o.Q == q.Q })
		if i < 0 {
			v.Quantiles = append(v.Quantiles, q)
		} else {
			v.Quantiles[i].Value = greatest(v.Quantiles[i].Value, q.Value)
		}
	}
}

// NaN is what has no value yet, in these three.
func plus(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return a + b
}

func least(a, b float64) float64 {
	if math.IsNaN(a) || b < a {
		return b
	}
	return a
}

func greatest(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}
