package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

func TestTake(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("package policies\n")}
	snap, found, err := Take(fstest.MapFS{
		"a.cue": file, "b.txt": file, "teams/x/c.cue": file, "_off.cue": file, ".git/d.cue": file, ".x.cue": file,
		"_old/e.cue": file, "cue.mod/pkg/f.cue": file, "sub/cue.mod/g.cue": file, "x.cue/h.cue": file,
	})
	if err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	if diff := cmp.Diff([]string{"a.cue", "teams/x/c.cue", "x.cue/h.cue"}, snap.names()); diff != "" {
		t.Error(diff)
	}
}

func TestTakeLimits(t *testing.T) {
	big := &fstest.MapFile{Data: make([]byte, maxFileBytes+1)}
	full := &fstest.MapFile{Data: make([]byte, maxFileBytes)}
	many, large := fstest.MapFS{}, fstest.MapFS{}
	for i := range maxFiles + 1 {
		many[fmt.Sprintf("f%d.cue", i)] = &fstest.MapFile{}
	}
	for i := range maxSetBytes/maxFileBytes + 1 {
		large[fmt.Sprintf("f%d.cue", i)] = full
	}
	for name, fsys := range map[string]fstest.MapFS{
		"big file": {"a.cue": big}, "many files": many, "large set": large,
		"link":      {"a.cue": {Mode: fs.ModeSymlink}},
		"team link": {"a.cue": {Data: []byte("package policies\n")}, "teams/orders": {Mode: fs.ModeSymlink}},
		"all teams": {"a.cue": {Data: []byte("package policies\n")}, "teams": {Mode: fs.ModeSymlink}},
		"device":    {"a.cue": {Mode: fs.ModeDevice}},
		"named dir": {"a.cue": {Mode: fs.ModeNamedPipe}},
	} {
		b, found, err := Load(t.Context(), fsys, Options{})
		if err != nil || b != nil || len(found) != 1 || found[0].Code != diag.BadFile {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
}

// A link on a real disk is refused as such, and one that leads out of the
// directory cannot be followed either.
func TestTakeRefusesLinksOnDisk(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret.cue")
	if err := os.WriteFile(outside, []byte("package policies\n_secret: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "a.cue")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	snap, found, err := Take(root.FS())
	if err != nil || len(found) != 1 || len(snap) != 0 {
		t.Errorf("%v %v %v", snap, found, err)
	}
}

type brokenFS struct{ err error }

func (b brokenFS) Open(string) (fs.File, error) { return nil, b.err }

func TestLoadReportsFaults(t *testing.T) {
	broken := brokenFS{errors.New("disk gone")}
	if _, _, err := Load(t.Context(), broken, Options{}); !errors.Is(err, broken.err) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Load(ctx, fstest.MapFS{"a.cue": {Data: []byte("package policies\n")}}, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Each team is judged by itself: what is wrong with one is all that is said.
func TestTeamsAreJudgedApart(t *testing.T) {
	team := func(name, body string) []byte {
		return []byte(setHead + "policy: schema.#Policy & {team: \"" + name + "\"}\n" + body + "\n")
	}
	b, found, err := Compile(Snapshot{
		"teams/a/p.cue": team("a", `policy: control: same: schema.#Keep & {match: tasks: ["x"]}`),
		"teams/b/p.cue": team("b", `policy: control: same: schema.#Keep & {match: tasks: "x"}`),
		"teams/c/p.cue": []byte("package policies\npolicy: {\n"),
		"teams/d/p.cue": team("d", `policy: control: same: schema.#Route & {match: tasks: ["x"], to: ["sink-of-b"]}`),
	}, Options{})
	if err != nil || b != nil {
		t.Fatal(b, err)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.Pos.File+" "+string(d.Code))
	}
	if want := []string{"teams/b/p.cue P102", "teams/c/p.cue P001"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	both := mustCompile(t, Snapshot{
		"teams/b/p.cue": team("b", `policy: control: same: schema.#Keep & {match: tasks: ["x"]}`),
		"teams/a/p.cue": team("a", `policy: control: same: schema.#Keep & {match: tasks: ["y"]}`),
	})
	if len(both.Set.Teams) != 2 || both.Set.Teams[0].Name != "a" || both.Set.Teams[1].Control["same"].Match.Tasks[0] != "x" {
		t.Errorf("%+v", both.Set)
	}
}

// A directory with a name of one letter, or of strange ones, is like any other.
func TestOddDirectories(t *testing.T) {
	for _, dir := range []string{"x", "a-b", "0"} {
		text := setHead + "policy: schema.#Policy & {team: \"" + dir + "\"}\n"
		mustCompile(t, Snapshot{"org.cue": []byte("package policies\n_shared: 1\n"), "teams/" + dir + "/p.cue": []byte(text + "policy: description: \"shared \\(_shared)\"\n")})
	}
	_, found, err := Compile(Snapshot{"teams/with space/p.cue": []byte("package policies\npolicy: team: \"with space\"\n")}, Options{})
	if err != nil || len(found) != 1 || found[0].Code != diag.BadValue {
		t.Errorf("%v %v", found, err)
	}
}

func TestEval(t *testing.T) {
	fsys := fstest.MapFS{
		"catalogue/a.cue":      {Data: []byte("package catalogue\n\nimport \"strings\"\n\nsection: {metrics: [{name: strings.ToLower(\"A\"), n: 3}]}\n#M: {name: string, n: int}\nsection: metrics: [...#M]\n")},
		"catalogue/a_test.cue": {Data: []byte("package catalogue\n\nsection: broken\n")},
		"catalogue/sub/b.cue":  {Data: []byte("package other\n")},
		"bad/a.cue":            {Data: []byte("package bad\n\nx: int\n")},
		"syntax/a.cue":         {Data: []byte("package syntax\n\nx: {\n")},
		"import/a.cue":         {Data: []byte("package x\n\nimport \"tool/exec\"\n\nx: exec.Run\n")},
		"two/a.cue":            {Data: []byte("package x\n\nx: 1\n")},
		"two/b.cue":            {Data: []byte("package y\n\nx: 1\n")},
	}
	type row struct {
		Name string `json:"name"`
		N    int    `json:"n"`
	}
	var got struct {
		Metrics []row `json:"metrics"`
	}
	if err := Eval(fsys, "catalogue", "section", &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Metrics) != 1 || got.Metrics[0] != (row{"a", 3}) {
		t.Errorf("%+v", got)
	}
	var one row
	if err := Eval(fsys, "catalogue", "section.metrics[0]", &one); err != nil || one.N != 3 {
		t.Errorf("%+v %v", one, err)
	}
	var narrow struct {
		Metrics []struct {
			Name string `json:"name"`
		} `json:"metrics"`
	}
	for name, err := range map[string]error{
		"unknown field": Eval(fsys, "catalogue", "section", &narrow),
		"no such path":  Eval(fsys, "catalogue", "sections", &got),
		"no path":       Eval(fsys, "catalogue", "a b", &got),
		"no directory":  Eval(fsys, "nowhere", "section", &got),
		"up":            Eval(fsys, "../x", "section", &got),
		"type":          Eval(fsys, "bad", "x", &got),
		"bad/a.cue":     Eval(fsys, "bad", "x", &got),
		"syntax/a.cue":  Eval(fsys, "syntax", "x", &got),
		"import/a.cue":  Eval(fsys, "import", "x", &got),
		"two packages":  Eval(fsys, "two", "x", &got),
	} {
		if err == nil || strings.HasSuffix(name, ".cue") && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Text that is hard on a parser is refused by it, at a place.
func TestHardText(t *testing.T) {
	long := strings.Repeat("x", 1<<19)
	for name, text := range map[string]string{
		"parentheses": "package policies\n_x: " + strings.Repeat("(", 100_000),
		"structs":     "package policies\n_x: " + strings.Repeat("{a: ", 100_000),
		"lists":       "package policies\n_x: " + strings.Repeat("[", 100_000),
		"long line":   "package policies\npolicy: {team: \"" + long + "\", " + long + ": 1}",
		"empty":       "",
		"spaces":      "\n\n\n",
		"comment":     "// nothing",
		"binary":      "package policies\n\x00\xff\xfe",
		"bad UTF-8":   "package policies\npolicy: team: \"\xff\"",
		"half":        "package policies\npolicy: team: \"or",
	} {
		b, found, err := Compile(Snapshot{"policy.cue": []byte(text)}, Options{})
		if err != nil || b != nil || !diag.Refused(found) {
			t.Errorf("%s: %v %v", name, found, err)
			continue
		}
		for _, d := range found {
			if d.Pos.File != "policy.cue" || len(d.Message) > 200+len(long) && name != "long line" {
				t.Errorf("%s: %.200v", name, d)
			}
		}
	}
}
