package metric

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"
)

func equal(t interface {
	Helper()
	Fatalf(string, ...any)
}, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// sorted returns a map's labels as Labels are to be.
func sorted(m map[string]string) (out Labels) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, Label{name, m[name]})
	}
	return out
}

func TestSet(t *testing.T) {
	ab := Labels{{"a", "1"}, {"c", "3"}}
	for _, c := range []struct {
		doc         string
		l           Labels
		name, value string
		want        Labels
	}{
		{"first", nil, "a", "1", Labels{{"a", "1"}}},
		{"in front", ab, "_", "0", Labels{{"_", "0"}, {"a", "1"}, {"c", "3"}}},
		{"between", ab, "b", "2", Labels{{"a", "1"}, {"b", "2"}, {"c", "3"}}},
		{"behind", ab, "d", "4", Labels{{"a", "1"}, {"c", "3"}, {"d", "4"}}},
		{"another value", ab, "c", "x", Labels{{"a", "1"}, {"c", "x"}}},
		{"remove", ab, "a", "", Labels{{"c", "3"}}},
		{"remove what is not there", ab, "b", "", ab},
		{"remove from none", nil, "b", "", nil},
	} {
		t.Run(c.doc, func(t *testing.T) {
			equal(t, "labels", c.want, slices.Clone(c.l).Set(c.name, c.value))
		})
	}
}

func TestSetEditsInPlace(t *testing.T) {
	l := Labels{{"a", "1"}, {"b", "2"}}
	l.Set("b", "x")
	equal(t, "labels", Labels{{"a", "1"}, {"b", "x"}}, l)
}

func TestLookup(t *testing.T) {
	l := Labels{{"a", ""}, {"b", "2"}}
	for _, c := range []struct {
		name, value string
		there       bool
	}{{"a", "", true}, {"b", "2", true}, {"", "", false}, {"aa", "", false}, {"c", "", false}} {
		if v, ok := l.Lookup(c.name); v != c.value || ok != c.there {
			t.Errorf("Lookup(%q) = %q, %v; want %q, %v", c.name, v, ok, c.value, c.there)
		}
		if v := l.Get(c.name); v != c.value {
			t.Errorf("Get(%q) = %q, want %q", c.name, v, c.value)
		}
	}
}

func TestSortKeepsTheLast(t *testing.T) {
	got := Labels{{"b", "1"}, {"a", "1"}, {"b", "2"}, {"a", ""}, {"b", "3"}}.Sort()
	equal(t, "labels", Labels{{"a", ""}, {"b", "3"}}, got)
	equal(t, "no labels", Labels(nil), Labels(nil).Sort())
}

func TestCompact(t *testing.T) {
	got := Labels{{"a", ""}, {"b", "1"}, {"c", ""}, {"d", ""}}.Compact()
	equal(t, "labels", Labels{{"b", "1"}}, got)
	equal(t, "no labels", Labels(nil), Labels(nil).Compact())
}

var (
	names  = rapid.StringMatching(`[a-e_]{1,2}`) // few, so that they meet
	values = rapid.OneOf(rapid.Just(""), rapid.StringMatching(`["\\\n {}=,a-c]{0,6}`), rapid.String())
	list   = rapid.SliceOf(rapid.Custom(func(t *rapid.T) Label {
		return Label{names.Draw(t, "name"), values.Draw(t, "value")}
	}))
)

// Labels hold what a map would.
func TestLabelsAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, want := Labels(list.Draw(t, "labels")), map[string]string{}
		for _, x := range l {
			want[x.Name] = x.Value
		}
		l = l.Sort()
		equal(t, "sorted", sorted(want), l)
		equal(t, "sorted again", sorted(want), l.Sort())
		for range rapid.IntRange(0, 20).Draw(t, "edits") {
			name, value := names.Draw(t, "name"), values.Draw(t, "value")
			l = l.Set(name, value)
			want[name] = value
			if value == "" {
				delete(want, name)
			}
			equal(t, "after "+fmt.Sprintf("Set(%q, %q)", name, value), sorted(want), l)
		}
		name := names.Draw(t, "asked")
		value, there := want[name]
		if v, ok := l.Lookup(name); v != value || ok != there || l.Get(name) != value {
			t.Fatalf("%v: %q is %q, %v; want %q, %v", l, name, v, ok, value, there)
		}
		maps.DeleteFunc(want, func(_, v string) bool { return v == "" })
		equal(t, "compact", sorted(want), l.Compact())
	})
}

func TestString(t *testing.T) {
	for _, c := range []struct {
		l    Labels
		want string
	}{
		{nil, `{}`},
		{Labels{{"a", "1"}}, `{a="1"}`},
		{Labels{{"a", "1"}, {"b", ""}}, `{a="1", b=""}`},
		{Labels{{"a", "x\"y\\z\nü"}}, `{a="x\"y\\z\nü"}`},
	} {
		if got := c.l.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// Prometheus reads what String writes.
func TestStringIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Labels(list.Draw(t, "labels")).Sort()
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader("x" + want.String() + " 1\n"))
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		var got Labels
		for _, p := range families["x"].GetMetric()[0].GetLabel() {
			got = append(got, Label{p.GetName(), p.GetValue()})
		}
		equal(t, "labels", want, got.Sort())
	})
}
