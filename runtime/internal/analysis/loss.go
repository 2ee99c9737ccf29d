package analysis

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// holding are the levels that promise that nothing is lost.
var holding = map[string]bool{"no-loss": true, "exactly-once": true}

// thinning are the actions that let only a part of the samples through. To drop
// says so by itself.
var thinning = map[string]string{"sample": "samples", "thin": "thins out", "limit": "limits"}

// loss finds rules that let a part of the samples through although a stream
// promises to lose none, and that do not say so. Control sees series, not the
// stream they came from, so each stream may be the one.
func (a *analyser) loss() {
	var stream string
	var note diag.Note
	for i := range a.set.Teams {
		t := &a.set.Teams[i]
		for _, name := range slices.Sorted(maps.Keys(t.Stream)) {
			if level := t.Stream[name].Level; holding[level] && stream == "" {
				stream = fmt.Sprintf("stream %s promises %s", name, level)
				note = a.note(&rule{team: t.Name, section: "stream", name: name}, "level", "level "+level)
			}
		}
	}
	if stream == "" {
		return
	}
	for _, r := range a.controls {
		if verb := thinning[r.control.Action]; verb != "" && r.control.Accept != "loss" {
			a.add(diag.UnsaidLoss, diag.Error, r, "action", fmt.Sprintf("%s %s what it matches, and %s", r, verb, stream),
				`write accept: "loss" if that is meant, or give the stream level none`, note)
		}
	}
}
