package runtime

import (
	"sync"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// dictionary leads from the short identifiers that rewrites put into labels back
// to what they stand for.
type dictionary struct {
	mu     sync.RWMutex
	values map[string]string
}

// maxShortIDs bounds the dictionary. Identifiers beyond it still are in the
// labels; only the way back is missing.
const maxShortIDs = 100_000

func newDictionary() *dictionary { return &dictionary{values: map[string]string{}} }

func (d *dictionary) learn(ids []program.ShortID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		if len(d.values) < maxShortIDs {
			d.values[id.ID] = id.Value
		}
	}
}

// ShortID returns what a short identifier stands for, as far as this instance
// has seen it.
func (r *Runtime) ShortID(id string) (value string, ok bool) {
	r.dictionary.mu.RLock()
	defer r.dictionary.mu.RUnlock()
	value, ok = r.dictionary.values[id]
	return value, ok
}
