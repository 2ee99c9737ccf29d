package plugins_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	sluice "github.com/sluice-metrics/sluice/plugins/sdk/go"
)

// quickstart is what the quickstarts do, in Go: natively, since a module in Go takes
// too long to start for a fuzz target.
var quickstart = sluice.Register(func(c *sluice.Config) sluice.Transform {
	from, to := sluice.NewKey(c.String("from")), sluice.NewKey(c.String("to"))
	factor := c.Number("factor")
	return sluice.Each(func(r *sluice.Record) {
		r.Rename(from, to)
		r.SetValue(r.Value() * factor)
	})
})

// deepest is how deep a config may nest for every SDK.
const deepest = 100

// understood reads a config of the quickstarts as encoding/json does; ok tells whether
// they must accept it.
func understood(config string) (from, to string, factor float64, ok bool) {
	var v map[string]any
	if json.Unmarshal([]byte(config), &v) != nil || v == nil || nesting(config) > deepest {
		return "", "", 0, false
	}
	from, isFrom := v["from"].(string)
	to, isTo := v["to"].(string)
	factor, isFactor := v["factor"].(float64)
	return from, to, factor, isFrom && isTo && isFactor
}

// nesting returns how many objects and lists stand around what lies deepest in JSON.
func nesting(config string) (most int) {
	deep := 0
	for d := json.NewDecoder(strings.NewReader(config)); ; {
		token, err := d.Token()
		if err != nil {
			return most
		}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			deep--
		case json.Delim('{'), json.Delim('['):
			most = max(most, deep)
			deep++
		default:
			most = max(most, deep)
		}
	}
}

// labels are those of the record that a config is tried with.
func labels(from string) map[string]string {
	return map[string]string{"host": "h", from: "x"}
}

// became is what the quickstarts make of a record with labels(from) and the value 1.
type became struct {
	labels map[string]string
	value  float64
}

func renamed(from, to string, factor float64) became {
	l := labels(from)
	value := l[from]
	delete(l, from)
	l[to] = value
	return became{l, factor}
}

// differs says in what two outcomes differ, "" for nothing. The SDKs but that for Go read
// a number to a few units of its last place.
func (b became) differs(from became) string {
	if d := cmp.Diff(b.labels, from.labels); d != "" {
		return d
	}
	most := math.Max(math.Abs(b.value)*4e-15, 16*math.SmallestNonzeroFloat64)
	if math.Abs(b.value-from.value) > most || math.Signbit(b.value) != math.Signbit(from.value) {
		return fmt.Sprintf("the value is %v, must be %v", from.value, b.value)
	}
	return ""
}

// inSandbox starts a module with a config, and passes the record through it.
func inSandbox(t *testing.T, wasm []byte, cache, config, from string) (became, error) {
	p, err := plugins.Load(t.Context(), wasm, plugins.Options{Config: []byte(config), CacheDir: cache, Limits: patient})
	if err != nil {
		return became{}, err
	}
	defer p.Close(t.Context())
	i, err := p.Instance(t.Context())
	if err != nil {
		return became{}, err
	}
	defer i.Close()
	var b plugins.Batch
	var pairs []abi.Pair
	for k, v := range labels(from) {
		pairs = append(pairs, abi.Pair{Key: b.Intern(k), Value: b.Intern(v)})
	}
	b.Add(abi.Record{Name: b.Intern("n"), Value: 1}, pairs...)
	if err := i.Transform(t.Context(), &b); err != nil {
		return became{}, err
	}
	out := became{map[string]string{}, b.Records[0].Value}
	for _, p := range b.Labels(&b.Records[0]) {
		out.labels[b.Strings[p.Key]] = b.Strings[p.Value]
	}
	return out, nil
}

// patient are limits that a busy machine keeps.
var patient = plugins.Limits{Batch: 20 * time.Second, Init: 20 * time.Second, Compile: time.Minute}

// labelName is what Sluice takes for the name of a label.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// FuzzConfig gives a config to the quickstart of every language: each must take it, or
// refuse it, as encoding/json does, and read the same texts and numbers in it.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{"from":"task_name","to":"task","factor":0.5}`, ` { "to" : "x" , "factor" : -1.5e-3 , "from" : "" } `, `{}`, `[]`, ``, `null`,
		`{"from":"\u00e9\ud83d\ude00\ud83dx\udc00","to":"x","factor":1}`, `{"from":"a\"\\\/\b\f\n\r\t","to":"x","factor":1E+2}`,
		`{"from":"é😀","to":"host","factor":-0}`, `{"from":"host","to":"host","factor":1e308}`, `{"from":"a","from":"b","to":"x","factor":2}`,
		`{"from":"a","to":"x","factor":1e400}`, `{"from":"a","to":"x","factor":2,"more":1e400}`, `{"from":"a","to":"x","factor":01}`,
		`{"from":"a","to":"x","factor":1.}`, `{"from":"a","to":"x","factor":.5}`, `{"from":"a","to":"x","factor":123456789012345678901234567890}`,
		`{"from":"","to":"","factor":-94504107528877171577520296431753332685950423,"d":[-1.355131565901149643809273e-22,{"":-0.5}]}`,
		`{"from":"a","to":"x","factor":5e-324}`, `{"from":"a","to":"x","factor":1.7976931348623157e308}`, `{"from":null,"to":"x","factor":1}`,
		`{"from":"a","to":"x","factor":1,"l":[1,[],{"a":true,"b":[false,null]}]}`, `{"from":"a","to":"x","factor":1,}`, `{"from":"a" "to":"x"}`,
		`{"fr\u006fm":"a","to":"x","factor":"1"}`, "{\"from\":\"a\x00\",\"to\":\"x\",\"factor\":1}", `{"from":"\u0000","to":"x","factor":1}`, `{"from":"a","to":"x","factor":1}x`,
		`{"from":"a","to":"x","factor":1,"d":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`,
		`{"from":"a","to":"x","factor":1,"d":` + strings.Repeat("[", 100) + "1" + strings.Repeat("]", 100) + `}`,
		`{"from":"a","to":"x","factor":` + strings.Repeat("1", 400) + `e-399}`, `{"from":"a","to":"x","factor":0.` + strings.Repeat("0", 400) + `1e400}`,
	} {
		f.Add(s)
	}
	modules := map[string][]byte{}
	for _, language := range []string{"c", "rust", "assemblyscript"} {
		name := "quickstart-" + language
		wasm, err := os.ReadFile(filepath.Join(name, name+".wasm"))
		if err != nil {
			f.Fatal(err)
		}
		modules[language] = wasm
	}
	cache := f.TempDir()
	f.Fuzz(func(t *testing.T, config string) { alike(t, modules, cache, config) })
}

// alike gives a config to every language.
func alike(t *testing.T, modules map[string][]byte, cache, config string) {
	from, to, factor, ok := understood(config)
	if !utf8.ValidString(config) || math.Abs(factor) > 1.79e308 {
		return // no config of Sluice's; a number whose last place decides whether it is too large
	}
	want := renamed(from, to, factor)
	native := quickstart.Try(config, sluice.Sample{Name: "n", Labels: labels(from), Value: 1})
	if (native.Code == 0) != ok {
		t.Fatalf("go: %q: %s %s; must it be accepted: %t", config, native.Code, native.Reason, ok)
	}
	if ok {
		if d := want.differs(became{native.Samples[0].Labels, native.Samples[0].Value}); d != "" {
			t.Errorf("go: %q: %s", config, d)
		}
	}
	for language, wasm := range modules {
		got, err := inSandbox(t, wasm, cache, config, from)
		var fault *plugins.Error
		switch {
		case !errors.As(err, &fault) && err != nil:
			t.Fatal(err)
		case (fault != nil && fault.Step == plugins.StepInit && fault.Code == abi.BadConfig) == ok:
			t.Errorf("%s: %q: %v; must it be accepted: %t", language, config, err, ok)
		case ok && fault != nil && (labelName.MatchString(to) || fault.Code != abi.BadOutput && fault.Code != abi.Expansion):
			t.Errorf("%s: %q: %v", language, config, err)
		case ok && fault == nil:
			if d := want.differs(got); d != "" {
				t.Errorf("%s: %q: %s", language, config, d)
			}
		}
	}
}
