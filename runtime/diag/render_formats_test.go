package diag

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the tests get into testdata")

// zoo has a finding of each sort: with and without place, hint and notes, a secret,
// columns that differ from bytes, and text that means something to the formats.
func zoo() ([]Diagnostic, func(string) []byte) {
	files := map[string]string{
		"teams/a b/p.cue": "policy: control: a: {oder: 3}\n\tx: \"订单\", y: 3\n",
		"sink.cue":        "bearer: \"hunter2\", timeot: \"5s\"\n",
	}
	return []Diagnostic{
		{Code: UnknownField, Pos: Pos{"teams/a b/p.cue", 1, 22}, Path: "policy.control.a.oder", Message: "unknown field oder", Hint: "did you mean order?"},
		{Code: BadValue, Pos: Pos{"teams/a b/p.cue", 2, 15}, Message: "100% wrong: <y>, \"&\"\r\nand more\x1b[0m", Notes: []Note{{Pos{"sink.cue", 1, 1}, "also here, 50%"}}},
		{Code: SecretInline, Pos: Pos{"sink.cue", 1, 9}, Message: "a secret", Hint: "write a reference"},
		{Code: UnknownField, Pos: Pos{"sink.cue", 1, 20}, Message: "unknown field timeot"},
		{Code: Expiring, Severity: Warning, Pos: Pos{File: "sink.cue"}, Message: "expires soon"},
		{Code: BadTag, Message: "no place"},
	}, func(name string) []byte { return []byte(files[name]) }
}

func write(t testing.TB, format string, ds []Diagnostic, how Output) string {
	t.Helper()
	var out bytes.Buffer
	if err := Render(&out, format, ds, how); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFormatsAreAsBefore(t *testing.T) {
	ds, source := zoo()
	for _, format := range Formats() {
		for name, list := range map[string][]Diagnostic{"zoo": ds, "none": nil} {
			got := write(t, format, list, Output{Source: source, Suite: "sluice check", Version: "v1.2.3"})
			file := filepath.Join("testdata", "formats", name+"."+format)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got; -update accepts it):\n%s", file, diff)
			}
		}
	}
}

func TestNoFormatShowsSecretsOrControls(t *testing.T) {
	ds, source := zoo()
	for _, format := range Formats() {
		got := write(t, format, ds, Output{Source: source})
		if strings.Contains(got, "hunter2") || strings.ContainsAny(got, "\x1b\r") {
			t.Errorf("%s:\n%q", format, got)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if err := Render(&bytes.Buffer{}, "xml", nil, Output{}); err == nil || !strings.Contains(err.Error(), "sarif") || IsFormat("xml") {
		t.Error(err)
	}
}

func TestFails(t *testing.T) {
	warn, bad := []Diagnostic{{Severity: Warning}}, []Diagnostic{{Severity: Warning}, {}}
	if (Output{}).Fails(warn) || !(Output{}).Fails(bad) || !(Output{Fail: Warning}).Fails(warn) || (Output{Fail: Warning}).Fails(nil) {
		t.Error("a failure is a finding as severe as Fail")
	}
}

// What SARIF 2.1.0 demands and readers use: rules by index, places from 1, URIs
// that parse and are relative.
func TestSARIFIsValid(t *testing.T) {
	ds, source := zoo()
	ds = append(ds, Diagnostic{Code: "X999", Message: "a code without help"}, Diagnostic{Code: BadFile, Pos: Pos{"/elsewhere/a:b.cue", 1, 1}, Message: "m"},
		Diagnostic{Code: BadFile, Pos: Pos{"/root/x/a:b#c.cue", 1, 0}, Message: "m"})
	var log sarifLog
	dec := json.NewDecoder(strings.NewReader(write(t, "sarif", ds, Output{Source: source, Root: "/root"})))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || run.Tool.Driver.Name == "" || len(run.Results) != len(ds) {
		t.Errorf("%+v", log)
	}
	var uris []string
	for i, r := range run.Results {
		if r.RuleID != ds[i].Code || r.Message.Text == "" || r.Level != "error" && r.Level != "warning" {
			t.Errorf("%+v", r)
		}
		if (r.RuleIndex == nil) != (r.RuleID == "X999") || r.RuleIndex != nil && run.Tool.Driver.Rules[*r.RuleIndex].ID != r.RuleID {
			t.Errorf("rule index of %+v", r)
		}
		for _, l := range append(r.Locations, r.RelatedLocations...) {
			uris = append(uris, l.PhysicalLocation.ArtifactLocation.URI)
			if _, err := url.Parse(uris[len(uris)-1]); err != nil {
				t.Error(err)
			}
			if g := l.PhysicalLocation.Region; g != nil && (g.StartLine < 1 || g.StartColumn < 0 || g.EndColumn != 0 && g.EndColumn <= g.StartColumn) {
				t.Errorf("region %+v", g)
			}
		}
	}
	want := []string{"teams/a%20b/p.cue", "teams/a%20b/p.cue", "sink.cue", "sink.cue", "sink.cue", "sink.cue", "file:///elsewhere/a:b.cue", "x/a:b%23c.cue"}
	if diff := cmp.Diff(want, uris); diff != "" {
		t.Error(diff)
	}
	if g := run.Results[1].Locations[0].PhysicalLocation.Region; g.StartColumn != 11 || g.EndColumn != 12 {
		t.Errorf("columns are not counted in characters: %+v", g)
	}
}

func TestJUnitCounts(t *testing.T) {
	ds, source := zoo()
	for fail, failures := range map[Severity]int{Error: 5, Warning: 6} {
		var got junitReport
		if err := xml.Unmarshal([]byte(write(t, "junit", ds, Output{Source: source, Fail: fail})), &got); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for _, c := range got.Suite.Cases {
			if c.Failure != nil {
				failed++
			}
		}
		if got.Suite.Tests != len(ds) || len(got.Suite.Cases) != len(ds) || got.Suite.Failures != failures || failed != failures {
			t.Errorf("fail level %s: %d tests, %d failures, %d failed", fail, got.Suite.Tests, got.Suite.Failures, failed)
		}
	}
}

// A workflow command is one line; what would end it or its properties is escaped.
func TestGitHubEscapes(t *testing.T) {
	d := Diagnostic{Code: "X,1", Pos: Pos{"a,b:c%.cue", 2, 3}, Message: "50%\nnext::error::x", Hint: "h"}
	want := "::error file=a%2Cb%3Ac%25.cue,line=2,col=3,title=X%2C1::50%25%0Anext::error::x%0Ah\n"
	if got := write(t, "github", []Diagnostic{d}, Output{}); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
