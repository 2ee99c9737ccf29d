package traffic

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Hash replaces the values of some labels by digests, so that a file can be shown
// to others. The same value has the same digest within a file; with a key that
// nobody keeps, nobody finds out a value by trying. torrent_task_id stands for the
// task, too.
type Hash struct {
	names []string
	key   []byte
	known map[string]string
}

// hashDigits is how long a digest is: enough for a million values not to meet.
const hashDigits = 12

// NewHash returns a Hash of labels by their names; nil for none. key makes the
// digests those of one file: give random bytes.
func NewHash(names []string, key []byte) *Hash {
	if len(names) == 0 {
		return nil
	}
	names = slices.Sorted(slices.Values(names))
	return &Hash{names: slices.Compact(names), key: key, known: map[string]string{}}
}

// apply returns the task and the labels of s as they are written. It does not
// change s. A nil Hash changes nothing.
func (h *Hash) apply(s *Series) (task string, l metric.Labels) {
	if h == nil {
		return s.Task, s.Labels
	}
	task, l = s.Task, slices.Clone(s.Labels)
	for _, name := range h.names {
		if v := l.Get(name); v != "" {
			l = l.Set(name, h.digest(v))
		}
		if name == metric.TaskLabel {
			task = h.digest(task)
		}
	}
	return task, l
}

// maxKnown bounds the digests that are remembered.
const maxKnown = 100_000

func (h *Hash) digest(value string) string {
	d, ok := h.known[value]
	if !ok {
		mac := hmac.New(sha256.New, h.key)
		mac.Write([]byte(value))
		d = hex.EncodeToString(mac.Sum(nil))[:hashDigits]
		if len(h.known) >= maxKnown {
			clear(h.known)
		}
		h.known[value] = d
	}
	return d
}
