package analysis

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		pattern, word string
		want          int
	}{
		{"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "abxc", 1}, {"", "ab", 2}, {"ab", "", 2},
		{"a*c", "abbbc", 0}, {"a*d", "abbbc", 1}, {"*", "anything", 0}, {"a?c", "abc", 0}, {"a?c", "ac", 1}, {"*bufers*", "x_buffers_y", 1},
		{"abcdef", "uvwxyz", 3}, {"abcdef", "a", 3}, {"a", "abcdef", 3}, {"a*", "", 1},
	} {
		var room table
		if got := room.distance(c.pattern, c.word, 3); got != c.want {
			t.Errorf("%q is %d from %q, want %d", c.pattern, got, c.word, c.want)
		}
	}
	if got := near("operator_nam", []string{"operator_id", "operator_name", "operator_names"}, 2); got != "operator_name" {
		t.Errorf("nearest is %q", got)
	}
	if got := near("zone", []string{"operator_id"}, 2); got != "" {
		t.Errorf("nearest is %q", got)
	}
}
