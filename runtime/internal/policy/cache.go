package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Cache remembers the teams of the set that was loaded last: a change to one team
// costs the evaluation of that team, however many there are. It holds plain data,
// nothing of CUE. The zero Cache is empty; it is safe for concurrent use. A nil
// Cache remembers nothing.
type Cache struct {
	mu      sync.Mutex
	teams   map[cacheKey]*judged
	configs map[cacheKey]configOutcome // of plugins
}

// cacheKey is a digest of all that the outcome of a team depends on.
type cacheKey [sha256.Size]byte

func keyOf(pkg teamPackage, snap Snapshot, tags []string) cacheKey {
	h := sha256.New()
	part := func(b []byte) { fmt.Fprintf(h, "%d:", len(b)); h.Write(b) }
	part([]byte(pkg.Dir))
	for _, name := range pkg.Files {
		part([]byte(name))
		part(snap[name])
	}
	h.Write([]byte{0})
	for _, tag := range tags {
		part([]byte(tag))
	}
	return cacheKey(h.Sum(nil))
}

// judge returns the outcomes of the teams of work, in order. It has those
// evaluated that it does not know, and forgets those that work does not name.
func (c *Cache) judge(ctx context.Context, work judgement,
	evaluate func(context.Context, judgement) ([]teamOutcome, []diag.Diagnostic, error),
) ([]teamOutcome, []diag.Diagnostic, error) {
	if c == nil {
		return evaluate(ctx, work)
	}
	known := c.get()
	out, keys := make([]teamOutcome, len(work.Packages)), make([]cacheKey, len(work.Packages))
	todo := judgement{Snapshot: Snapshot{}, Rest: work.Rest, Tags: work.Tags}
	var places []int // of todo.Packages in work.Packages
	for i, pkg := range work.Packages {
		keys[i] = keyOf(pkg, work.Snapshot, work.Tags)
		if j := known[keys[i]]; j != nil {
			out[i] = outcome(j, pkg, work.Snapshot)
			continue
		}
		todo.add(pkg.Files, work.Snapshot)
		todo.Packages, places = append(todo.Packages, pkg), append(places, i)
	}
	todo.add(work.Rest, work.Snapshot)
	var found []diag.Diagnostic
	if len(todo.Snapshot) > 0 {
		fresh, ds, err := evaluate(ctx, todo)
		if err != nil || fresh == nil {
			return nil, ds, err
		}
		found = ds
		for k, i := range places {
			out[i] = fresh[k]
		}
	}
	c.set(keys, out)
	return out, found, nil
}

func (j *judgement) add(files []string, from Snapshot) {
	for _, name := range files {
		j.Snapshot[name] = from[name]
	}
}

// outcome is that of a team which was evaluated before, or in another process.
func outcome(j *judged, pkg teamPackage, snap Snapshot) teamOutcome {
	o := teamOutcome{judged: j}
	if j.rules() != nil {
		o.where = locateAgain(j, pkg, snap)
	}
	return o
}

func (c *Cache) get() map[cacheKey]*judged {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.teams
}

func (c *Cache) set(keys []cacheKey, teams []teamOutcome) {
	fresh := make(map[cacheKey]*judged, len(keys))
	for i, key := range keys {
		fresh[key] = teams[i].judged
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.teams = fresh
}

// maxConfigs is how many configs of plugins are remembered.
const maxConfigs = 1000

// config returns the outcome of checking a config, which is checked once.
func (c *Cache) config(work configWork, judge func() (configOutcome, error)) (configOutcome, error) {
	if c == nil {
		return judge()
	}
	key := cacheKey(sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(work.Schema), work.Schema, work.Config)))
	c.mu.Lock()
	out, ok := c.configs[key]
	c.mu.Unlock()
	if ok {
		return out, nil
	}
	out, err := judge()
	if err != nil || out.Limited {
		return out, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.configs == nil || len(c.configs) >= maxConfigs {
		c.configs = map[cacheKey]configOutcome{}
	}
	c.configs[key] = out
	return out, nil
}
