package program

import (
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestParseSeries(t *testing.T) {
	for text, want := range map[string]metric.Labels{
		`up`:                              nil,
		` up {} `:                         nil,
		`up{a="b"}`:                       labelsOf("a", "b"),
		`up{ b = 'x' , a=` + "`y`" + `,}`: labelsOf("a", "y", "b", "x"),
		`{__name__="up",a="b"}`:           labelsOf("a", "b"),
		`up{a=""}`:                        nil,
		`up{a="q\"\\\n\u00e9\xff",b="1"}`: labelsOf("a", "q\"\\\né\xff", "b", "1"),
		"up{a=\"two\nlines\"}":            labelsOf("a", "two\nlines"),
		`up{a="}, ünïcode {"}`:            labelsOf("a", "}, ünïcode {"),
	} {
		name, labels, err := ParseSeries(text)
		if err != nil || name != "up" {
			t.Errorf("%s: %q, %v", text, name, err)
		}
		if diff := cmp.Diff(want.String(), labels.String()); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestParseSeriesSaysWhereAndWhat(t *testing.T) {
	for text, want := range map[string]SeriesError{
		``:                 {0, "the text ends where a name should be", `write name{label="value"}`},
		`9up`:              {0, "'9' where a name should be", `write name{label="value"}`},
		`flink.up`:         {5, "'.' where the end of the series should be", "characters that a name cannot have are underscores in the name of a series"},
		`{a="b"}`:          {0, "the series has no name", "put the name before the brace"},
		`up{a="b"`:         {8, `the text ends where "," or "}" should be`, ""},
		`up{a="b" c="d"}`:  {9, `'c' where "," or "}" should be`, ""},
		`up{a}`:            {4, `'}' where "=" should be`, ""},
		`up{a=b}`:          {5, "'b' where a quoted value should be", ""},
		`up{a="b}`:         {5, "the value of a does not end", ""},
		`up{a="\"}`:        {5, "the value of a does not end", ""},
		`up{a="\q"}`:       {5, "the value of a has an escape that means nothing", `write \ as \\`},
		`up{a=~"b"}`:       {4, "the label a is matched by =~", "this is one series, not a selector: write ="},
		`up{a!="b"}`:       {4, "the label a is matched by !=", "this is one series, not a selector: write ="},
		`up{a="b",a="c"}`:  {9, "the label a is there twice", ""},
		`up{__name__="x"}`: {3, "the series has two names", ""},
		`up{,}`:            {3, "',' where the name of a label should be", ""},
		`up{a:b="c"}`:      {4, `':' where "=" should be`, ""},
		`up{a="b"} 3`:      {10, "'3' where the end of the series should be", "characters that a name cannot have are underscores in the name of a series"},
		"up{a=\"\xff\"}":   {6, "the text is not UTF-8", ""},
		`up{} {}`:          {5, "'{' where the end of the series should be", "characters that a name cannot have are underscores in the name of a series"},
	} {
		_, _, err := ParseSeries(text)
		got := (*SeriesError)(nil)
		if !errors.As(err, &got) {
			t.Errorf("%q: error %v", text, err)
		} else if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if _, _, err := ParseSeries(string(make([]byte, maxSeriesText+1))); err == nil {
		t.Error("a text without bound is read")
	}
}

// What is read is written as it was, and a mistake has a place in the text.
func FuzzParseSeries(f *testing.F) {
	for _, s := range []string{`up{a="b"}`, `{__name__='x',b="\n\\"}`, `a{b=~"c"}`, "a{b=`x`,}", `a{b="\u00e9\x41\101"}`, "a{", `x{a="\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, labels, err := ParseSeries(text)
		if bad := (*SeriesError)(nil); errors.As(err, &bad) {
			if bad.Offset < 0 || bad.Offset > len(text) || bad.Message == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		} else if err != nil {
			t.Fatalf("%q: another error: %v", text, err)
		}
		again, same, err := ParseSeries(name + labels.String())
		bare := (&seriesText{text: name}).word(true) == name // __name__ may hold anything
		for _, l := range labels {
			bare = bare && utf8.ValidString(l.Value)
		}
		if bare && (err != nil || again != name || !slices.Equal(labels, same)) {
			t.Fatalf("%q becomes %s%s and then %s%s, %v", text, name, labels, again, same, err)
		}
	})
}
