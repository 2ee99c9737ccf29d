package policy

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Two globs meet exactly when a short text matches both.
func TestPatternsMeet(t *testing.T) {
	pattern := rapid.StringMatching(`[ab*?]{0,4}`)
	var texts []string
	for n := range 9 {
		for i := range 1 << n {
			b := make([]byte, n)
			for k := range b {
				b[k] = "ab"[i>>k&1]
			}
			texts = append(texts, string(b))
		}
	}
	expr := func(glob string) *regexp.Regexp {
		return regexp.MustCompile("^" + strings.NewReplacer("*", ".*", "?", ".").Replace(glob) + "$")
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := pattern.Draw(t, "a"), pattern.Draw(t, "b")
		x, y, want := expr(a), expr(b), false
		for _, s := range texts {
			want = want || x.MatchString(s) && y.MatchString(s)
		}
		if got := patternsMeet(a, b); got != want {
			t.Fatalf("patternsMeet(%q, %q) = %v", a, b, got)
		}
	})
}

func TestExpressionsMeet(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"re:torrent_.*", "torrent_task_id", true},
		{"torrent_task_id", "re:task_.*", false},
		{"re:a.*", "b*", true}, // nobody knows
		{"re:a.*", "re:b.*", true},
		{"re:(", "b", true}, // reported elsewhere
	} {
		if got := patternsMeet(c.a, c.b); got != c.want {
			t.Errorf("patternsMeet(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
