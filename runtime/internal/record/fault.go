package record

import (
	"fmt"
	"strconv"
	"strings"
)

// fault is what a scanning function found wrong at the offset it returns. It is
// a number, so that the hot path can give up on a layout without building an error.
type fault uint8

const (
	noFault fault = iota

	blank
	truncated
	wantKey
	wantColon
	wantCommaInObject
	wantCommaInArray
	wantValue
	badLiteral
	badNumber
	badEscape
	badControl
	trailing

	invalidUTF8
	loneSurrogate

	tooLong
	tooDeep
	tooManyPoints

	wantRecord
	wantString
	wantInteger
	wantWhole
	wantIndex
	wantTime
	wantVersion
	wantFloat
	wantBoolean
	wantLabels
	wantStrings
	wantPoints
	wantPoint
	wantQuantiles
	wantQuantile
	tooManyQuantiles
	wantScalar
	beyondInt64
	beyondFloat64
	bothForms
	flatHistogram

	missing
	empty
	noValue
	noPoints
	lacksCount
	lacksRate
	lacksGauge

	unknownType
)

var faults = [...]struct {
	reason Reason
	text   string
	found  bool // say what stands there instead
}{
	blank:             {NotJSON, "the record is empty", false},
	truncated:         {NotJSON, "the record ends too early", false},
	wantKey:           {NotJSON, "want a key in quotes", true},
	wantColon:         {NotJSON, "want ':' after a key", true},
	wantCommaInObject: {NotJSON, "want ',' or '}' after a value", true},
	wantCommaInArray:  {NotJSON, "want ',' or ']' after a value", true},
	wantValue:         {NotJSON, "want a JSON value", true},
	badLiteral:        {NotJSON, "want true, false or null", false},
	badNumber:         {NotJSON, "not a JSON number", false},
	badEscape:         {NotJSON, "unknown escape in a string", false},
	badControl:        {NotJSON, "control character in a string", true},
	trailing:          {NotJSON, "text after the record", true},

	invalidUTF8:   {BadUTF8, "bytes that are not UTF-8 in a string", false},
	loneSurrogate: {BadUTF8, "half of a surrogate pair in a string", false},

	tooLong:       {TooLarge, fmt.Sprintf("longer than %d bytes", MaxBytes), false},
	tooDeep:       {TooLarge, fmt.Sprintf("nested deeper than %d levels", MaxDepth), false},
	tooManyPoints: {TooManyPoints, fmt.Sprintf("more than %d points", MaxPoints), false},

	wantRecord:       {WrongType, "want an object", true},
	wantString:       {WrongType, "want a string", true},
	wantInteger:      {WrongType, "want an integer", true},
	wantWhole:        {WrongType, "want an integer of at least 0", true},
	wantIndex:        {WrongType, "want an integer from 0 to 2147483647", true},
	wantTime:         {WrongType, "want Unix milliseconds above 0", true},
	wantVersion:      {WrongType, "want 1, the version of the records", true},
	wantFloat:        {WrongType, `want a number, "NaN", "Inf" or "-Inf"`, true},
	wantBoolean:      {WrongType, "want true or false", true},
	wantLabels:       {WrongType, "want an object of strings", true},
	wantStrings:      {WrongType, "want an array of strings", true},
	wantPoints:       {WrongType, "want an array of points", true},
	wantPoint:        {WrongType, "want an object", true},
	wantQuantiles:    {WrongType, "want an object of quantiles", true},
	wantQuantile:     {WrongType, "want a key that is a number from 0 to 1", false},
	tooManyQuantiles: {WrongType, fmt.Sprintf("more than %d quantiles", MaxQuantiles), false},
	wantScalar:       {WrongType, "want a number, a boolean, a string or null", true},
	beyondInt64:      {WrongType, "the integer does not fit 64 bits", false},
	beyondFloat64:    {WrongType, "the number does not fit a double", false},
	bothForms:        {WrongType, "a record has either value or points, this one has both", false},
	flatHistogram:    {WrongType, "a histogram has points, it cannot be one value", false},

	missing:    {Missing, "the field is missing", false},
	empty:      {Missing, "the field is empty", false},
	noValue:    {Missing, "the record has neither value nor points", false},
	noPoints:   {Missing, "there are no points", false},
	lacksCount: {Missing, "the point lacks c, the count", false},
	lacksRate:  {Missing, "the point lacks r, the rate", false},
	lacksGauge: {Missing, "the point lacks its value, one of v, b and t", false},

	unknownType: {UnknownType, "want counter, gauge, meter or histogram", true},
}

// newError turns a fault into the error people see. path is the field, "" for
// the record itself.
func newError(b []byte, at int, path string, f fault) *Error {
	entry := faults[f]
	detail := entry.text
	if entry.found {
		detail += ", found " + describe(b, at)
	}
	if path != "" {
		detail = path + ": " + detail
	}
	return &Error{Reason: entry.reason, Offset: at, Detail: detail}
}

// describe names what stands at b[at], quoting no more than a few bytes.
func describe(b []byte, at int) string {
	if at >= len(b) {
		return "the end"
	}
	switch c := b[at]; {
	case c == '"':
		return "the string " + excerpt(b[at+1:], func(c byte) bool { return c != '"' && c >= ' ' }, strconv.Quote)
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == 't', c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-', isDigit(c):
		return "the number " + excerpt(b[at:], func(c byte) bool {
			return isDigit(c) || c == '-' || c == '+' || c == '.' || c|0x20 == 'e'
		}, strings.Clone)
	case c > ' ' && c < 0x7f:
		return strconv.QuoteRune(rune(c))
	default:
		return fmt.Sprintf("byte 0x%02x", c)
	}
}

// excerpt returns the bytes that start b as far as they belong together, cut to
// what a person wants to read.
func excerpt(b []byte, belongs func(byte) bool, write func(string) string) string {
	const most = 24
	n := 0
	for n < len(b) && n < most && belongs(b[n]) {
		n++
	}
	s := write(string(b[:n]))
	if n == most {
		s += "…"
	}
	return s
}
