package runtime

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// dictionary leads from the short identifiers that rewrites put into labels back
// to what they stand for.
type dictionary struct {
	mu     sync.RWMutex
	values map[string]string
	told   []program.ShortID // that are not on the control topic yet
	more   chan struct{}
}

// maxShortIDs bounds the dictionary. Identifiers beyond it still are in the
// labels; only the way back is missing.
const maxShortIDs = control.MaxShortIDs

func newDictionary() *dictionary {
	return &dictionary{values: map[string]string{}, more: make(chan struct{}, 1)}
}

func (d *dictionary) learn(ids []program.ShortID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		if _, known := d.values[id.ID]; !known && len(d.values) < maxShortIDs {
			d.told = append(d.told, id)
		}
		if len(d.values) < maxShortIDs {
			d.values[id.ID] = id.Value
		}
	}
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// next takes one identifier out that is to be told.
func (d *dictionary) next() (id program.ShortID, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.told) == 0 {
		d.told = nil
		return id, false
	}
	id, d.told = d.told[0], d.told[1:]
	return id, true
}

// shortIDPause is how long writing waits between two identifiers: at most 200 a
// second, so that a new policy does not fill the control topic at once.
const shortIDPause = 5 * time.Millisecond

// tellShortIDs is the part that puts the identifiers that this instance gives out on
// the control topic, where every instance finds them. Those that another has written
// are not written again.
func (r *Runtime) tellShortIDs(ctx context.Context, ready func()) error {
	ready()
	ids := control.NewShortIDs(r.control.Load())
	room := -1
	for {
		id, ok := r.dictionary.next()
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-r.dictionary.more:
				continue
			}
		}
		if room < 0 {
			room = maxShortIDs - ids.Len()
		}
		if room > 0 && r.tellShortID(ctx, ids, id) {
			room--
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(shortIDPause):
		}
	}
}

// tellShortID writes one, for as long as that takes, and reports whether it was news.
func (r *Runtime) tellShortID(ctx context.Context, ids *control.ShortIDs, id program.ShortID) (wrote bool) {
	for {
		writing, cancel := context.WithTimeout(ctx, controlPatience)
		wrote, err := ids.Put(writing, id.ID, id.Value)
		cancel()
		switch {
		case errors.Is(err, control.ErrOtherValue):
			r.metrics.ShortIDConflicts.Add(1)
			r.log.Warn("a short identifier stands for two values: make it longer", "id", id.ID, "value", id.Value)
			return false
		case err == nil || ctx.Err() != nil:
			return wrote
		}
		r.log.Debug("a short identifier waits for the control topic", "id", id.ID, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(controlRetry):
		}
	}
}

// ShortID returns what a short identifier stands for, as far as this instance or
// another one of the fleet has seen it.
func (r *Runtime) ShortID(id string) (value string, ok bool) {
	r.dictionary.mu.RLock()
	value, ok = r.dictionary.values[id]
	r.dictionary.mu.RUnlock()
	if log := r.control.Load(); !ok && log != nil {
		value, ok = control.NewShortIDs(log).Get(id)
	}
	return value, ok
}
