package kafka

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// keys are the newest values of a compacted topic, by kind: what stands before the
// first slash of a key.
type keys struct {
	next   int64 // offset up to which it was read
	byKind map[string]map[string]control.Entry
}

func newKeys() *keys { return &keys{byKind: map[string]map[string]control.Entry{}} }

func kindOf(key string) string {
	kind, _, _ := strings.Cut(key, "/")
	return kind
}

// take notes a record and returns its kind. A nil value takes the key away. A value
// is copied: it lies in the buffer of its whole batch.
func (k *keys) take(key string, value []byte, offset int64, heard time.Time) (kind string) {
	kind = kindOf(key)
	if value == nil {
		delete(k.byKind[kind], key)
		return kind
	}
	if k.byKind[kind] == nil {
		k.byKind[kind] = map[string]control.Entry{}
	}
	k.byKind[kind][key] = control.Entry{Key: key, Value: bytes.Clone(value), Offset: offset, Heard: heard}
	return kind
}

func (k *keys) get(key string) (control.Entry, bool) {
	e, ok := k.byKind[kindOf(key)][key]
	return e, ok
}

func (k *keys) list(prefix string) (out []control.Entry) {
	for key, e := range k.byKind[kindOf(prefix)] {
		if strings.HasPrefix(key, prefix) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b control.Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	return out
}

// differing returns the kinds in which two states differ.
func (k *keys) differing(from *keys) map[string]bool {
	kinds := map[string]bool{}
	for kind, entries := range k.byKind {
		was := from.byKind[kind]
		kinds[kind] = len(was) != len(entries)
		for key, e := range entries {
			kinds[kind] = kinds[kind] || was[key].Offset != e.Offset || was[key].Key == ""
		}
	}
	for kind, entries := range from.byKind {
		if len(entries) > 0 && len(k.byKind[kind]) == 0 {
			kinds[kind] = true
		}
	}
	for kind, differs := range kinds {
		if !differs {
			delete(kinds, kind)
		}
	}
	return kinds
}
