package rest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"pgregory.net/rapid"
)

// with returns a request whose parameter p is v.
func with(v string) echo.Context {
	req := httptest.NewRequest(http.MethodGet, "/?"+url.Values{"p": {v}}.Encode(), nil)
	return echo.New().NewContext(req, httptest.NewRecorder())
}

// reads checks how one parameter is read; want nil: that it is refused.
func reads[T any](t *testing.T, read func(echo.Context, string) (T, error), same func(a, b T) bool, v string, want *T) {
	t.Helper()
	got, err := read(with(v), "p")
	var bad *badParameter
	switch {
	case want == nil && !errors.As(err, &bad):
		t.Errorf("%q is read as %v, error %v; want it refused", v, got, err)
	case want != nil && (err != nil || !same(got, *want)):
		t.Errorf("%q is read as %v, error %v; want %v", v, got, err, *want)
	}
}

func TestTimeParameter(t *testing.T) {
	absent := time.Unix(5, 0)
	read := func(c echo.Context, name string) (time.Time, error) { return timeParam(c, name, absent) }
	for v, milli := range map[string]int64{
		"": 5000, "0": 0, "1.5": 1500, "-1.25": -1250, "1e3": 1_000_000, "1700000000.123": 1_700_000_000_123,
		"2026-01-02T03:04:05Z": 1_767_323_045_000, "2026-01-02T03:04:05.25+01:00": 1_767_319_445_250,
	} {
		want := time.UnixMilli(milli)
		reads(t, read, time.Time.Equal, v, &want)
	}
	for _, v := range []string{"now", "NaN", "Inf", "-Inf", "1e17", "-1e300", "2026-01-02", "2026-13-02T00:00:00Z", "1 ", "5m", "0x"} {
		reads(t, read, time.Time.Equal, v, nil)
	}
}

func TestTimesKeepMilliseconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const far = 253402300799999 // the end of the year 9999
		milli := rapid.Int64Range(-far, far).Draw(t, "milliseconds")
		want := time.UnixMilli(milli)
		for _, v := range []string{strconv.FormatFloat(float64(milli)/1000, 'f', 3, 64), strconv.FormatFloat(float64(milli)/1000, 'g', -1, 64)} {
			if got, err := timeParam(with(v), "p", time.Time{}); err != nil || !got.Equal(want) {
				t.Fatalf("%s is read as %v, error %v; want %v", v, got, err, want)
			}
		}
	})
}

func TestDurationParameter(t *testing.T) {
	same := func(a, b time.Duration) bool { return a == b }
	for v, want := range map[string]time.Duration{
		"": 0, "1": time.Second, "0.25": 250 * time.Millisecond, "1e3": 1000 * time.Second, "15s": 15 * time.Second,
		"1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "100ms": 100 * time.Millisecond,
	} {
		reads(t, durationParam, same, v, &want)
	}
	for _, v := range []string{"0", "-1", "-0", "NaN", "Inf", "-Inf", "1e300", "9223372037", "soon", "1x", "-5m", "5m ", "1.5h", "99999y"} {
		reads(t, durationParam, same, v, nil)
	}
}

func TestNumberParameter(t *testing.T) {
	same := func(a, b int) bool { return a == b }
	for v, want := range map[string]int{"": 0, "0": 0, "7": 7, "100000": 100000} {
		reads(t, numberParam, same, v, &want)
	}
	for _, v := range []string{"-1", "1.5", "1e3", "x", " 1", "99999999999999999999"} {
		reads(t, numberParam, same, v, nil)
	}
}
