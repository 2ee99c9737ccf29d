package plugins

import (
	"hash/maphash"
	"sync"
	"time"
)

// interned holds strings that a guest made before, so that making them again
// allocates nothing. What is new to it is counted in the plugin's window.
type interned struct {
	strings map[string]string
	bytes   int
	window  *window
}

// The most that one interned holds before it starts anew.
const (
	internedStrings = 16 << 10
	internedBytes   = 2 << 20
)

// get returns s as a string, or false when the plugin has made more than limit
// distinct ones within the hour.
func (k *interned) get(s []byte, limit int) (string, bool) {
	if own, ok := k.strings[string(s)]; ok {
		return own, true
	}
	if !k.window.enter(s, limit, time.Now()) {
		return "", false
	}
	if k.strings == nil || len(k.strings) >= internedStrings || k.bytes > internedBytes {
		k.strings, k.bytes = map[string]string{}, 0
	}
	own := string(s)
	k.strings[own] = own
	k.bytes += len(own)
	return own, true
}

// window counts the distinct strings of one plugin within an hour.
type window struct {
	mu   sync.Mutex
	seed maphash.Seed
	seen map[uint64]struct{}
	from time.Time
}

func newWindow() *window { return &window{seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}} }

func (w *window) enter(s []byte, limit int, now time.Time) bool {
	h := maphash.Bytes(w.seed, s)
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.from) >= time.Hour {
		clear(w.seen)
		w.from = now
	}
	if _, ok := w.seen[h]; ok {
		return true
	}
	if len(w.seen) >= limit {
		return false
	}
	w.seen[h] = struct{}{}
	return true
}
