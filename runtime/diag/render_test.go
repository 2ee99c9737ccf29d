package diag

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func draw(t testing.TB, text string, color bool, ds ...Diagnostic) string {
	t.Helper()
	var out bytes.Buffer
	if err := Render(&out, "pretty", ds, Output{Source: func(string) []byte { return []byte(text) }, Color: color}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func at(line, column int) Diagnostic {
	return Diagnostic{Code: BadValue, Pos: Pos{"a.cue", line, column}, Message: "m"}
}

func TestRender(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := map[string]struct {
		text string
		d    Diagnostic
		want string
	}{
		"word":         {"a: oder: 3\n", at(1, 4), "a.cue:1:4: m [P102]\n    a: oder: 3\n       ^^^^\n"},
		"quoted":       {`a: "x y\" z" b`, at(1, 4), "a.cue:1:4: m [P102]\n    a: \"x y\\\" z\" b\n       ^^^^^^^^^\n"},
		"open quote":   {`a: "x`, at(1, 4), "a.cue:1:4: m [P102]\n    a: \"x\n       ^^\n"},
		"sign":         {"a: {", at(1, 4), "a.cue:1:4: m [P102]\n    a: {\n       ^\n"},
		"tab":          {"\ta:\tb", at(1, 5), "a.cue:1:5: m [P102]\n        a:    b\n              ^\n"},
		"wide":         {`a: "订单", b: 3`, at(1, 17), "a.cue:1:17: m [P102]\n    a: \"订单\", b: 3\n                  ^\n"},
		"combining":    {"a\u0301: b", at(1, 6), "a.cue:1:6: m [P102]\n    a\u0301: b\n       ^\n"},
		"crlf":         {"a: b\r\nc: d\r\n", at(2, 4), "a.cue:2:4: m [P102]\n    c: d\n       ^\n"},
		"end of line":  {"a: {\n", at(1, 5), "a.cue:1:5: m [P102]\n    a: {\n        ^\n"},
		"beyond line":  {"a: {\n", at(1, 99), "a.cue:1:99: m [P102]\n    a: {\n        ^\n"},
		"beyond file":  {"a\n", at(9, 1), "a.cue:9:1: m [P102]\n"},
		"no column":    {"a: b\n", at(1, 0), "a.cue:1: m [P102]\n    a: b\n"},
		"no line":      {"a: b\n", Diagnostic{Code: BadFile, Pos: Pos{File: "a.cue"}, Message: "m"}, "a.cue: m [P004]\n"},
		"no place":     {"a: b\n", Diagnostic{Code: BadTag, Message: "m"}, "m [P008]\n"},
		"warning":      {"a: b\n", Diagnostic{Code: Expiring, Severity: Warning, Message: "m"}, "warning: m [P204]\n"},
		"escape":       {"a: \x1b[2J", Diagnostic{Code: BadValue, Pos: Pos{"a.cue", 1, 1}, Message: "m\x1b[0m"}, "a.cue:1:1: m�[0m [P102]\n    a: �[2J\n    ^\n"},
		"long":         {long + " b " + long, at(1, 302), "a.cue:1:302: m [P102]\n    …" + strings.Repeat("x", 98) + " b " + strings.Repeat("x", 77) + "…\n    " + strings.Repeat(" ", 100) + "^\n"},
		"hint, notes":  {"a\n", Diagnostic{Code: Conflict, Message: "m", Hint: "h", Notes: []Note{{Pos{"b.cue", 1, 2}, "n"}}}, "m [P108]\n    hint: h\n    b.cue:1:2: n\n"},
		"second line":  {"a\nb\n", at(2, 1), "a.cue:2:1: m [P102]\n    b\n    ^\n"},
		"after a mark": {"a: <b\n", at(1, 4), "a.cue:1:4: m [P102]\n    a: <b\n       ^\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, draw(t, tt.text, false, tt.d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRenderColor(t *testing.T) {
	d := Diagnostic{Code: UnknownField, Pos: Pos{"a.cue", 1, 1}, Message: "m", Hint: "h"}
	got := draw(t, "oder: 3", true, d)
	want := "\x1b[1ma.cue:1:1\x1b[0m: \x1b[1mm\x1b[0m \x1b[31m[P101]\x1b[0m\n    oder: 3\n    \x1b[31m^^^^\x1b[0m\n    \x1b[36mhint:\x1b[0m h\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRenderWithoutSource(t *testing.T) {
	var out bytes.Buffer
	if err := Render(&out, "pretty", []Diagnostic{at(1, 1)}, Output{}); err != nil || out.String() != "a.cue:1:1: m [P102]\n" {
		t.Errorf("%v: %q", err, out.String())
	}
}

// A secret is not shown by a finding about it, by one beside it, or by one about a
// line that only looks as if it held one.
func TestRenderHidesSecrets(t *testing.T) {
	found := func(column int) Diagnostic {
		return Diagnostic{Code: SecretInline, Pos: Pos{"a.cue", 1, column}, Message: "m"}
	}
	tests := map[string]struct {
		line string
		ds   []Diagnostic
	}{
		"found":              {`x: "hunter2", y: 3`, []Diagnostic{found(4)}},
		"beside":             {`x: "hunter2", y: 3`, []Diagnostic{found(4), at(1, 15), at(1, 1)}},
		"two":                {`x: "hunter2", y: "hunter2"`, []Diagnostic{found(4), found(18)}},
		"raw":                {`x: #"a"hunter2"#, y: 3`, []Diagnostic{found(4)}},
		"lines":              {`x: """hunter2`, []Diagnostic{found(4)}},
		"interpolated":       {`x: "a\("b")hunter2"`, []Diagnostic{found(4)}},
		"escaped":            {`x: "a\"hunter2"`, []Diagnostic{found(4)}},
		"single":             {`x: 'hunter2'`, []Diagnostic{found(4)}},
		"within":             {`x: "hunter2"`, []Diagnostic{found(4), at(1, 6)}},
		"password":           {`basic: {user: "u", password: "hunter2"}`, []Diagnostic{at(1, 1)}},
		"password, unclosed": {`basic: {user: "u", password: "hunter2}`, []Diagnostic{at(1, 30)}},
		"bearer":             {`bearer: "hunter2", timeot: "5s"`, []Diagnostic{at(1, 20)}},
		"quoted name":        {`headers: "X-Api-Key": "hunter2"`, []Diagnostic{at(1, 1)}},
		"spaces":             {"token :\t (\"hunter2\")", []Diagnostic{at(1, 1)}},
		"mixed quotes":       {`token: "a'hunter2"`, []Diagnostic{at(1, 1)}},
		"address":            {`url: "https://u:hunter2@example.com/"`, []Diagnostic{at(1, 1)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := draw(t, tt.line, false, tt.ds...)
			if strings.Contains(got, "hunter2") || !strings.Contains(got, hidden) {
				t.Errorf("the secret shows:\n%s", got)
			}
		})
	}
}

func TestRenderShowsReferences(t *testing.T) {
	line := `password: "env://P", bearer: "file:///run/t", reason: "no token", to: "x"`
	if got := draw(t, line, false, at(1, 1)); !strings.Contains(got, line) {
		t.Errorf("a reference is hidden:\n%s", got)
	}
}

func TestRenderJSON(t *testing.T) {
	var out bytes.Buffer
	if err := Render(&out, "json", nil, Output{}); err != nil || out.String() != "[]\n" {
		t.Errorf("%v: %q", err, out.String())
	}
	out.Reset()
	in := []Diagnostic{at(1, 2), {Code: Expiring, Severity: Warning, Message: "<&>"}}
	if err := Render(&out, "json", in, Output{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 4 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	var got []Diagnostic
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, got); diff != "" {
		t.Error(diff)
	}
}

type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }

func TestRenderReportsTheWriter(t *testing.T) {
	w := brokenWriter{errors.New("disk full")}
	for _, format := range Formats() {
		if err := Render(w, format, []Diagnostic{at(1, 1)}, Output{}); !errors.Is(err, w.err) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// Whatever stands in a file, drawing it neither fails nor acts on the terminal.
func FuzzRender(f *testing.F) {
	f.Add("a: \"x\"\n", 1, 4, false)
	f.Add("password: \"x\x1b\"", 1, 99, true)
	f.Add("\xff\xfe\r\n\t", 2, 1, true)
	f.Fuzz(func(t *testing.T, text string, line, column int, secret bool) {
		d := Diagnostic{Code: BadValue, Pos: Pos{"a.cue", line, column}, Message: "m"}
		if secret {
			d.Code = SecretInline
		}
		got := draw(t, text, false, d, at(1, 1))
		for _, r := range got {
			if r < ' ' && r != '\n' || r == 0x7f {
				t.Fatalf("control character %q in %q", r, got)
			}
		}
		if !utf8.ValidString(got) {
			t.Fatalf("not UTF-8: %q", got)
		}
	})
}
