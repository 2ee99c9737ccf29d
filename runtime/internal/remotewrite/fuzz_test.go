package remotewrite

import (
	"testing"
	"time"
)

// Whatever a receiver answers, waits stay within bounds and every refusal has a
// reason that has a name.
func FuzzAnswer(f *testing.F) {
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	f.Add(429, "120", "", "slow down")
	f.Add(503, "Sun, 22 Nov 2026 15:01:00 GMT", "", "")
	f.Add(400, "-1", "4999", "out of order sample")
	f.Add(301, "99999999999999999999", "-1", "err-mimir-sample-timestamp-too-old")
	f.Fuzz(func(t *testing.T, status int, after, count, body string) {
		if d := retryAfter(after, now); d < 0 || d > longestAsked {
			t.Errorf("Retry-After %q: wait %v", after, d)
		}
		if n := written(count); n < -1 {
			t.Errorf("%s %q: %d", writtenHeader, count, n)
		}
		if r := classify(status, body); r >= reasons || r.String() == "" {
			t.Errorf("status %d %q: reason %d", status, body, r)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	for h, want := range map[string]time.Duration{
		"": 0, "0": 0, " 7 ": 7 * time.Second, "-3": 0, "1.5": 0, "x": 0, "301": longestAsked, "99999999999": 0,
		"Sun, 22 Nov 2026 15:01:00 GMT": time.Minute, "Sun, 22 Nov 2026 14:59:00 GMT": 0, "Sun, 22 Nov 2099 15:00:00 GMT": longestAsked,
	} {
		if got := retryAfter(h, now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", h, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	for try, most := range map[int]time.Duration{1: firstWait, 2: 2 * firstWait, 5: 16 * firstWait, 9: 256 * firstWait, 10: longestWait, 1 << 40: longestWait} {
		for range 100 {
			if d := backoff(try); d < most/2 || d > most {
				t.Fatalf("attempt %d: wait %v, want %v to %v", try, d, most/2, most)
			}
		}
	}
}
