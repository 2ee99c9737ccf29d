package sluice

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

func TestConfig(t *testing.T) {
	type read struct {
		S     string
		N     float64
		B     bool
		L     []string
		T     map[string]string
		Deep  string
		Units []float64
		Has   []bool
		Names []string
	}
	var got read
	p := Register(func(c *Config) Transform {
		got = read{S: c.String("s"), N: c.Number("n"), B: c.Bool("b"), L: c.Strings("l"), T: c.Table("t"),
			Deep: c.Object("o").Object("p").String("q"), Has: []bool{c.Has("s"), c.Has("nil"), c.Has("x")}, Names: c.Object("o").Names()}
		for _, u := range c.Objects("units") {
			got.Units = append(got.Units, u.Number("factor"))
		}
		return Each(func(*Record) {})
	})
	o := p.Try(` {"s":"a\"\\\u00e9\ud83d\ude00\ud83dx","n":-1.5e-3,"b":true,"l":["x","y"],"t":{"k":"v"},"nil":null,
		"o":{"p":{"q":"deep"}},"units":[{"factor":0},{"factor":1024}]} `)
	if o.Code != 0 {
		t.Fatal(o.Reason)
	}
	want := read{"a\"\\é😀\uFFFDx", -0.0015, true, []string{"x", "y"}, map[string]string{"k": "v"}, "deep", []float64{0, 1024}, []bool{true, false, false}, []string{"p"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBadConfig(t *testing.T) {
	p := Register(func(c *Config) Transform {
		c.String("s")
		c.Strings("l")
		c.Object("o").Table("t")
		c.Objects("u")
		if c.Bool("b") {
			c.Refuse("b must be false")
		}
		return Each(func(*Record) {})
	})
	const rest = `"l":[],"o":{"t":{}},"u":[],"b":false}`
	for config, want := range map[string]string{
		`{"s":"",` + rest: "",
		`{` + rest:        "config: s: is missing",
		`{"s":1,` + rest:  "config: s: is a number, must be a string",
		`{"s":"","l":["",true],"o":{"t":{}},"u":[],"b":false}`: "config: l[1]: is a boolean, must be a string",
		`{"s":"","l":[],"o":{"t":{"x":[]}},"u":[],"b":false}`:  "config: o.t.x: is a list, must be a string",
		`{"s":"","l":[],"o":{"t":{}},"u":[null],"b":false}`:    "config: u[0]: is null, must be an object",
		`{"s":"","l":[],"o":{"t":{}},"u":[],"b":true}`:         "config: b must be false",
		`[]`:                     "config: is a list, must be an object",
		``:                       "config: ends too early",
		`{"s":"" "l"`:            "config: is not JSON at byte 8",
		`{"s":1e999}`:            "config: 1e999 is out of range",
		strings.Repeat("[", 200): "config: nests too deep",
		`{"s":"a` + "\n" + `"}`:  "config: is not JSON at byte 7",
		`{"s":"\ud83`:            "config: is not JSON at byte 6",
		`{"s":"\`:                "config: ends too early",
	} {
		o := p.Try(config)
		if o.Reason != want || (want == "") != (o.Code == 0) || want != "" && o.Code != abi.BadConfig {
			t.Errorf("%s: %s %q, want %q", config, o.Code, o.Reason, want)
		}
	}
}

// plain makes of a value what encoding/json makes of it.
func (v *value) plain() any {
	switch v.kind {
	case boolean:
		return v.number == 1
	case number:
		return v.number
	case text:
		return v.text
	case list:
		out := []any{}
		for _, i := range v.items {
			out = append(out, i.plain())
		}
		return out
	case object:
		out := map[string]any{}
		for i, n := range v.names {
			out[n] = v.items[i].plain()
		}
		return out
	}
	return nil
}

// FuzzDecode compares the decoder with the one of the standard library.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,true,false,null,"\u0041\n"],"b":{}}`, `01`, `1.`, `-`, `"\ud800\udc00"`, `"\ud800"`, `[1,]`, `{"a":1,"a":2}`, ` 5 `, `1e400`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if !utf8.ValidString(in) || strings.Count(in, "[")+strings.Count(in, "{") > maxNesting {
			return
		}
		var want any
		wantErr := json.Unmarshal([]byte(in), &want)
		got, err := decode(in)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, encoding/json: %v", in, err, wantErr)
		}
		if err != nil {
			return
		}
		if d := cmp.Diff(want, got.plain(), cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })); d != "" {
			t.Errorf("%q: %s", in, d)
		}
	})
}
