package automaton

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func compile(t interface{ Fatal(...any) }, patterns ...string) *Set {
	s, err := unbounded().Compile(patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unbounded() *Search { return &Search{Left: 1 << 40} }

// meaning is what a pattern means, by Go's regular expressions.
func meaning(t interface{ Fatal(...any) }, pattern string) *regexp.Regexp {
	expr, ok := strings.CutPrefix(pattern, "re:")
	if !ok {
		expr = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	}
	re, err := regexp.Compile(`^(?s:(?:` + expr + `))$`)
	if err != nil {
		t.Fatal(err)
	}
	return re
}

func find(t interface{ Fatal(...any) }, all, but []*Set) (string, bool) {
	v, ok, err := unbounded().Find(all, but)
	if err != nil {
		t.Fatal(err)
	}
	return v, ok
}

func TestOverlapAndInclusion(t *testing.T) {
	for _, c := range []struct {
		a, b            []string
		overlap, within bool
	}{
		{[]string{"a*"}, []string{"*b"}, true, false},
		{[]string{"order-etl-*"}, []string{"order-*"}, true, true},
		{[]string{"order-*"}, []string{"order-etl-*"}, true, false},
		{[]string{"order-1"}, []string{"order-?"}, true, true},
		{[]string{"order-10"}, []string{"order-?"}, false, false},
		{[]string{"re:order-[0-9]+"}, []string{"order-*"}, true, true},
		{[]string{"order-*"}, []string{"re:order-.*"}, true, true},
		{[]string{"a", "b"}, []string{"re:[abc]"}, true, true},
		{[]string{"re:(a|b)*c"}, []string{"re:[ab]*c"}, true, true},
		{[]string{"*_debug_*"}, []string{"*_latency_*"}, true, false},
		{[]string{"x*"}, []string{"*"}, true, true},
		{[]string{"re:^foo$"}, []string{"foo"}, true, true},
		{[]string{"re:foo|bar"}, []string{"baz"}, false, false},
		{[]string{"a*b*c"}, []string{"a*c"}, true, true},
		{[]string{"a*c"}, []string{"a*b*c"}, true, false},
		{[]string{"re:(?i)abc"}, []string{"ABC"}, true, false},
		{[]string{"ABC"}, []string{"re:(?i)abc"}, true, true},
		{[]string{"re:(?i)k"}, []string{"re:[kK\u212a]"}, true, true}, // the sign for kelvin is a k
		{[]string{"日本*"}, []string{"日*"}, true, true},
		{[]string{"日?"}, []string{"日本"}, true, false},
		{[]string{"re:a.b"}, []string{"a\nb"}, true, false}, // . takes the end of a line
		{[]string{"re:(?-s)a.b"}, []string{"a\nb"}, false, false},
		{[]string{"re:a\\b.*"}, []string{"a_*"}, false, false},
		{[]string{"re:a\\b.*"}, []string{"a-*"}, true, false},
		{[]string{"re:(?m)a$\\n^b"}, []string{"a\nb"}, true, true},
		{[]string{"re:a$b"}, []string{"*"}, false, true}, // nothing lies in everything
		{[]string{"re:\\Ba*"}, []string{"*"}, true, true},
		{[]string{"re:a\\B"}, []string{"*"}, false, true},
		{nil, []string{"*"}, false, true},
		{[]string{"*"}, nil, false, false},
		{[]string{""}, []string{"?*"}, false, false},
		{[]string{""}, []string{"*"}, true, true},
		{[]string{"***"}, []string{"*"}, true, true},
		{[]string{"ab*", "ac*"}, []string{"a*"}, true, true},
		{[]string{"a*"}, []string{"ab*", "re:a[^b].*", "a"}, true, true},
	} {
		a, b := compile(t, c.a...), compile(t, c.b...)
		if v, got := find(t, []*Set{a, b}, nil); got != c.overlap || got && !(a.Match(v) && b.Match(v)) {
			t.Errorf("%q and %q overlap: %t %q", c.a, c.b, got, v)
		}
		if v, outside := find(t, []*Set{a}, []*Set{b}); outside == c.within || outside && (!a.Match(v) || b.Match(v)) {
			t.Errorf("%q lies within %q: %t %q", c.a, c.b, !outside, v)
		}
	}
}

func TestWitnesses(t *testing.T) {
	for _, c := range []struct {
		all, but []string
		want     string
	}{
		{[]string{"*_latency_*", "x_*"}, nil, "x_latency_"},
		{[]string{"flink_*_in", "re:.*[0-9]{2}.*"}, nil, "flink_00_in"},
		{[]string{"order-*"}, []string{"order-"}, "order-x"},
		{[]string{"*"}, nil, ""},
		{[]string{"*"}, []string{""}, "x"},
		{[]string{"?"}, []string{"re:[x-z]"}, "a"},
		{[]string{"re:[^ -~]"}, nil, "é"},
		{nil, nil, ""},
		{nil, []string{"re:.?"}, "xx"},
		{[]string{"*b", "a*"}, []string{"ab", "re:a[xyz]b"}, "aab"},
	} {
		var all, but []*Set
		for _, p := range c.all {
			all = append(all, compile(t, p))
		}
		for _, p := range c.but {
			but = append(but, compile(t, p))
		}
		if v, ok := find(t, all, but); !ok || v != c.want {
			t.Errorf("in %q, not in %q: %q %t, want %q", c.all, c.but, v, ok, c.want)
		}
	}
}

// What takes too long is given up, and said to be.
func TestBounds(t *testing.T) {
	hard := "re:(a|b)*a(a|b){20}"
	a, b := compile(t, hard), compile(t, "re:(a|b)*b(a|b){20}")
	if v, _, err := unbounded().Find([]*Set{a}, []*Set{b, compile(t, "re:.{0,30}")}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a question without an answer got %q, %v", v, err)
	}
	// Beyond the bound of states a match goes on without them.
	long := strings.Repeat("ab", 20_000) + "a" + strings.Repeat("b", 20)
	if !a.Match(long) || a.Match(long+"b") || a.Match(long[:len(long)-1]) {
		t.Error("a long text is matched wrongly")
	}
	if len(a.machine.states) > maxStates || a.machine.held > 2*maxHeld {
		t.Errorf("%d states with %d nodes", len(a.machine.states), a.machine.held)
	}
	spent := Search{Left: 3}
	if _, _, err := spent.Find([]*Set{compile(t, "a*b"), compile(t, "*cc*")}, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a search without a budget ends with %v", err)
	}
	if _, _, err := spent.Find(nil, nil); !errors.Is(err, ErrTooLarge) || spent.Left >= 0 {
		t.Errorf("without a budget, a question is answered: %v", err)
	}
	s := Search{Left: 100}
	slow, err := s.Compile(hard)
	if err != nil || !slow.Match(long) || s.Left >= 0 {
		t.Errorf("a match costs nothing, or is not answered: %v, %d left", err, s.Left)
	}
	if _, err := unbounded().Compile(slices.Repeat([]string{"re:(x{500}){2}"}, 30)...); !errors.Is(err, ErrTooLarge) {
		t.Errorf("30,000 nodes: %v", err)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, p := range []string{"re:(", "re:a)(b", "re:(?=x)", "re:x{2000}", "\xff", "re:\xff"} {
		if s, err := unbounded().Compile(p); err == nil {
			t.Errorf("%q is accepted: %+v", p, s)
		}
	}
}

func TestPropertiesOfSets(t *testing.T) {
	for pattern, want := range map[string]string{"ab*": "ab", "re:ab+c": "ab", "re:(?i)ab": "", "*": "", "abc": "abc"} {
		if got := compile(t, pattern).Prefix(); got != want {
			t.Errorf("%q begins with %q, want %q", pattern, got, want)
		}
	}
	if !compile(t, "a", "**").All() || compile(t, "?*").All() {
		t.Error("All is wrong")
	}
	if compile(t, "*").Match("\xff") || compile(t, "?").Match("\xff") {
		t.Error("what is not UTF-8 is in a set")
	}
}

var (
	globs = rapid.StringMatching(`[ab*?]{0,5}`)
	exprs = rapid.OneOf(
		rapid.StringMatching(`re:(a|b|[ab]|\.|a\*|b\+|a\?|\(a\|b\)\*|\(ab\)\?|\[\^a\]){0,4}`),
		rapid.StringMatching(`re:(a|b|\^|\$|\\b|\\B|\.|\.\*|\(\?i:A\)|b\{1,2\}|\(a\|\)|\(\?m:\^\)|\(\?m:\$\)|\\n){0,4}`),
	)
	pattern = rapid.OneOf(globs, exprs)
)

// words are all strings of up to four of these characters, the short ones first.
var words = func() []string {
	out := []string{""}
	for from := 0; len(out[len(out)-1]) < 4; {
		to := len(out)
		for _, w := range out[from:to] {
			for _, c := range []string{"a", "b", "A", "\n", "-"} {
				out = append(out, w+c)
			}
		}
		from = to
	}
	return out
}()

// Sets have the members that Go's regular expressions say they have.
func TestMatchAgreesWithRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(pattern, 1, 3).Draw(t, "patterns")
		s := compile(t, list...)
		var means []*regexp.Regexp
		for _, p := range list {
			means = append(means, meaning(t, p))
		}
		for _, w := range words {
			want := slices.ContainsFunc(means, func(re *regexp.Regexp) bool { return re.MatchString(w) })
			if s.Match(w) != want {
				t.Fatalf("%q matches %q: %t", list, w, !want)
			}
			if want && !strings.HasPrefix(w, s.Prefix()) {
				t.Fatalf("%q matches %q, which does not begin with %q", list, w, s.Prefix())
			}
		}
	})
}

// Find finds what trying all short strings finds, and nothing shorter is missed.
func TestFindAgreesWithTrying(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.SliceOfN(pattern, 1, 2), 0, 3).Draw(t, "all")
		but := rapid.SliceOfN(rapid.SliceOfN(pattern, 1, 2), 0, 2).Draw(t, "but")
		var in, out []*Set
		for _, p := range all {
			in = append(in, compile(t, p...))
		}
		for _, p := range but {
			out = append(out, compile(t, p...))
		}
		v, ok := find(t, in, out)
		if ok {
			checkMember(t, v, all, but)
		}
		for _, w := range words {
			if fits(w, in, out) && (!ok || len(w) < utf8.RuneCountInString(v)) {
				t.Fatalf("in %q, not in %q: found %q, %t, and %q is one", all, but, v, ok, w)
			}
		}
		if again, ok2 := find(t, in, out); again != v || ok2 != ok {
			t.Fatalf("asked again: %q and %q", v, again)
		}
	})
}

func checkMember(t interface{ Fatalf(string, ...any) }, v string, all, but [][]string) {
	member := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool {
			expr, ok := strings.CutPrefix(p, "re:")
			if !ok {
				expr = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p))
			}
			return regexp.MustCompile(`^(?s:(?:` + expr + `))$`).MatchString(v)
		})
	}
	for _, list := range all {
		if !member(list) {
			t.Fatalf("%q is found, and not in %q", v, list)
		}
	}
	for _, list := range but {
		if member(list) {
			t.Fatalf("%q is found, and in %q", v, list)
		}
	}
}

// Whatever the patterns are: what is found is in the one and not in the other,
// and sets agree with regular expressions about any text.
func FuzzFind(f *testing.F) {
	f.Add("*_latency_*", "x_*", "x_latency_y")
	f.Add("re:(?i)ſtraße\\b", "*E", "STRASSE")
	f.Add("re:(a|b)*a(a|b){12}", "re:[^c]+", "aaab")
	f.Add("re:(?m)^$|\\x{10FFFF}?", "?", "\U0010ffff")
	f.Add("a*b?c*", "re:", "aXbYc")
	f.Fuzz(func(t *testing.T, p, q, v string) {
		if len(p) > 60 || len(q) > 60 {
			return
		}
		s := &Search{Left: 150_000_000}
		a, errA := s.Compile(p)
		b, errB := s.Compile(q)
		if errA != nil || errB != nil {
			return
		}
		if utf8.ValidString(v) && a.Match(v) != meaning(t, p).MatchString(v) {
			t.Fatalf("%q matches %q: %t", p, v, a.Match(v))
		}
		if w, ok, err := s.Find([]*Set{a, b}, nil); err == nil && ok {
			checkMember(t, w, [][]string{{p}, {q}}, nil)
		}
		if w, ok, err := s.Find([]*Set{a}, []*Set{b}); err == nil && ok {
			checkMember(t, w, [][]string{{p}}, [][]string{{q}})
		} else if err == nil && utf8.ValidString(v) && a.Match(v) && !b.Match(v) {
			t.Fatalf("%q lies within %q, but not %q", p, q, v)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for name, c := range map[string][2]string{
		"apart":  {"flink_taskmanager_job_task_*", "flink_jobmanager_*"},
		"sample": {"flink_taskmanager_job_task_*", "flink_*"},
		"globs":  {"flink_taskmanager_*_buffers_*", "flink_*_task_*_in"},
		"regexp": {"re:flink_taskmanager_job_task_num(Bytes|Buffers)In(Local|Remote)(PerSecond)?", "*_task_*Second"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() { // compiled each time: a rule set is looked at once
				x, y := compile(b, c[0]), compile(b, c[1])
				if _, _, err := unbounded().Find([]*Set{x, y}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
