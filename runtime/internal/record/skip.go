package record

// member reads an object up to the value of its next member. i stands behind the
// opening brace (first) or behind a value. It returns the raw key and the offset
// of the value; at the closing brace key.lo is 0 and next stands behind it.
func member(b []byte, i int, first bool) (key span, next int, f fault) {
	i = space(b, i)
	if i >= len(b) {
		return key, i, truncated
	}
	if b[i] == '}' {
		return key, i + 1, noFault
	}
	if !first {
		if b[i] != ',' {
			return key, i, wantCommaInObject
		}
		i = space(b, i+1)
	}
	if i >= len(b) || b[i] != '"' {
		return key, i, endOr(b, i, wantKey)
	}
	hi, f := scanString(b, i+1)
	if f != noFault {
		return key, hi, f
	}
	key = span{i + 1, hi}
	i = space(b, hi+1)
	if i >= len(b) || b[i] != ':' {
		return key, i, endOr(b, i, wantColon)
	}
	return key, space(b, i+1), noFault
}

// element reads an array up to its next value. i stands behind the opening
// bracket (first) or behind a value; done says that next stands behind the
// closing bracket.
func element(b []byte, i int, first bool) (next int, done bool, f fault) {
	i = space(b, i)
	switch {
	case i >= len(b):
		return i, false, truncated
	case b[i] == ']':
		return i + 1, true, noFault
	case first:
		return i, false, noFault
	case b[i] != ',':
		return i, false, wantCommaInArray
	}
	return space(b, i+1), false, noFault
}

// skipValue validates the JSON value at b[i]. depth is how many objects and
// arrays it stands in.
func skipValue(b []byte, i, depth int) (int, fault) {
	if i >= len(b) {
		return i, truncated
	}
	switch c := b[i]; {
	case c == '"':
		end, f := scanString(b, i+1)
		if f != noFault {
			return end, f
		}
		return end + 1, noFault
	case c == '{', c == '[':
		if depth >= MaxDepth {
			return i, tooDeep
		}
		if c == '{' {
			return skipObject(b, i+1, depth+1)
		}
		return skipArray(b, i+1, depth+1)
	case c == '-', isDigit(c):
		_, next, f := scanNumber(b, i)
		return next, f
	case c == 't':
		return literal(b, i, "true")
	case c == 'f':
		return literal(b, i, "false")
	case c == 'n':
		return literal(b, i, "null")
	default:
		return i, wantValue
	}
}

func skipObject(b []byte, i, depth int) (int, fault) {
	for first := true; ; first = false {
		key, next, f := member(b, i, first)
		if f != noFault || key.lo == 0 {
			return next, f
		}
		if i, f = skipValue(b, next, depth); f != noFault {
			return i, f
		}
	}
}

func skipArray(b []byte, i, depth int) (int, fault) {
	for first := true; ; first = false {
		next, done, f := element(b, i, first)
		if f != noFault || done {
			return next, f
		}
		if i, f = skipValue(b, next, depth); f != noFault {
			return i, f
		}
	}
}

// literal validates that word stands at b[i].
func literal(b []byte, i int, word string) (int, fault) {
	for k := range len(word) {
		if i+k >= len(b) {
			return len(b), truncated
		}
		if b[i+k] != word[k] {
			return i, badLiteral
		}
	}
	return i + len(word), noFault
}

// mismatch says what is wrong when b[i] does not start a value of the type that
// want asks for: want, or what makes it no JSON value at all.
func mismatch(b []byte, i int, want fault) (int, fault) {
	// A value of the contract stands in up to three objects and arrays; counting
	// from there leaves the judgement of depth to the type.
	const depth = 4
	if next, f := skipValue(b, i, depth); f != noFault && f != tooDeep {
		return next, f
	}
	return i, want
}

// boolAt scans true or false.
func boolAt(b []byte, i int) (bool, int, fault) {
	if i < len(b) && (b[i] == 't' || b[i] == 'f') {
		word := "true"
		if b[i] == 'f' {
			word = "false"
		}
		next, f := literal(b, i, word)
		return word == "true", next, f
	}
	i, f := mismatch(b, i, wantBoolean)
	return false, i, f
}

// stringsAt scans an array of strings and returns it with its brackets.
func stringsAt(b []byte, i int) ([]byte, int, fault) {
	start := i
	if i >= len(b) || b[i] != '[' {
		i, f := mismatch(b, i, wantStrings)
		return nil, i, f
	}
	i++
	for first := true; ; first = false {
		next, done, f := element(b, i, first)
		if f != noFault {
			return nil, next, f
		}
		if done {
			return b[start:next], next, noFault
		}
		if _, i, f = stringAt(b, next); f != noFault {
			return nil, i, f
		}
	}
}
