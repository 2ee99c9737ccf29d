package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// placesOf lists all places that are known, by path.
func placesOf(p Provenance) map[string]diag.Pos {
	out := map[string]diag.Pos{}
	for team, t := range p {
		for line := range strings.SplitSeq(t.Rules, ";") {
			rule, _, _ := strings.Cut(line, " ")
			for _, field := range t.Fields {
				path := strings.TrimSuffix(team+"."+rule+"."+field, ".")
				if pos, ok := p.At(path); ok {
					out[path] = pos
				}
			}
		}
	}
	return out
}

func TestProvenanceHoldsEveryPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9-]{1,4}`)
		field := rapid.SampledFrom([]string{"", ".rate", ".match", ".match.metrics", `.match.labels."a b"`, ".order"})
		path := rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%s.%s.%s%s", name.Draw(t, "team"), rapid.SampledFrom([]string{"control", "sink"}).Draw(t, "section"),
				name.Draw(t, "rule"), field.Draw(t, "field"))
		})
		pos := rapid.Custom(func(t *rapid.T) diag.Pos {
			return diag.Pos{
				File: rapid.SampledFrom([]string{"a.cue", "teams/x/b.cue"}).Draw(t, "file"),
				Line: rapid.IntRange(0, 5).Draw(t, "line"), Column: rapid.IntRange(0, 3).Draw(t, "column"),
			}
		})
		places := rapid.MapOf(path, pos).Draw(t, "places")
		p := NewProvenance(places)
		if diff := cmp.Diff(places, placesOf(p)); diff != "" {
			t.Fatal(diff)
		}
		asked := path.Draw(t, "asked")
		got, ok := p.At(asked)
		if want, is := places[asked]; got != want || ok != is {
			t.Fatalf("%s is at %v (%v), want %v (%v)", asked, got, ok, want, is)
		}
		for at, pos := range p.Under("d") {
			if _, ok := p[at]; !ok || len(pos.Files) > 0 && !strings.HasPrefix(pos.Files[0], "d/") {
				t.Fatalf("%s is in %q", at, pos.Files)
			}
		}
	})
}

func TestProvenanceNear(t *testing.T) {
	rule, match := diag.Pos{File: "p.cue", Line: 3}, diag.Pos{File: "p.cue", Line: 4, Column: 2}
	p := NewProvenance(map[string]diag.Pos{"x.control.a": rule, "x.control.a.match": match})
	for path, want := range map[string]diag.Pos{
		"x.control.a": rule, "x.control.a.rate": rule, "x.control.a.match": match, "x.control.a.match.labels.host": match,
		"x.control.b": {}, "x.control": {}, "x": {}, "": {}, "y.control.a": {},
	} {
		if got := p.Near(path); got != want {
			t.Errorf("%s is near %v, want %v", path, got, want)
		}
	}
	if got := Provenance(nil).Near("x.control.a"); got != (diag.Pos{}) {
		t.Errorf("nothing is known, but it is at %v", got)
	}
}

// What came from elsewhere may be anything: then a place is not known.
func FuzzPlaces(f *testing.F) {
	for _, rules := range []string{
		"control.a 0:0:3:18 1:54 2:4:9;control.b 0:0:5:1;", "control.a 0:0:3:18", "control.a 0:7:3:18;", "control.a 0;", "control.a -1:2;",
		"control.a 0:99999999999999999999:1:1;", "control.a 0:0:1:1:1;", "control.a;", ";;", " ",
	} {
		f.Add(rules, "control.a", "rate")
	}
	f.Fuzz(func(t *testing.T, rules, rule, field string) {
		p := &Places{Files: []string{"p.cue"}, Fields: []string{"", "rate"}, Rules: rules}
		if pos, ok := p.at(rule, field); !ok && pos != (diag.Pos{}) {
			t.Errorf("not known, but %v", pos)
		}
	})
}
