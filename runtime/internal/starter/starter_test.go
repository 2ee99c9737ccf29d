package starter

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/scaffold"
)

func files(t *testing.T, v Values) map[string]string {
	t.Helper()
	list, err := Files(v)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range list {
		if out[f.Name] != "" || len(f.Text) == 0 {
			t.Errorf("%s is there twice, or empty", f.Name)
		}
		out[f.Name] = string(f.Text)
	}
	return out
}

func TestFiles(t *testing.T) {
	got := files(t, Values{Team: "billing", Release: "v1.2.3", Copy: "cue.mod/pkg/x"})
	for _, name := range []string{
		".github/workflows/policies.yml", ".gitignore", ".gitlab-ci.yml", ".vscode/tasks.json", "CODEOWNERS", "README.md",
		"cue.mod/module.cue", "org.cue", "teams/billing/policy.cue", "teams/billing/policy_test.cue", "teams/platform/policy.cue",
	} {
		if got[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for name, text := range got {
		if strings.Contains(text, "[[") || strings.Contains(text, "]]") || strings.Contains(name, "dot-") || strings.Contains(name, "TEAM") {
			t.Errorf("%s is not filled in:\n%s", name, text)
		}
		if !strings.HasSuffix(text, "\n") || strings.Contains(text, "\t\n") || strings.Contains(text, " \n") {
			t.Errorf("%s ends without a line break, or a line in it with a space", name)
		}
		if path.Ext(name) == ".json" && !json.Valid([]byte(text)) {
			t.Errorf("%s is not JSON", name)
		}
	}
	for name, want := range map[string]string{
		".github/workflows/policies.yml": "sluice@v1.2.3", ".gitlab-ci.yml": "sluice@v1.2.3", "README.md": "sluice schema export cue.mod/pkg/x",
		"CODEOWNERS": "/teams/billing/", "teams/platform/policy.cue": `"billing-*"`, "teams/billing/policy.cue": `team: "billing"`,
	} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s does not say %s", name, want)
		}
	}
	if !strings.Contains(got[".github/workflows/policies.yml"], "${{ matrix.env }}") {
		t.Error("an expression of the workflow was taken for a template")
	}
}

// The files do not depend on the order in which anything is walked.
func TestFilesAreTheSameAgain(t *testing.T) {
	a, err := Files(Values{Team: "a1"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Files(Values{Team: "a1"})
	if err != nil || !slices.EqualFunc(a, b, func(x, y scaffold.File) bool { return x.Name == y.Name && bytes.Equal(x.Text, y.Text) }) {
		t.Error("the files differ", err)
	}
}
