package runtime

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T    `json:"items"`          // in the order of the list
	Next  string `json:"next,omitempty"` // what to ask for the items behind these with; none when there are no more
}

// PageOf returns the part of a list that is behind a cursor ("": from the start).
// What key returns of an item is not empty, tells it from every other, and ascends.
// An error about the cursor wraps ErrRejected. limit is at least 1.
func PageOf[T any](list []T, key func(T) string, after string, limit int) (Page[T], error) {
	from := 0
	if after != "" {
		last, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil {
			return Page[T]{}, fmt.Errorf("%w: after: %q is not what next has given", ErrRejected, after)
		}
		var found bool
		from, found = slices.BinarySearchFunc(list, string(last), func(item T, k string) int { return cmp.Compare(key(item), k) })
		if found {
			from++
		}
	}
	p := Page[T]{Items: slices.Clone(list[from:min(len(list), from+limit)])}
	if p.Items == nil {
		p.Items = []T{}
	}
	if from+limit < len(list) {
		p.Next = base64.RawURLEncoding.EncodeToString([]byte(key(p.Items[len(p.Items)-1])))
	}
	return p, nil
}
