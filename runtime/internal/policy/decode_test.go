package policy

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func decodeSet(text string) (*Set, error) {
	s := &Set{}
	return s, decodeText([]byte(text), s)
}

// What the decoder takes, encoding/json takes, and makes the same of it; what
// json.Marshal has written, the decoder takes.
func FuzzDecode(f *testing.F) {
	for _, dir := range []string{"aggregate", "budget", "control", "degrade", "rewrite"} {
		b, found, err := Load(f.Context(), os.DirFS("../../../examples/"+dir+"/policies"), Options{})
		if err != nil || b == nil {
			f.Fatal(dir, found, err)
		}
		text, err := json.Marshal(b.Set)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	team := func(body string) { f.Add(`{"teams":[{"apiVersion":"v1","team":"a",` + body + `}]}`) }
	f.Add("")
	f.Add("null")
	f.Add(`{"teams":null}`)
	f.Add(`{"teams":[]} {}`)
	team(`"transform":{"x":{"config":{"a":[1,"b",null]},"limits":{"pages":3},"shadow":0.5,"unless":{"labels":{"a":["\u00e9\n\ud800","é"]}}}}`)
	team(`"control":{"x":{"order":-1,"rate":1e3},"x":{"order":01}}`)
	team(`"control":{"x":{"order":1.0}}`)
	team(`"control":{"x":{"rate":.5}}`)
	team(`"Team":"b"`)
	team(`"test":{"t":{"expect":{"kept":[{"metric":"m","value":1}],"dropped":[]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decodeSet(text)
		var want Set
		wrong := unmarshalStrict([]byte(text), &want)
		if err == nil && wrong != nil {
			t.Fatalf("taken, but encoding/json says: %v", wrong)
		}
		if diff := cmp.Diff(&want, got); err == nil && diff != "" {
			t.Fatal(diff)
		}
		if wrong != nil {
			return
		}
		again, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeSet(string(again)); err != nil {
			t.Fatalf("%v: %s", err, again)
		}
	})
}

func TestDecoderRefuses(t *testing.T) {
	for _, text := range []string{
		"", "nul", "[]", `{"teams":[}`, `{"teams":[{}`, `{"teams":[{},]}`, `{"teams":[{}]}x`, `{"teams":[],"teams":[]}`, `{"Teams":[]}`, `{teams:[]}`,
		`{"teams":[{"team":1}]}`, `{"teams":[{"team":"a}]}`, `{"teams":[{"team":"\x"}]}`, `{"teams":[{"task":{"a":{"enabled":yes}}}]}`,
		`{"teams":[{"control":{"a":{"order":1.5}}}]}`, `{"teams":[{"control":{"a":{"order":99999999999999999999}}}]}`,
		`{"teams":[{"control":{"a":{"rate":1e999}}}]}`, `{"teams":[{"control":{"a":{"more":1}}}]}`, `{"teams":[{"transform":{"a":{"config":{"b":}}}}]}`,
	} {
		if s, err := decodeSet(text); err == nil {
			t.Errorf("%s: taken as %+v", text, s)
		}
	}
	var words struct {
		A []string `json:"a"`
	}
	d := newDecoder([]byte(`{"a":["` + strings.Repeat("x", longestWord+1) + `","y","y"]}`))
	if err := d.decode(reflect.ValueOf(&words).Elem()); err != nil || len(words.A) != 3 || words.A[1] != "y" || len(words.A[0]) != longestWord+1 {
		t.Errorf("%q, %v", words.A, err)
	}
}
