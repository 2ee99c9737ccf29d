package replay

import (
	"strings"
	"testing"
	"time"
)

// A replay that is paced sends records that are as old as an instance would find them
// live: the latest is the present when it is sent, and none is of the future.
func TestReplayShift(t *testing.T) {
	const records = `{"report_timestamp":1000}
{"no":"time"}
{"report_timestamp":41000}
{"report_timestamp":31000}
`
	now := time.UnixMilli(1_000_000)
	for _, tt := range []struct {
		name, in      string
		speed         float64
		latest, first time.Duration // of the timestamps as sent, since the replay began
	}{
		{"at once", records, 0, 0, -40 * time.Second},
		{"as recorded", records, 1, 40 * time.Second, 0},
		{"ten times as fast", records, 10, 4 * time.Second, -36 * time.Second},
		{"slower than recorded", records, .5, 40 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shift, err := shiftToNow(strings.NewReader(tt.in), now, tt.speed)
			if err != nil {
				t.Fatal(err)
			}
			since := func(ms int64) time.Duration { return time.UnixMilli(ms + shift).Sub(now) }
			if since(41000) != tt.latest || since(1000) != tt.first {
				t.Errorf("latest %v, first %v after the beginning; want %v, %v", since(41000), since(1000), tt.latest, tt.first)
			}
		})
	}
}
