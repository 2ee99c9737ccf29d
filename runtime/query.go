package runtime

import (
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/store"
)

// What can be asked of the embedded store.
type (
	Store       = store.Store
	QueryLimits = store.Limits
	QueryResult = store.Result
	QueryError  = store.Error
)

// Kinds of QueryError that a door answers in a way of its own.
const (
	QueryBad      = store.BadQuery
	QueryTimeout  = store.Timeout
	QueryCanceled = store.Canceled
	QueryInternal = store.Internal
)

// Store returns the embedded store; the error wraps ErrNoStore when the policy
// set has none and ErrNotReady before it is open.
func (r *Runtime) Store() (*Store, error) {
	for _, s := range r.set.sinks() {
		if s.Type != "store" {
			continue
		}
		r.mu.RLock()
		defer r.mu.RUnlock()
		if r.store == nil || r.ended {
			return nil, fmt.Errorf("%w: the store is not open", ErrNotReady)
		}
		return r.store, nil
	}
	return nil, ErrNoStore
}
