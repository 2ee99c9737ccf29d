package diag

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSort(t *testing.T) {
	want := []Diagnostic{
		{Code: BadTag, Message: "no place"},
		{Code: BadValue, Pos: Pos{"a.cue", 1, 9}, Message: "x"},
		{Code: UnknownField, Pos: Pos{"a.cue", 2, 1}, Message: "x"},
		{Code: BadValue, Pos: Pos{"a.cue", 2, 1}, Message: "x"},
		{Code: BadValue, Pos: Pos{"a.cue", 2, 1}, Message: "y"},
		{Code: BadValue, Pos: Pos{"a.cue", 10, 1}, Message: "x"},
		{Code: BadValue, Pos: Pos{"b.cue", 1, 1}, Message: "x"},
	}
	for range 20 {
		got := append(append([]Diagnostic{}, want...), want[2], want[0])
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		if diff := cmp.Diff(want, Sort(got)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestCount(t *testing.T) {
	ds := []Diagnostic{{Severity: Warning}, {Severity: Error}, {Severity: Warning}}
	if e, w := Count(ds); e != 1 || w != 2 || !Refused(ds) {
		t.Errorf("Count = %d, %d", e, w)
	}
	if Refused(ds[:1]) || Refused(nil) {
		t.Error("a warning does not refuse")
	}
}

func TestRebase(t *testing.T) {
	in := []Diagnostic{
		{Pos: Pos{"a.cue", 1, 2}, Notes: []Note{{Pos: Pos{"b.cue", 3, 4}}}},
		{Message: "no file"},
	}
	got := Rebase(in, "sets/x")
	want := []Diagnostic{
		{Pos: Pos{"sets/x/a.cue", 1, 2}, Notes: []Note{{Pos: Pos{"sets/x/b.cue", 3, 4}}}},
		{Message: "no file"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if in[0].Pos.File != "a.cue" || in[0].Notes[0].Pos.File != "b.cue" {
		t.Error("Rebase changed its argument")
	}
}

func TestJSONRoundTrip(t *testing.T) {
	in := Diagnostic{
		Code: BadValue, Severity: Warning, Pos: Pos{"a.cue", 1, 2}, Path: "policy.team",
		Message: "m", Hint: "h", Notes: []Note{{Pos{"b.cue", 3, 4}, "n"}},
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"severity":"warning"`) {
		t.Errorf("severity is not a word: %s", text)
	}
	var out Diagnostic
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"severity":"fatal"}`), &out); err == nil {
		t.Error("an unknown severity is accepted")
	}
}

func TestPosString(t *testing.T) {
	for want, p := range map[string]Pos{"": {}, "a.cue": {File: "a.cue"}, "a.cue:3": {"a.cue", 3, 0}, "a.cue:3:4": {"a.cue", 3, 4}} {
		if got := p.String(); got != want {
			t.Errorf("%#v: %q, want %q", p, got, want)
		}
	}
}
