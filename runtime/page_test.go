package runtime

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestPagesAreTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOf(rapid.StringN(1, -1, -1)).Draw(t, "list"))))
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		var got []string
		for after, n := "", 0; ; n++ {
			p, err := PageOf(list, func(s string) string { return s }, after, limit)
			if err != nil || len(p.Items) > limit || p.Items == nil || n > len(list) {
				t.Fatalf("after %q: %+v, error %v", after, p, err)
			}
			got = append(got, p.Items...)
			if after = p.Next; after == "" {
				break
			}
		}
		if !slices.Equal(got, list) {
			t.Fatalf("pages of %q have %q", list, got)
		}
	})
}

func TestPageOfAChangedList(t *testing.T) {
	list := []string{"a", "b", "d"}
	id := func(s string) string { return s }
	first, err := PageOf(list, id, "", 2)
	if err != nil || first.Next == "" {
		t.Fatal(first, err)
	}
	second, err := PageOf([]string{"a", "c", "d"}, id, first.Next, 2) // b has gone, c has come
	if err != nil || !slices.Equal(second.Items, []string{"c", "d"}) || second.Next != "" {
		t.Errorf("%+v, error %v", second, err)
	}
	for i, wrong := range []string{"!", "a b", "YQ==", "ä"} {
		if _, err := PageOf(list, id, wrong, 1); !errors.Is(err, ErrRejected) {
			t.Errorf("%s: %q: %v", strconv.Itoa(i), wrong, err)
		}
	}
}
