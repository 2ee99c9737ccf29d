package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Fields that a schema has no place for are told beside values that are wrong, and
// none that has its place is.
func TestUnknownFieldsAreToldBesideWrongValues(t *testing.T) {
	for schema, tt := range map[string]struct {
		config string
		want   []string
	}{
		"a: int":                                {`{"a": "x", "b": 1, "c": {"d": 2}}`, []string{"b", "c", "c.d"}},
		"a: int\nn?: {x!: int}":                 {`{"a": "x", "n": {"y": 1}}`, []string{"n.y"}},
		"a: int\n#T: {n!: int}\nt!: #T":         {`{"a": "x", "t": {"m": 1, "n": 2}}`, []string{"t.m"}},
		"a: int\nt: [string]: {n!: int}":        {`{"a": "x", "t": {"q": {"m": 1, "n": 2}}}`, []string{"t.q.m"}},
		"a: int\nt: [...{n!: int}]":             {`{"a": "x", "t": [{"m": 1, "n": 2}]}`, []string{"t.0.m"}},
		"a: int\n...":                           {`{"a": "x", "b": 1}`, nil},
		"a: int\n[=~\"^b\"]: int":               {`{"a": "x", "b": 1, "c": 2}`, []string{"c"}},
		"a: int\nt: _":                          {`{"a": "x", "t": {"b": 1}}`, nil},
		"a: int\nt: {b: 1} | {c: int}":          {`{"a": "x", "t": {"c": 1}}`, nil},
		"a: int\n{b: int} | {c: int}":           {`{"a": "x", "c": 1}`, nil},
		"a: int\nm: *1 | 2\nif m == 2 {b: int}": {`{"a": "x", "m": 2, "b": 1}`, nil},
		"a: int\nm: *\"u\" | \"v\"\n_of: {u: {}, v: {b: int}}\nt: _of[m]": {`{"a": "x", "m": "v", "t": {"b": 1}}`, nil},
		"a: int\nm: *1 | 2\nt?: {if m == 2 {b: int}}":                     {`{"a": "x", "m": 2, "t": {"b": 1}}`, nil},
	} {
		var got []string
		for _, f := range checkConfig(configWork{Schema: schema, Config: []byte(tt.config)}).Wrong {
			if strings.HasSuffix(f.Message, "field not allowed") {
				got = append(got, pathString(f.Path))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s\n%s (-want +got):\n%s", schema, tt.config, diff)
		}
	}
}
