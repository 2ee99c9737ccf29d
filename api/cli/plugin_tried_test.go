package cli

import (
	"testing"

	"github.com/sluice-metrics/sluice/runtime/explain"
)

func TestTriedCell(t *testing.T) {
	for want, tried := range map[string]*explain.TriedPlugin{
		"-":                                 nil,
		"9: 4 changed, 3 dropped, 2 failed": {Samples: 9, Changed: 4, Dropped: 3, Failed: 2, Made: 1},
	} {
		if got := triedCell(tried); got != want {
			t.Errorf("%+v: %q, want %q", tried, got, want)
		}
	}
}
