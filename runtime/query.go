package runtime

import (
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/store"
)

// Store is the embedded store, as far as it can be asked.
type Store = store.Store

// QueryLimits bound one query.
type QueryLimits = store.Limits

// QueryResult is the answer to a query.
type QueryResult = store.Result

// QueryError is why a query has no result.
type QueryError = store.Error

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
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.store != nil && !r.ended {
		return r.store, nil
	}
	for _, s := range r.opened().sinks() {
		if s.Type == "store" {
			return nil, fmt.Errorf("%w: the store is not open", ErrNotReady)
		}
	}
	return nil, ErrNoStore
}
