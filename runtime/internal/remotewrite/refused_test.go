package remotewrite_test

import (
	"errors"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
)

func TestLaneTellsWhatWasRefused(t *testing.T) {
	const written = "X-Prometheus-Remote-Write-Samples-Written"
	for name, c := range map[string]struct {
		opts   remotewrite.Options
		answer func() (*http.Response, error)
		want   map[string]int
	}{
		"taken":      {answer: func() (*http.Response, error) { return answer(200, ""), nil }, want: map[string]int{}},
		"refused":    {answer: func() (*http.Response, error) { return answer(400, "out of order sample"), nil }, want: map[string]int{"out-of-order": 3}},
		"in part":    {remotewrite.Options{Protocol: remotewrite.V2}, func() (*http.Response, error) { return answer(400, "too old", written, "4"), nil }, map[string]int{"too-old": 1}},
		"most of it": {remotewrite.Options{Protocol: remotewrite.V2}, func() (*http.Response, error) { return answer(400, "too old", written, "1"), nil }, map[string]int{"too-old": 3}},
		"given up":   {remotewrite.Options{Tries: 2}, func() (*http.Response, error) { return nil, errors.New("connection refused") }, map[string]int{"given-up": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSink(t, func(*http.Request) (*http.Response, error) { return c.answer() }, c.opts)
				l := openLane(t, s)
				a, b := l.Bind(series("a")), l.Bind(series("b"))
				write(t, l, // three points, two of them meters
					engine.Sample{Ref: a, Time: 1, Counts: true}, engine.Sample{Ref: b, Time: 1},
					engine.Sample{Ref: a, Time: 2, Counts: true}, engine.Sample{Ref: b, Time: 2},
					engine.Sample{Ref: a, Time: 3, Counts: true})
				got := map[string]int{}
				refuser := l.(engine.Refuser)
				refuser.Refused(func(sink, reason string, n int) { got[reason] += n })
				if !maps.Equal(got, c.want) {
					t.Errorf("refused %v, want %v", got, c.want)
				}
				refuser.Refused(func(_, reason string, n int) { t.Errorf("%d of %s are told twice", n, reason) })
			})
		})
	}
}
