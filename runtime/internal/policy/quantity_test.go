package policy

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "500ms": 500 * time.Millisecond, "30s": 30 * time.Second, "5m": 5 * time.Minute,
		"1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "2w": 14 * 24 * time.Hour,
		"1w2d3h4m5s6ms": 9*24*time.Hour + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond,
		"36500d":        36500 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "m", "5 m", "-5m", "5m5m", "5s1m", "1y", "1.5h", "36501d", "99999999999999999999s", "1mss", "5µs", "1h 30m"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// A duration reads back as the sum of its parts.
func TestParseDurationOfParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text string
		var want time.Duration
		for _, u := range durationUnits {
			if n := rapid.Int64Range(0, 200).Draw(t, u.name); n > 0 {
				text += fmt.Sprint(n, u.name)
				want += time.Duration(n) * u.size
			}
		}
		got, err := ParseDuration(text)
		if text != "" && (err != nil || got != want) {
			t.Fatalf("%q: %v, %v; want %v", text, got, err, want)
		}
	})
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"0B": 0, "1B": 1, "64KiB": 64 << 10, "256MiB": 256 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "B", "-1B", "1 MiB", "1MB", "9999999TiB", "99999999999999999999B", "1.5GiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1h30m")
	f.Add("99999999999999999999w")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDuration(text); err == nil && (d < 0 || d > maxDuration) {
			t.Errorf("%q is %v", text, d)
		}
	})
}
