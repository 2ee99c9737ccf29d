package program

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatternForms(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		form    form
		yes, no []string
	}{
		{"", literal, []string{""}, []string{"a"}},
		{"*", everything, []string{"", "a"}, nil},
		{"**", everything, []string{"", "a"}, nil},
		{"?*", glob, []string{"a", "ab", "é"}, []string{""}},
		{"?", glob, []string{"a", "é"}, []string{"", "ab"}},
		{"a.b", literal, []string{"a.b"}, []string{"aXb", "a.b "}},
		{"flink_*", prefix, []string{"flink_", "flink_x"}, []string{"flink", "x_flink_"}},
		{"*_count", suffix, []string{"_count", "x_count"}, []string{"x_counts"}},
		{"*lag*", contains, []string{"lag", "xlagx"}, []string{"la"}},
		{"a*b*c", glob, []string{"abc", "aXbYbc"}, []string{"ab", "acb"}},
		{"a*ab", glob, []string{"aab", "aabab"}, []string{"ab"}},
		{"[a]", literal, []string{"[a]"}, []string{"a"}},
		{"re:a|b", expression, []string{"a", "b"}, []string{"ab", "xa"}},
		{"re:flink_.*_(lag|time)_ms", expression, []string{"flink_x_lag_ms", "flink__time_ms"}, []string{"flink_lag_ms", "flink_x_lag_s", "_ms flink_"}},
		{"re:(?i)LAG.*", expression, []string{"lag", "Lag\nx"}, []string{"a lag"}},
	} {
		p, err := newPattern(tt.pattern)
		if err != nil {
			t.Fatalf("newPattern(%q): %v", tt.pattern, err)
		}
		if p.form != tt.form {
			t.Errorf("%q has form %d, want %d", tt.pattern, p.form, tt.form)
		}
		for _, v := range tt.yes {
			if !p.match(v) {
				t.Errorf("%q does not match %q", tt.pattern, v)
			}
		}
		for _, v := range tt.no {
			if p.match(v) {
				t.Errorf("%q matches %q", tt.pattern, v)
			}
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for _, s := range []string{"re:(", "re:a)(b", "re:[", `re:\8`} {
		if p, err := newPattern(s); err == nil {
			t.Errorf("newPattern(%q) = %v, want an error", s, p)
		}
	}
}

// A glob of any form means what the same expression means.
func TestPatternIsExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.StringOfN(rapid.SampledFrom([]rune("ab_é*?")), 0, 7, -1).Draw(t, "glob")
		v := rapid.StringOfN(rapid.SampledFrom([]rune("ab_é")), 0, 9, -1).Draw(t, "value")
		p, err := newPattern(g)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.match(v), globExpression(g).MatchString(v); got != want {
			t.Fatalf("%q matches %q: %t, want %t", g, v, got, want)
		}
	})
}

func globExpression(g string) *regexp.Regexp {
	s := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(g))
	return regexp.MustCompile(`^(?s:` + s + `)$`)
}

// The index finds the rules that asking each would find.
func TestIndexFindsEveryRule(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		lists := rapid.SliceOfN(rapid.SliceOfN(text, 0, 3), 1, 70).Draw(t, "rules")
		x := newIndex(len(lists))
		compiled := make([]patterns, len(lists))
		for i, list := range lists {
			ps, err := newPatterns(list)
			if err != nil {
				t.Fatal(err)
			}
			compiled[i] = ps
			x.add(int32(i), ps)
		}
		v := rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 5, -1).Draw(t, "value")
		b := newBitset(len(lists))
		for i := range b {
			b[i] = ^uint64(0)
		}
		x.narrow(b, newBitset(len(lists)), v)
		for i, ps := range compiled {
			if want := len(ps) == 0 || ps.match(v); b.has(int32(i)) != want {
				t.Fatalf("rule %d %q accepts %q: %t, want %t", i, lists[i], v, !want, want)
			}
		}
	})
}

func TestCandidatesAreTheIntersection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "n")
		draw := func(name string) bitset {
			b := newBitset(n)
			for i := range n {
				if rapid.Bool().Draw(t, name) {
					b.add(int32(i))
				}
			}
			return b
		}
		c := candidates{draw("a"), nil}
		if rapid.Bool().Draw(t, "both") {
			c[1] = draw("b")
		}
		from := rapid.IntRange(0, n).Draw(t, "from")
		var got []int
		for i := c.next(from, n); i < n; i = c.next(i+1, n) {
			got = append(got, i)
		}
		k := 0
		for i := from; i < n; i++ {
			if !c[0].has(int32(i)) || !c[1].has(int32(i)) {
				continue
			}
			if k >= len(got) || got[k] != i {
				t.Fatalf("candidates from %d: %v, want %d at %d", from, got, i, k)
			}
			k++
		}
		if k != len(got) {
			t.Fatalf("candidates from %d: %v, want %d of them", from, got, k)
		}
	})
}

// The shortcut through an expression's literal pieces excludes nothing that it matches.
func TestFixedParts(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b", "ab", ".", ".*", "a?", "(a|b)", "(?:ab)+", "[ab]", "(?i:A)", "\\w", "b{2}", "$", "^", "|"})
	rapid.Check(t, func(t *rapid.T) {
		expr := strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "pieces"), "")
		v := rapid.StringOfN(rapid.SampledFrom([]rune("abA")), 0, 8, -1).Draw(t, "value")
		p, err := newPattern("re:" + expr)
		if err != nil {
			t.Skip(err)
		}
		if got, want := p.match(v), p.re.MatchString(v); got != want {
			t.Fatalf("%q matches %q: %t, want %t; parts %q", expr, v, got, want, p.parts)
		}
	})
}
