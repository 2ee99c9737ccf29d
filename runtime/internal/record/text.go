package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// span is a part of the scanned bytes.
type span struct{ lo, hi int }

// space returns the first offset from i on that is not JSON white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanString validates the string whose first byte behind the quote is b[i] and
// returns the offset of its closing quote. It looks for what is not plain text in
// eight bytes at once: the lowest byte that a mask marks is marked rightly, only
// bytes above it may be marked by a borrow.
func scanString(b []byte, i int) (int, fault) {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash := w^ones*'"', w^ones*'\\'
			marks := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & highs
			if marks != 0 {
				i += bits.TrailingZeros64(marks) / 8
				break
			}
			i += 8
		}
		if i < len(b) && b[i] == '"' {
			return i, noFault
		}
		n, f := scanCharacter(b, i)
		if f != noFault {
			return i, f
		}
		i += n
	}
}

// scanCharacter validates the character at b[i], which is in a string and not its
// end, and returns its length.
func scanCharacter(b []byte, i int) (int, fault) {
	if i >= len(b) {
		return 0, truncated
	}
	switch c := b[i]; {
	case c == '\\':
		return scanEscape(b, i)
	case c < ' ':
		return 0, badControl
	case c < utf8.RuneSelf:
		return 1, noFault
	}
	r, n := utf8.DecodeRune(b[i:])
	switch {
	case r != utf8.RuneError || n > 1:
		return n, noFault
	case !utf8.FullRune(b[i:]):
		return 0, truncated
	}
	return 0, invalidUTF8
}

// scanEscape validates the escape whose backslash is b[i] and returns its length.
func scanEscape(b []byte, i int) (int, fault) {
	if i+1 >= len(b) {
		return 0, truncated
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, noFault
	case 'u':
	default:
		return 0, badEscape
	}
	r, f := hex4(b, i+2)
	if f != noFault || !utf16.IsSurrogate(r) {
		return 6, f
	}
	if i+6 >= len(b) || i+7 >= len(b) && b[i+6] == '\\' {
		return 0, truncated
	}
	if b[i+6] != '\\' || b[i+7] != 'u' {
		return 0, loneSurrogate
	}
	low, f := hex4(b, i+8)
	if f == noFault && utf16.DecodeRune(r, low) == utf8.RuneError {
		f = loneSurrogate
	}
	return 12, f
}

// hex4 reads the four hexadecimal digits at b[i].
func hex4(b []byte, i int) (rune, fault) {
	var r rune
	for end := i + 4; i < end; i++ {
		if i >= len(b) {
			return 0, truncated
		}
		switch c := b[i]; {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, badEscape
		}
	}
	return r, noFault
}

// stringAt scans the string that stands at b[i] and returns what is between its quotes.
func stringAt(b []byte, i int) ([]byte, int, fault) {
	if i >= len(b) || b[i] != '"' {
		i, f := mismatch(b, i, wantString)
		return nil, i, f
	}
	end, f := scanString(b, i+1)
	if f != noFault {
		return nil, end, f
	}
	return b[i+1 : end], end + 1, noFault
}

// same reports whether the raw string says word, which it may spell with escapes.
func same(raw []byte, word string) bool {
	if string(raw) == word {
		return true
	}
	if len(raw) <= len(word) || raw[0] != word[0] && raw[0] != '\\' || bytes.IndexByte(raw, '\\') < 0 {
		return false
	}
	return Unquote(raw) == word
}

// Unquote returns the text of a raw string: the bytes between the quotes of a
// string that a Scanner accepted. Elsewhere, what is no escape stays as it is.
func Unquote(raw []byte) string {
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i >= 0 {
		out = append(out, raw[:i]...)
		n, f := scanEscape(raw, i)
		if f != noFault {
			out = append(out, '\\')
			n = 1
		} else {
			out = appendUnescaped(out, raw[i:i+n])
		}
		raw = raw[i+n:]
		i = bytes.IndexByte(raw, '\\')
	}
	return string(append(out, raw...))
}

// appendUnescaped appends the character that a valid escape stands for.
func appendUnescaped(out, escape []byte) []byte {
	switch escape[1] {
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		r, _ := hex4(escape, 2)
		if len(escape) > 6 {
			low, _ := hex4(escape, 8)
			r = utf16.DecodeRune(r, low)
		}
		return utf8.AppendRune(out, r)
	default:
		return append(out, escape[1])
	}
}
