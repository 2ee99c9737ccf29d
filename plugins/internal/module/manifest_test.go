package module

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

func TestManifestRefused(t *testing.T) {
	good := `{"name":"mask","version":"1.0.0","abi":"1.0","scope":"sample","needs":{},"writes":{},"limits":{}}`
	change := func(old, with string) []string { return []string{strings.Replace(good, old, with, 1)} }
	many := `"` + strings.Join(strings.Split(strings.Repeat("a", maxListed+2), ""), `","`) + `"`
	tests := map[string]struct {
		sections []string
		words    string
	}{
		"none":             {nil, "no section sluice.manifest"},
		"two":              {[]string{good, good}, "there 2 times"},
		"empty":            {[]string{""}, "EOF"},
		"no JSON":          {[]string{"name: mask"}, "invalid character"},
		"half":             {[]string{good[:40]}, "unexpected EOF"},
		"two objects":      {[]string{good + good}, "follows the JSON object"},
		"unknown field":    {change(`"abi"`, `"memory":1,"abi"`), `unknown field "memory"`},
		"too large":        {[]string{good + strings.Repeat(" ", MaxManifest)}, "the most is 65536"},
		"name":             {change("mask", "Mask"), `name "Mask"`},
		"long name":        {change("mask", strings.Repeat("m", 65)), "at most 64"},
		"version":          {change("1.0.0", "1.0"), "semantic version"},
		"no abi":           {change(`"abi":"1.0"`, `"abi":""`), "MAJOR.MINOR"},
		"other abi":        {change(`"abi":"1.0"`, `"abi":"2.0"`), "serves 1.x"},
		"scope":            {change("sample", "record"), `scope "record"`},
		"pages":            {change(`"limits":{}`, `"limits":{"pages":-1}`), "limits.pages -1"},
		"label":            {change(`"needs":{}`, `"needs":{"labels":["a-b"]}`), `"a-b" is not a label name`},
		"empty glob":       {change(`"needs":{}`, `"needs":{"names":[""]}`), "is not a glob"},
		"label twice":      {change(`"writes":{}`, `"writes":{"labels":["a","a"]}`), "is there twice"},
		"metric":           {change(`"limits"`, `"metrics":["a b"],"limits"`), "metrics"},
		"many labels":      {change(`"needs":{}`, `"needs":{"labels":[`+many+`]}`), "the most is 256"},
		"summary":          {change(`"abi"`, `"summary":"`+strings.Repeat("s", maxText+1)+`","abi"`), "summary"},
		"value of series":  {[]string{strings.NewReplacer("sample", "series", `"writes":{}`, `"writes":{"value":true}`).Replace(good)}, "writes.value"},
		"emit from series": {[]string{strings.NewReplacer("sample", "series", `"writes":{}`, `"writes":{"emit":true}`).Replace(good)}, "writes.emit"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := plugin(nil)
			for _, s := range tt.sections {
				b = append(b, sect(SectionCustom, cat(str(abi.ManifestSection), []byte(s)))...)
			}
			m, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.Manifest()
			wants(t, err, abi.BadManifest, StepManifest, tt.words)
		})
	}
}

func TestAppendManifestRefuses(t *testing.T) {
	_, err := AppendManifest(plugin(nil), abi.Manifest{})
	wants(t, err, abi.BadManifest, StepManifest, "name")
	_, err = AppendManifest([]byte("wasm"), manifest)
	wants(t, err, abi.BadModule, StepParse, "begins like this")
	large := manifest
	large.Config = strings.Repeat("x", MaxManifest)
	_, err = AppendManifest(plugin(nil), large)
	wants(t, err, abi.BadManifest, StepManifest, "the most is 65536")
}

// Nothing but the manifest changes.
func TestAppendManifestKeepsTheRest(t *testing.T) {
	custom := sect(SectionCustom, cat(str("producers"), []byte("x")))
	b := plugin(map[byte][]byte{SectionCustom: custom})
	with, err := AppendManifest(b, manifest)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(with[:len(b)], b) {
		t.Error("what was there before the manifest changed")
	}
}

func TestStrip(t *testing.T) {
	custom := sect(SectionCustom, cat(str("name"), []byte{1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f}))
	b := plugin(nil)
	with := cat(b[:len(Magic)], custom, b[len(Magic):], custom)
	m, err := Parse(with)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.FunctionNames(); got != nil {
		t.Errorf("names %v out of a section that has none", got)
	}
	if !slices.Equal(Strip(with), b) {
		t.Error("what is left is not the module without its custom sections")
	}
}
