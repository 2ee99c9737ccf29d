package record

import "bytes"

// quantilesAt reads the object of quantiles at b[i] into the Scanner's buffer.
func (s *Scanner) quantilesAt(b []byte, i int) ([]Quantile, int, fault) {
	if i >= len(b) || b[i] != '{' {
		i, f := mismatch(b, i, wantQuantiles)
		return nil, i, f
	}
	i++
	start := len(s.quantiles)
	for first := true; ; first = false {
		key, next, f := member(b, i, first)
		if f != noFault {
			return nil, next, f
		}
		own := s.quantiles[start:]
		if key.lo == 0 {
			if len(own) == 0 {
				return nil, next, noFault
			}
			return own[:len(own):len(own)], next, noFault
		}
		q := b[key.lo:key.hi]
		if bytes.IndexByte(q, '\\') >= 0 {
			q = []byte(Unquote(q))
		}
		if !isQuantile(q) {
			return nil, key.lo - 1, wantQuantile
		}
		value, end, f := floatAt(b, next)
		if f != noFault {
			return nil, end, f
		}
		i = end
		if k := find(own, q); k >= 0 {
			own[k].Value = value
		} else if len(own) == MaxQuantiles {
			return nil, key.lo - 1, tooManyQuantiles
		} else {
			s.quantiles = append(s.quantiles, Quantile{q, value})
		}
	}
}

// isQuantile reports whether the key is a number from 0 to 1.
func isQuantile(key []byte) bool {
	n, end, f := scanNumber(key, 0)
	if f != noFault || end != len(key) {
		return false
	}
	v, f := n.float64(key)
	return f == noFault && v >= 0 && v <= 1
}

// find returns the index of the quantile with the key q, or -1.
func find(quantiles []Quantile, q []byte) int {
	for k := range quantiles {
		if string(quantiles[k].Q) == string(q) {
			return k
		}
	}
	return -1
}
