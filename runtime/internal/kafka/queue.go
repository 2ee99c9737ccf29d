package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// batch is what one fetch brought for one partition: records, or a fault of the
// partition that comes after everything queued before it.
type batch struct {
	records []*kgo.Record
	bytes   int64 // in memory
	fault   error
}

// queue hands batches from the poll loop to the goroutine of one partition. It
// takes a batch beyond its limit, since what was fetched should not be fetched
// again, and leaves it to the poll loop to stop fetching.
type queue struct {
	ready chan struct{} // something may be in the queue
	space chan struct{} // something was taken out

	mu    sync.Mutex
	items []batch
	head  int // of items: the oldest
	bytes int64
	shut  bool // drop everything until the partition has been rewound
}

func newQueue() *queue {
	return &queue{ready: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

// push appends b, unless the queue is shut, and returns the bytes queued.
func (q *queue) push(b batch) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shut {
		return 0
	}
	q.items = append(q.items, b)
	q.bytes += b.bytes
	wake(q.ready)
	return q.bytes
}

// pop takes the oldest batch out.
func (q *queue) pop() (batch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) {
		return batch{}, false
	}
	b := q.items[q.head]
	q.items[q.head] = batch{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	} else {
		wake(q.ready)
	}
	q.bytes -= b.bytes
	wake(q.space)
	return b, true
}

func (q *queue) size() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.head == len(q.items)
}

// drop empties the queue and, with shut, refuses what comes until open.
func (q *queue) drop(shut bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items, q.head, q.bytes, q.shut = nil, 0, 0, shut
	wake(q.space)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
