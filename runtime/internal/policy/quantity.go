package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The units of durations, from the largest to the smallest, as they must follow
// each other.
var durationUnits = []struct {
	name string
	size time.Duration
}{
	{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour},
	{"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// ParseDuration reads a duration of the policy language, such as "500ms", "5m" or
// "1h30m": whole numbers with units w, d, h, m, s, ms, each unit once and the
// larger before the smaller. It refuses any other text, and more than 100 years.
func ParseDuration(text string) (time.Duration, error) {
	var total time.Duration
	rest, next := text, 0
	for rest != "" || text == "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		letters := len(rest[digits:]) - len(strings.TrimLeft(rest[digits:], "wdhms"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		unit := next
		for unit < len(durationUnits) && durationUnits[unit].name != rest[digits:digits+letters] {
			unit++
		}
		if err != nil || unit == len(durationUnits) {
			return 0, fmt.Errorf("%q is not a duration such as 500ms, 5m or 1h30m", text)
		}
		if limit := int64((maxDuration - total) / durationUnits[unit].size); n > limit {
			return 0, fmt.Errorf("%q is longer than 100 years", text)
		}
		total += time.Duration(n) * durationUnits[unit].size
		rest, next = rest[digits+letters:], unit+1
	}
	return total, nil
}

const maxDuration = 100 * 365 * 24 * time.Hour

// The units of sizes.
var sizeUnits = []struct {
	name  string
	shift uint
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}}

// ParseSize reads a number of bytes of the policy language, such as "64KiB" or
// "2GiB": a whole number with one of the units B, KiB, MiB, GiB, TiB. It refuses
// any other text, and what does not fit an int64.
func ParseSize(text string) (int64, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || n > math.MaxInt64>>u.shift {
			break
		}
		return int64(n) << u.shift, nil
	}
	return 0, fmt.Errorf("%q is not a size such as 64KiB, 16MiB or 2GiB", text)
}
