package testkit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// Topic is a compacted log in memory. Its readers lag behind each other by as much
// as a test wants.
type Topic struct {
	mu      sync.Mutex
	entries []control.Entry // a nil value is a deletion
	next    int64
	readers []*Reader
	away    bool
}

// ErrAway is the error of a Topic that is away.
var ErrAway = errors.New("the log is away")

// Reader is one instance's control.Log over a Topic.
type Reader struct {
	topic *Topic
	lag   func() time.Duration // before each record
	wake  chan struct{}

	mu      sync.Mutex
	keys    map[string]control.Entry
	next    int64
	changed map[string]chan struct{}
	moved   chan struct{}
}

var _ control.Log = (*Reader)(nil)

// Reader returns a reader that has read what there is, and then reads each record
// lag after it could. It reads until ctx ends.
func (t *Topic) Reader(ctx context.Context, lag func() time.Duration) *Reader {
	r := &Reader{
		topic: t, lag: lag, wake: make(chan struct{}, 1), keys: map[string]control.Entry{},
		changed: map[string]chan struct{}{}, moved: make(chan struct{}),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.entries {
		r.take(e)
	}
	r.next = t.next
	t.readers = append(t.readers, r)
	go r.follow(ctx)
	return r
}

// Away lets writes fail, or work again.
func (t *Topic) Away(away bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away = away
}

// Compact removes all but the newest record of each key, and deletions.
func (t *Topic) Compact() {
	t.mu.Lock()
	defer t.mu.Unlock()
	newest := map[string]int64{}
	for _, e := range t.entries {
		newest[e.Key] = e.Offset
	}
	read := t.next
	for _, r := range t.readers {
		r.mu.Lock()
		read = min(read, r.next)
		r.mu.Unlock()
	}
	t.entries = slices.DeleteFunc(t.entries, func(e control.Entry) bool {
		return newest[e.Key] != e.Offset || e.Value == nil && e.Offset < read // a deletion stays until it was read
	})
}

// append writes a record and returns its offset.
func (t *Topic) append(key string, value []byte) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.away {
		return 0, ErrAway
	}
	offset := t.next
	t.next++
	t.entries = append(t.entries, control.Entry{Key: key, Value: value, Offset: offset, Heard: time.Now()})
	for _, r := range t.readers {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return offset, nil
}

func (r *Reader) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		for r.step() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(r.lag()):
			}
		}
	}
}

// step reads one record, if there is one.
func (r *Reader) step() bool {
	r.topic.mu.Lock()
	defer r.topic.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.topic.entries {
		if e.Offset >= r.next {
			e.Heard = time.Now()
			r.take(e)
			r.next = e.Offset + 1
			close(r.moved)
			r.moved = make(chan struct{})
			return true
		}
	}
	return false
}

func (r *Reader) take(e control.Entry) {
	kind, _, _ := strings.Cut(e.Key, "/")
	if ch := r.changed[kind]; ch != nil {
		close(ch)
		delete(r.changed, kind)
	}
	if e.Value == nil {
		delete(r.keys, e.Key)
		return
	}
	r.keys[e.Key] = e
}

// Put implements control.Log.
func (r *Reader) Put(ctx context.Context, key string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	return r.write(ctx, key, value)
}

// Delete implements control.Log.
func (r *Reader) Delete(ctx context.Context, key string) error { return r.write(ctx, key, nil) }

func (r *Reader) write(ctx context.Context, key string, value []byte) error {
	offset, err := r.topic.append(key, value)
	if err != nil {
		return err
	}
	for {
		r.mu.Lock()
		next, moved := r.next, r.moved
		r.mu.Unlock()
		if next > offset {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Get implements control.Log.
func (r *Reader) Get(key string) (control.Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.keys[key]
	return e, ok
}

// List implements control.Log.
func (r *Reader) List(prefix string) (out []control.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, e := range r.keys {
		if strings.HasPrefix(key, prefix) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b control.Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	return out
}

// Changed implements control.Log.
func (r *Reader) Changed(kind string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := r.changed[kind]
	if ch == nil {
		ch = make(chan struct{})
		r.changed[kind] = ch
	}
	return ch
}

// Loaded implements control.Log.
func (r *Reader) Loaded() bool { return true }
