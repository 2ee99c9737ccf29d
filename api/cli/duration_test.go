package cli

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// A length of time is written in one way, whichever command it is for.
func TestDurationFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 7 * 24 * time.Hour, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "0": 0, "-1m": -time.Minute} {
		var f pflag.FlagSet
		var got time.Duration
		durationFlag(&f, &got, "for", time.Second, "how long")
		if err := f.Parse([]string{"--for=" + text}); err != nil || got != want {
			t.Errorf("%s is %v, error %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "d", "1 h", "soon"} {
		var f pflag.FlagSet
		var got time.Duration
		durationFlag(&f, &got, "for", time.Second, "how long")
		if err := f.Parse([]string{"--for=" + text}); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	for value, want := range map[time.Duration]string{0: "", 10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Second: "1m30s", 24 * time.Hour: "24h", 10 * time.Second: "10s"} {
		var f pflag.FlagSet
		var got time.Duration
		durationFlag(&f, &got, "for", value, "how long")
		if f.Lookup("for").DefValue != want {
			t.Errorf("%v is shown as %q, want %q", value, f.Lookup("for").DefValue, want)
		}
	}
}
