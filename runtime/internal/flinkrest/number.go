package flinkrest

import (
	"bytes"
	"math"
	"strconv"
)

// Number is a number of an answer. Flink leaves some out, writes null, or writes
// NaN and infinities as text: all of these are no number.
type Number struct {
	value float64
	ok    bool
}

// UnmarshalJSON never fails: what is no number is left out.
func (n *Number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64)
	*n = Number{v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)}
	return nil
}

// Get returns the number and whether there is one.
func (n Number) Get() (float64, bool) { return n.value, n.ok }

// Positive returns the number when it is above 0: Flink writes 0 or -1 for a time
// that has not come.
func (n Number) Positive() (float64, bool) { return n.value, n.ok && n.value > 0 }

// Count returns the number as a count, which is whole and not negative.
func (n Number) Count() (int64, bool) {
	return int64(n.value), n.ok && n.value >= 0 && n.value < math.MaxInt64
}
