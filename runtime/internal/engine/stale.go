package engine

import "math"

// staleBits is the NaN that Prometheus reserves for "this series has ended"
// (model/value.StaleNaN); remote write sends it as it stands.
const staleBits = 0x7ff0000000000002

// Stale returns the value that ends a series.
func Stale() float64 { return math.Float64frombits(staleBits) }

// IsStale reports whether v ends a series. An ordinary NaN does not.
func IsStale(v float64) bool { return math.Float64bits(v) == staleBits }
