package doctor

import (
	"path/filepath"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/store"
)

const expiresSoon = 14 * 24 * time.Hour

// Expiring tells which rules of a set end soon.
func (f *Findings) Expiring(set *policy.Set, now time.Time) {
	var soon []string
	look := func(team, name, day string) {
		at, err := time.Parse(time.DateOnly, day)
		if left := at.Sub(now); err == nil && left > -24*time.Hour && left <= expiresSoon {
			soon = append(soon, team+"/"+name+" on "+day)
		}
	}
	for _, t := range set.Teams {
		for name, rule := range t.Control {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Degrade {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Rewrite {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Transform {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Aggregate {
			look(t.Name, name, rule.Expires)
		}
		for name, rule := range t.Budget {
			look(t.Name, name, rule.Expires)
		}
	}
	if len(soon) > 0 {
		f.Warn("rules", "remove them, or move their expires", "%s within 14 days of the end: %s", diag.Number(len(soon), "rule"), firstFew(soon))
		return
	}
	f.OK("rules", "none ends within 14 days")
}

// Stored tells what the store of a data directory holds.
func (f *Findings) Stored(dataDir string) {
	b, err := store.ReadBlocks(filepath.Join(dataDir, "store"))
	switch {
	case err != nil:
		f.Fail("store", "move the block away, or give the instance the right to read it", "%v", err)
	case b.N == 0:
		f.OK("store", "no blocks yet: what is newer than two hours is in its log")
	default:
		f.OK("store", "%s, from %s to %s", diag.Number(b.N, "block"), b.Oldest.UTC().Format(time.RFC3339), b.Newest.UTC().Format(time.RFC3339))
	}
}
