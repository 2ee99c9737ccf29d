package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// tools gives scripts the command cue, in the version that go.mod names, and the
// condition [cue], which says whether it can be had.
type tools struct{ cue func() (string, error) }

func newTools(t *testing.T) *tools {
	dir := t.TempDir()
	return &tools{cue: sync.OnceValues(func() (string, error) {
		mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
		if err != nil {
			return "", err
		}
		version := regexp.MustCompile(`cuelang\.org/go (v\S+)`).FindSubmatch(mod)
		if version == nil {
			return "", fmt.Errorf("go.mod names no version of cue")
		}
		install := exec.CommandContext(t.Context(), "go", "install", "cuelang.org/go/cmd/cue@"+string(version[1]))
		install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod")
		if out, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return filepath.Join(dir, "cue"), nil
	})}
}

func (x *tools) condition(cond string) (bool, error) {
	if cond != "cue" {
		return false, fmt.Errorf("there is no condition %s", cond)
	}
	if testing.Short() {
		return false, nil
	}
	_, err := x.cue()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the command cue cannot be had:", err)
	}
	return err == nil, nil
}

// run is the script command cue.
func (x *tools) run(ts *testscript.TestScript, neg bool, args []string) {
	path, err := x.cue()
	if err == nil {
		err = ts.Exec(path, args...)
	}
	if (err != nil) != neg {
		ts.Fatalf("cue %v: %v", args, err)
	}
}

// The task that init writes for editors finds every place in compact output.
func TestProblemMatcherFitsCompactOutput(t *testing.T) {
	dir := t.TempDir()
	if _, err := runtime.Init(dir, "orders", "devel"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ".vscode", "tasks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tasks struct {
		Tasks []struct {
			Command        string
			ProblemMatcher json.RawMessage
		}
	}
	var matcher struct {
		Pattern struct {
			Regexp                                      string
			File, Line, Column, Severity, Message, Code int
		}
	}
	if err := json.Unmarshal(text, &tasks); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(tasks.Tasks[0].ProblemMatcher, &matcher); err != nil {
		t.Fatal(err)
	}
	d := diag.Diagnostic{Code: diag.UnknownField, Severity: diag.Warning, Pos: diag.Pos{File: "teams/a b/p.cue", Line: 7, Column: 21}, Message: "unknown field: oder [x]", Hint: "did you mean order?"}
	var out bytes.Buffer
	if err := diag.Render(&out, "compact", []diag.Diagnostic{d}, diag.Output{}); err != nil {
		t.Fatal(err)
	}
	p := matcher.Pattern
	m := regexp.MustCompile(p.Regexp).FindStringSubmatch(string(bytes.TrimSpace(out.Bytes())))
	if m == nil {
		t.Fatalf("%s does not match %s", p.Regexp, out.String())
	}
	if m[p.File] != d.Pos.File || m[p.Line] != strconv.Itoa(d.Pos.Line) || m[p.Column] != strconv.Itoa(d.Pos.Column) ||
		m[p.Severity] != "warning" || m[p.Message] != "unknown field: oder [x]; did you mean order?" || m[p.Code] != string(d.Code) {
		t.Errorf("%q", m)
	}
}
