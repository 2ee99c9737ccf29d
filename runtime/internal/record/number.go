package record

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"
)

func isDigit(c byte) bool { return c-'0' < 10 }

// number is a JSON number as it was read: mantissa·10^exponent.
type number struct {
	mantissa uint64
	exponent int
	negative bool
	integer  bool // written without fraction and exponent
	long     bool // more digits than mantissa holds
}

// scanNumber validates the number at b[i].
func scanNumber(b []byte, i int) (n number, next int, f fault) {
	if i < len(b) && b[i] == '-' {
		n.negative = true
		i++
	}
	if i >= len(b) {
		return n, i, truncated
	}
	start := i
	for i < len(b) && isDigit(b[i]) {
		n.mantissa = n.mantissa*10 + uint64(b[i]-'0')
		i++
		if b[start] == '0' {
			break
		}
	}
	digits := i - start
	if digits == 0 {
		return n, i, badNumber
	}
	n.integer = true
	if i < len(b) && b[i] == '.' {
		n.integer = false
		i++
		point := i
		for i < len(b) && isDigit(b[i]) {
			n.mantissa = n.mantissa*10 + uint64(b[i]-'0')
			i++
		}
		if i == point {
			return n, i, endOr(b, i, badNumber)
		}
		digits += i - point
		n.exponent = point - i
	}
	n.long = digits > 19 // 10^19-1 fits 64 bits
	if i < len(b) && b[i]|0x20 == 'e' {
		n.integer = false
		return n.withExponent(b, i+1)
	}
	return n, i, noFault
}

// withExponent reads the exponent at b[i].
func (n number) withExponent(b []byte, i int) (number, int, fault) {
	negative := false
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		negative = b[i] == '-'
		i++
	}
	start, e := i, 0
	for ; i < len(b) && isDigit(b[i]); i++ {
		if e < 1_000_000 { // beyond every double already, and within int
			e = e*10 + int(b[i]-'0')
		}
	}
	if i == start {
		return n, i, endOr(b, i, badNumber)
	}
	if negative {
		e = -e
	}
	n.exponent += e
	return n, i, noFault
}

// endOr returns truncated at the end of b and f elsewhere.
func endOr(b []byte, i int, f fault) fault {
	if i >= len(b) {
		return truncated
	}
	return f
}

// int64 returns the integer that n is.
func (n number) int64() (int64, fault) {
	switch {
	case !n.integer:
		return 0, wantInteger
	case n.long || n.mantissa > math.MaxInt64 && !(n.negative && n.mantissa == 1<<63):
		return 0, beyondInt64
	case n.negative:
		return -int64(n.mantissa), noFault
	}
	return int64(n.mantissa), noFault
}

// float64 returns the double nearest to n, which text spells. A mantissa and a
// power of ten that are both exact doubles give the nearest one by a single
// operation (Clinger 1990); the rest is left to strconv.
func (n number) float64(text []byte) (float64, fault) {
	var v float64
	switch {
	case n.long || n.mantissa > 1<<53 && n.exponent != 0 || n.exponent < -22 || n.exponent > 22:
		v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64)
		if err != nil {
			return 0, beyondFloat64
		}
		return v, noFault
	case n.exponent < 0:
		v = float64(n.mantissa) / powersOfTen[-n.exponent]
	default:
		v = float64(n.mantissa) * powersOfTen[n.exponent]
	}
	if n.negative {
		v = -v
	}
	return v, noFault
}

var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// integerAt scans the integer at b[i]. The offset it returns with a fault of the
// type is that of the value.
func integerAt(b []byte, i int) (int64, int, fault) {
	if n, next := shortInteger(b, i); next > 0 {
		return n, next, noFault
	}
	return integerSlow(b, i)
}

// shortInteger reads an integer at b[i] of at most 18 digits and without sign, as
// most are; next is 0 for any other value.
func shortInteger(b []byte, i int) (n int64, next int) {
	start := i
	if v, ok := eightDigits(b, i); ok {
		n = v
		i += 8
	}
	for i < len(b) && isDigit(b[i]) {
		n = n*10 + int64(b[i]-'0')
		i++
	}
	if digits := i - start; digits == 0 || digits > 18 || digits > 1 && b[start] == '0' ||
		i == len(b) || b[i] == '.' || b[i]|0x20 == 'e' {
		return 0, 0
	}
	return n, i
}

// eightDigits returns the integer that the eight digits at b[i] spell, if there
// are that many. It adds neighbours up in pairs: digits, then twos, then fours.
func eightDigits(b []byte, i int) (int64, bool) {
	if i+8 > len(b) {
		return 0, false
	}
	w := binary.LittleEndian.Uint64(b[i:]) ^ 0x3030303030303030
	if (w|(w+0x0606060606060606))&0xf0f0f0f0f0f0f0f0 != 0 {
		return 0, false
	}
	w = w*10 + w>>8
	w = (w&0x000000ff000000ff*(100+1000000<<32) + w>>16&0x000000ff000000ff*(1+10000<<32)) >> 32
	return int64(w), true
}

// integerSlow is integerAt for what is unusual: a sign, 19 digits, or no integer.
func integerSlow(b []byte, i int) (int64, int, fault) {
	if i >= len(b) || b[i] != '-' && !isDigit(b[i]) {
		i, f := mismatch(b, i, wantInteger)
		return 0, i, f
	}
	n, next, f := scanNumber(b, i)
	if f != noFault {
		return 0, next, f
	}
	v, f := n.int64()
	if f != noFault {
		return 0, i, f
	}
	return v, next, noFault
}

// wholeAt scans an integer from 0 to limit; want is the fault of any other one.
func wholeAt(b []byte, i int, limit int64, want fault) (int64, int, fault) {
	n, next := shortInteger(b, i)
	if next > 0 && n <= limit {
		return n, next, noFault
	}
	n, next, f := integerSlow(b, i)
	switch {
	case f == wantInteger || f == noFault && (n < 0 || n > limit):
		return 0, i, want
	case f != noFault:
		return 0, next, f
	}
	return n, next, noFault
}

// floatAt scans a number, or one of the strings that say what JSON has no number for.
func floatAt(b []byte, i int) (float64, int, fault) {
	if i < len(b) && b[i] == '"' {
		raw, next, f := stringAt(b, i)
		if f != noFault {
			return 0, next, f
		}
		if v, ok := special(raw); ok {
			return v, next, noFault
		}
		return 0, i, wantFloat
	}
	if v, next := shortFloat(b, i); next > 0 {
		return v, next, noFault
	}
	if i >= len(b) || b[i] != '-' && !isDigit(b[i]) {
		i, f := mismatch(b, i, wantFloat)
		return 0, i, f
	}
	n, next, f := scanNumber(b, i)
	if f != noFault {
		return 0, next, f
	}
	v, f := n.float64(b[i:next])
	if f != noFault {
		return 0, i, f
	}
	return v, next, noFault
}

// shortFloat reads a number at b[i] of at most 15 digits, without sign and
// exponent, as most are; next is 0 for any other value. Its digits and the power
// of ten that divides them are exact doubles, so the quotient is the nearest one.
func shortFloat(b []byte, i int) (v float64, next int) {
	start, point := i, 0
	var n uint64
	for ; i < len(b); i++ {
		if d := b[i] - '0'; d < 10 {
			n = n*10 + uint64(d)
		} else if b[i] == '.' && point == 0 && i > start {
			point = i + 1
		} else {
			break
		}
	}
	if i-start > 15 || i == start || i == point || i == len(b) || b[i]|0x20 == 'e' || b[start] == '0' && i > start+1 && point != start+2 {
		return 0, 0
	}
	if point == 0 {
		return float64(n), i
	}
	return float64(n) / powersOfTen[i-point], i
}

// special returns the double that one of the number strings stands for.
func special(raw []byte) (float64, bool) {
	switch {
	case same(raw, "NaN"):
		return math.NaN(), true
	case same(raw, "Inf"), same(raw, "+Inf"):
		return math.Inf(1), true
	case same(raw, "-Inf"):
		return math.Inf(-1), true
	}
	return 0, false
}
