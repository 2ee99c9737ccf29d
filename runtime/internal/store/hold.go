package store

import (
	"errors"
	"sync"

	"github.com/prometheus/prometheus/storage"
)

// holds keep the database open while it is read.
type holds struct {
	mu      sync.Mutex
	closed  bool
	readers sync.WaitGroup
}

// errClosed says that the store was closed, as when its sink was taken away.
var errClosed = errors.New("the store is closed")

// Querier implements storage.Queryable: the database stays open until it is closed.
func (s *Store) Querier(from, to int64) (storage.Querier, error) {
	h := &s.holds
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, errClosed
	}
	h.readers.Add(1)
	h.mu.Unlock()
	q, err := s.db.Querier(from, to)
	if err != nil {
		h.readers.Done()
		return nil, err
	}
	return &heldQuerier{Querier: q, release: sync.OnceFunc(h.readers.Done)}, nil
}

type heldQuerier struct {
	storage.Querier
	release func()
}

// Close lets go of the database.
func (q *heldQuerier) Close() error {
	defer q.release()
	return q.Querier.Close()
}

// end waits for the readers and lets no more in; false when that was done before.
func (h *holds) end() bool {
	h.mu.Lock()
	was := h.closed
	h.closed = true
	h.mu.Unlock()
	h.readers.Wait()
	return !was
}
