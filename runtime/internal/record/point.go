package record

import (
	"encoding/binary"
	"math"
	"slices"
)

// pointField is a member of a point.
type pointField uint8

const (
	pointUnknown pointField = iota
	pointSubtask
	pointAttempt
	pointLabels
	pointCount // the value fields start here
	pointRate
	pointNumber
	pointBoolean
	pointText
	pointWindow
	pointMin
	pointMax
	pointMean
	pointDev
	pointQuantiles
)

var pointFieldNames = [...]string{
	pointUnknown:   "",
	pointSubtask:   "s",
	pointAttempt:   "a",
	pointLabels:    "l",
	pointCount:     "c",
	pointRate:      "r",
	pointNumber:    "v",
	pointBoolean:   "b",
	pointText:      "t",
	pointWindow:    "n",
	pointMin:       "min",
	pointMax:       "max",
	pointMean:      "mean",
	pointDev:       "sd",
	pointQuantiles: "q",
}

// pointLetters finds the fields whose name is one letter.
var pointLetters = [256]pointField{
	's': pointSubtask, 'a': pointAttempt, 'l': pointLabels, 'c': pointCount, 'r': pointRate,
	'v': pointNumber, 'b': pointBoolean, 't': pointText, 'n': pointWindow, 'q': pointQuantiles,
}

// pointFieldSet is a set of point fields.
type pointFieldSet uint16

func (s pointFieldSet) has(id pointField) bool { return s&(1<<id) != 0 }

// rawPoint holds what a point says beside what Point has a place for; which of
// it counts is known with the record's type, which may stand behind the points.
type rawPoint struct {
	at     int // offset of the point
	seen   pointFieldSet
	null   pointFieldSet // fields whose value is null
	flag   bool          // this and the numbers count when seen has their field
	rate   float64
	number float64
}

// points reads the points at b[i] into v. The number of points that v then has
// says, after a fault, in which one it is.
func (s *Scanner) points(b []byte, i int, v *View) (int, fault) {
	v.Points, s.raw, s.quantiles = v.Points[:0], s.raw[:0], s.quantiles[:0]
	if i >= len(b) || b[i] != '[' {
		return mismatch(b, i, wantPoints)
	}
	i++
	for first := true; ; first = false {
		next := i + 1
		if first || next >= len(b) || b[i] != ',' || b[next] != '{' { // not the usual spelling
			var done bool
			var f fault
			if next, done, f = element(b, i, first); f != noFault || done {
				return next, f
			}
		}
		n := len(v.Points)
		if n == MaxPoints {
			return next, tooManyPoints
		}
		if n == cap(s.raw) {
			s.raw = slices.Grow(s.raw, 1)
		}
		s.raw = s.raw[:n+1]
		p, raw := v.addPoint(), &s.raw[n]
		raw.at, raw.null = next, 0
		var f fault
		if i, f = s.point(b, next, p, raw); f != noFault {
			return i, f
		}
	}
}

// addPoint returns a point of v that says nothing yet. It clears the point where
// it is: to append one would copy it.
func (v *View) addPoint() *Point {
	n := len(v.Points)
	if n == cap(v.Points) {
		v.Points = slices.Grow(v.Points, 1)
	}
	v.Points = v.Points[:n+1]
	p := &v.Points[n]
	*p = Point{}
	p.Subtask, p.Attempt = -1, -1
	return p
}

// point reads the point at b[i].
func (s *Scanner) point(b []byte, i int, p *Point, raw *rawPoint) (int, fault) {
	if i >= len(b) || b[i] != '{' {
		return mismatch(b, i, wantPoint)
	}
	var seen pointFieldSet
	var values span // from the first value field to the last
	apart := false  // another field has followed a value field
	together := true
	for before := byte('{'); ; before = ',' {
		id, key, next := usualMember(b, i, before)
		if id == pointUnknown {
			var f fault
			if id, key, next, f = pointMember(b, i, before); f != noFault {
				return next, f
			}
			if key == 0 {
				if together && values.hi > 0 {
					p.Values = b[values.lo:values.hi:values.hi]
				}
				raw.seen = seen
				return next, noFault
			}
		}
		seen |= 1 << id
		var f fault
		switch id {
		case pointSubtask:
			p.Subtask, i, f = indexAt(b, next)
		case pointAttempt:
			p.Attempt, i, f = indexAt(b, next)
		case pointCount:
			if p.Count, i = shortInteger(b, next); i == 0 {
				p.Count, i, f = integerSlow(b, next)
			}
		case pointRate:
			if raw.rate, i = shortFloat(b, next); i == 0 {
				raw.rate, i, f = floatAt(b, next)
			}
		default:
			i, f = s.pointField(id, b, next, p, raw)
		}
		if f != noFault {
			s.failed = id
			return i, f
		}
		switch {
		case id < pointCount:
			apart = values.hi > 0
			continue
		case values.hi == 0:
			values.lo = key
		case apart:
			together = false
		}
		values.hi = i
	}
}

// indexAt scans the number of a subtask or an attempt.
func indexAt(b []byte, i int) (int32, int, fault) {
	if i+1 < len(b) && isDigit(b[i]) && b[i+1] == ',' {
		return int32(b[i] - '0'), i + 1, noFault
	}
	return indexSlow(b, i)
}

// indexSlow is indexAt for what is more than one digit, or no number.
func indexSlow(b []byte, i int) (int32, int, fault) {
	n, next, f := wholeAt(b, i, math.MaxInt32, wantIndex)
	return int32(n), next, f
}

// usualMember reads a point from b[i], where before should stand, up to the value
// of its next field, if that is spelled as usual: a name of one letter, and no white space.
func usualMember(b []byte, i int, before byte) (id pointField, key, next int) {
	const (
		fixed = 0xffff00ff00 | 0xff // all but the letter and what is behind the colon
		usual = ':'<<32 | '"'<<24 | '"'<<8
	)
	if i+8 > len(b) {
		return pointUnknown, 0, 0
	}
	w := binary.LittleEndian.Uint64(b[i:])
	if w&fixed != usual|uint64(before) || b[i+5] <= ' ' {
		return pointUnknown, 0, 0
	}
	return pointLetters[byte(w>>16)], i + 1, i + 5
}

// pointMember is usualMember for any spelling; key is 0 at the closing brace.
func pointMember(b []byte, i int, before byte) (id pointField, key, next int, f fault) {
	if before == '{' {
		i++
	}
	name, next, f := member(b, i, before == '{')
	if f != noFault || name.lo == 0 {
		return pointUnknown, 0, next, f
	}
	raw := b[name.lo:name.hi]
	for id = pointSubtask; id <= pointQuantiles; id++ {
		if same(raw, pointFieldNames[id]) {
			return id, name.lo - 1, next, noFault
		}
	}
	return pointUnknown, name.lo - 1, next, noFault
}

// pointField reads the value at b[i] of a field that point does not read itself.
func (s *Scanner) pointField(id pointField, b []byte, i int, p *Point, raw *rawPoint) (next int, f fault) {
	switch id {
	case pointNumber, pointBoolean, pointText:
		return gaugeField(id, b, i, p, raw)
	case pointLabels:
		p.Labels, next, f = labelsAt(b, i)
	case pointWindow:
		p.Hist.Window, next, f = wholeAt(b, i, math.MaxInt64, wantWhole)
	case pointMin:
		p.Hist.Min, next, f = floatAt(b, i)
	case pointMax:
		p.Hist.Max, next, f = floatAt(b, i)
	case pointMean:
		p.Hist.Mean, next, f = floatAt(b, i)
	case pointDev:
		p.Hist.Dev, next, f = floatAt(b, i)
	case pointQuantiles:
		p.Hist.Quantiles, next, f = s.quantilesAt(b, i)
	default:
		next, f = skipValue(b, i, 3)
	}
	return next, f
}

// gaugeField reads one of the three values of a gauge, which may be null.
func gaugeField(id pointField, b []byte, i int, p *Point, raw *rawPoint) (next int, f fault) {
	if i < len(b) && b[i] == 'n' {
		raw.null |= 1 << id
		return literal(b, i, "null")
	}
	raw.null &^= 1 << id
	switch id {
	case pointNumber:
		raw.number, next, f = floatAt(b, i)
	case pointBoolean:
		raw.flag, next, f = boolAt(b, i)
	default:
		p.Text, next, f = stringAt(b, i)
	}
	return next, f
}
