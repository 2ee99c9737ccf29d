package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// updated applies edits to one file of tests.
func updated(t testing.TB, text string, edits ...ExpectEdit) (string, string, []string) {
	t.Helper()
	snap := Snapshot{"policy.cue": []byte(setHead + "policy: schema.#Policy & {team: \"x\"}\n"), "policy_test.cue": []byte(text)}
	for i := range edits {
		edits[i].Team, edits[i].Test = "x", "a"
	}
	files, found := UpdateTests(snap, edits)
	var why []string
	for _, d := range found {
		why = append(why, fmt.Sprintf("%s: %s", d.Pos, d.Message))
	}
	if len(files) == 0 {
		return "", "", why
	}
	return string(files[0].New), files[0].Diff("policy_test.cue"), why
}

func TestUpdateTests(t *testing.T) {
	kept := func(change []ElementChange, remove []int, add ...string) ExpectEdit {
		return ExpectEdit{List: "kept", Change: change, Remove: remove, Add: add}
	}
	for name, tt := range map[string]struct {
		list string
		edit ExpectEdit
		want string
	}{
		"a value":          {`[{metric: "m", value: 1}] // c`, kept([]ElementChange{{0, "value", "-2.5"}}, nil), `[{metric: "m", value: -2.5}] // c`},
		"a negative value": {`[{metric: "m", value: -1}]`, kept([]ElementChange{{0, "value", "2"}}, nil), `[{metric: "m", value: 2}]`},
		"a list":           {`[{metric: "m", to: ["a"]}]`, kept([]ElementChange{{0, "to", `["b"]`}}, nil), `[{metric: "m", to: ["b"]}]`},
		"the first of two": {`[{metric: "m"}, {metric: "n"}]`, kept(nil, []int{0}), `[{metric: "n"}]`},
		"the last of two":  {`[{metric: "m"}, {metric: "n"}]`, kept(nil, []int{1}), `[{metric: "m"}]`},
		"the only one":     {`[{metric: "m"}]`, kept(nil, []int{0}), `[]`},
		"one for another":  {`[{metric: "m"}, {metric: "n"}]`, kept(nil, []int{0}, `{metric: "o"}`), `[{metric: "o"}, {metric: "n"}]`},
		"one more":         {`[{metric: "m"}]`, kept(nil, nil, `{metric: "o"}`, `{metric: "p"}`), `[{metric: "m"}, {metric: "o"}, {metric: "p"}]`},
		"the first":        {`[]`, kept(nil, nil, `{metric: "o"}`), `[{metric: "o"}]`},
		"lines": {"[\n\t\t{metric: \"m\"}, // first\n\n\t\t// about n\n\t\t{metric: \"n\"},\n\t]", kept(nil, []int{1}, `{metric: "o"}`, `{metric: "p"}`),
			"[\n\t\t{metric: \"m\"}, // first\n\n\t\t// about n\n\t\t{metric: \"o\"},\n\t\t{metric: \"p\"},\n\t]"},
		"a line": {"[\n\t\t{metric: \"m\"},\n\t\t{metric: \"n\"},\n\t]", kept(nil, []int{0}), "[\n\t\t{metric: \"n\"},\n\t]"},
		"a line at the end": {"[\n\t\t{metric: \"m\"},\n\t\t{metric: \"n\"}\n\t]", kept(nil, nil, `{metric: "o"}`),
			"[\n\t\t{metric: \"m\"},\n\t\t{metric: \"n\"},\n\t\t{metric: \"o\"},\n\t]"},
		"a word": {`["out", "dropped"]`, ExpectEdit{List: "samples", Change: []ElementChange{{1, "", `"out"`}}}, `["out", "out"]`},
	} {
		head, tail := "package policies\n\n// A test.\npolicy: test: a: {\n\tgiven: [{task: \"t\", metric: \"m\"}]\n\texpect: "+tt.edit.List+": ", "\n}\n"
		got, diff, why := updated(t, head+tt.list+tail, tt.edit)
		if d := cmp.Diff(head+tt.want+tail, got); d != "" || len(why) > 0 {
			t.Errorf("%s: %v %s", name, why, d)
		}
		if patched := patch(t, head+tt.list+tail, diff); patched != got {
			t.Errorf("%s: the diff\n%s\ngives\n%s", name, diff, patched)
		}
	}
}

func TestUpdateTestsRefusesWhatIsComputed(t *testing.T) {
	edit := ExpectEdit{List: "kept", Change: []ElementChange{{0, "value", "2"}}}
	for text, want := range map[string]string{
		`policy: test: a: {given: [{task: "t", metric: "m"}], expect: kept: [for x in [1] {metric: "m", value: x}]}`:             "a comprehension makes its elements",
		`policy: test: a: {given: [{task: "t", metric: "m"}], let l = [{metric: "m", value: 1}], expect: kept: l}`:               "it is computed",
		`policy: test: a: {let v = 1, given: [{task: "t", metric: "m"}], expect: kept: [{metric: "m", value: v}]}`:               "value of element 0 is computed",
		`policy: test: a: expect: kept: [{metric: "m"}]`:                                                                         "value of element 0 is computed",
		`for n in ["a"] {policy: test: "\(n)": expect: kept: [{metric: "m", value: 1}]}`:                                         "the test is made by a comprehension",
		"policy: test: a: expect: kept: [{metric: \"m\", value: 1}]\npolicy: test: a: expect: kept: [{metric: \"m\", value: 1}]": "it is written in several places",
		`policy: test: a: given: []`: "it is computed",
	} {
		got, _, why := updated(t, "package policies\n\n"+text+"\n", edit)
		if got != "" || len(why) != 1 || !strings.HasSuffix(why[0], "kept of test x/a cannot be rewritten: "+want) || !strings.HasPrefix(why[0], "policy_test.cue:3:") {
			t.Errorf("%s: %q, %q; want %s", text, got, why, want)
		}
	}
}

// Whatever changes, the diff turns the old text into the new one.
func TestDiffTurnsOldIntoNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(0, 30).Draw(t, "lines") {
			b.WriteString(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "\n"}).Draw(t, "line"))
		}
		b.WriteString(rapid.SampledFrom([]string{"", "end"}).Draw(t, "end"))
		f := FileEdit{Old: []byte(b.String())}
		at := 0
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			from := rapid.IntRange(at, len(f.Old)).Draw(t, "from")
			at = rapid.IntRange(from, len(f.Old)).Draw(t, "to")
			f.splices = append(f.splices, splice{from, at, rapid.SampledFrom([]string{"", "x", "y\n", "x\ny\nz", "a\n"}).Draw(t, "text")})
		}
		f.apply()
		diff := f.Diff("f")
		if got := patch(t, string(f.Old), diff); got != string(f.New) {
			t.Fatalf("old %q, new %q, diff\n%s\ngives %q", f.Old, f.New, diff, got)
		}
	})
}

// patch applies a unified diff.
func patch(t interface{ Fatalf(string, ...any) }, old, diff string) string {
	rest, out := slices.Collect(strings.Lines(old)), []string{}
	at := 0 // lines of old that are used
	before := byte(0)
	for line := range strings.Lines(diff) {
		if text, ok := strings.CutPrefix(line, "@@ -"); ok {
			var from, n, to, m int
			if _, err := fmt.Sscanf(text, "%d,%d +%d,%d @@", &from, &n, &to, &m); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			out, at = append(out, rest[at:from-1]...), from-1
			if len(out) != to-1 {
				t.Fatalf("%q: the new text is at line %d", line, len(out)+1)
			}
			continue
		}
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case line[0] == '\\':
			if before == '+' {
				out[len(out)-1] = strings.TrimSuffix(out[len(out)-1], "\n")
			}
		case line[0] == '+':
			out = append(out, line[1:])
		default:
			if got := strings.TrimSuffix(rest[at], "\n"); got != strings.TrimSuffix(line[1:], "\n") {
				t.Fatalf("%q stands for %q", line, got)
			}
			if line[0] == ' ' {
				out = append(out, rest[at])
			}
			at++
		}
		before = line[0]
	}
	return strings.Join(append(out, rest[at:]...), "")
}

// A file of tests that is written can be loaded, and says the same.
func TestTestFile(t *testing.T) {
	value := -1e6
	tests := []NamedTest{{Name: "odd-text", Test: Test{
		Description: `with "quotes"`, Step: "P2",
		Given: []TestInput{{Task: "t\n", Scope: "a.b", Metric: "m \\(x)", Kind: "meter", Origin: "sql", Value: 0.1,
			Labels: map[string]string{"a": `"`, "if": "\x01"}, At: "0s"}},
		Expect: TestExpect{Kept: []TestSeries{{Metric: "m", Task: "t", Value: &value, To: []string{"store"}, Labels: map[string]string{"b": "c"}}},
			Dropped: []TestDropped{{Metric: "n", Task: "u", By: "x/drop", Labels: map[string]string{"d": ""}}}},
	}}, {Name: "nothing", Test: Test{Step: "P0", Given: []TestInput{{Task: "t", Metric: "m", Kind: "gauge", Value: 1, At: "0s"}}, Expect: TestExpect{Kept: []TestSeries{}}}}}
	text, err := TestFile("what it is", tests)
	if err != nil {
		t.Fatal(err)
	}
	set := setHead + `policy: schema.#Policy & {team: "x"
	control: drop: schema.#Drop & {match: metrics: ["q"], reason: "why not"}
	sink: store: {type: "store"}}`
	b, found, err := Load(context.Background(), fstest.MapFS{
		"policy.cue": &fstest.MapFile{Data: []byte(set)}, "policy_test.cue": &fstest.MapFile{Data: text}}, Options{})
	if err != nil || b == nil {
		t.Fatalf("%v, %v\n%s", found, err, text)
	}
	want := map[string]Test{tests[0].Name: tests[0].Test, tests[1].Name: tests[1].Test}
	if diff := cmp.Diff(want, b.Set.Teams[0].Test); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
}
