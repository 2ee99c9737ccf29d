package record

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// A number of any spelling reads as strconv reads it.
func TestNumberIsTheNearest(t *testing.T) {
	digits := rapid.StringMatching(`[0-9]{1,25}`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + digits.Draw(t, "digits")
		if rapid.Bool().Draw(t, "fraction") {
			text += "." + digits.Draw(t, "fraction digits")
		}
		if rapid.Bool().Draw(t, "exponent") {
			text += fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"e", "E+", "e-"}).Draw(t, "e"), rapid.IntRange(0, 400).Draw(t, "n"))
		}
		checkNumber(t, text)
	})
}

func TestNumberAtTheEdges(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "0.0", "00", "01", "-", "1.", ".1", "1e", "1e+", "1e5", "1E-5", "0e1", "123456789012345", "1234567890123456", "12345678901234.5",
		"99999999", "100000000", "9999999999999999", "999999999999999999", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"-9223372036854775809", "18446744073709551615", "18446744073709551616", "9007199254740993", "9007199254740993.0", "9007199254740992e22",
		"9007199254740992e23", "1e22", "1e23", "8.41e21", "4.35", "0.1", "1.7976931348623157e308", "1.7976931348623159e308", "5e-324", "2e-324",
		"1e99999999999999999999", "1e-99999999999999999999", "0e99999999999999999999", "0.000000000000000000000000000001", "12345678901234567890.12345678901234567890",
	} {
		checkNumber(t, text)
	}
}

type fataler interface{ Errorf(string, ...any) }

// checkNumber compares how text reads as a float and as an integer with strconv,
// where it ends the record and where something follows.
func checkNumber(t fataler, text string) {
	for _, after := range []string{"", ",", "}", ` ,"a":12345678`} {
		b := []byte(text + after)
		want, wantErr := strconv.ParseFloat(text, 64)
		got, next, f := floatAt(b, 0)
		sound := json.Valid([]byte(text)) && wantErr == nil
		if read := f == noFault && next == len(text); read != sound || sound && math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: float %v up to %d, fault %d; want %v, %v", b, got, next, f, want, wantErr)
		}
		wantInt, wantErr := strconv.ParseInt(text, 10, 64)
		gotInt, next, f := integerAt(b, 0)
		sound = json.Valid([]byte(text)) && wantErr == nil
		if read := f == noFault && next == len(text); read != sound || sound && gotInt != wantInt {
			t.Errorf("%s: integer %d up to %d, fault %d; want %d, %v", b, gotInt, next, f, wantInt, wantErr)
		}
	}
}
