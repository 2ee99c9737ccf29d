package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommitOf(t *testing.T) {
	hash, other := strings.Repeat("a1", 20), strings.Repeat("b2", 20)
	for name, tt := range map[string]struct {
		files map[string]string
		want  *Commit
	}{
		"a branch":        {map[string]string{".git/HEAD": "ref: refs/heads/dev/x\n", ".git/refs/heads/dev/x": hash + "\n"}, &Commit{hash, "dev/x"}},
		"a packed branch": {map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": "# pack-refs\n" + other + " refs/heads/m\n" + hash + " refs/heads/main\n^" + other + "\n"}, &Commit{hash, "main"}},
		"no branch":       {map[string]string{".git/HEAD": hash}, &Commit{hash, ""}},
		"sha-256":         {map[string]string{".git/HEAD": strings.Repeat("c3", 32)}, &Commit{strings.Repeat("c3", 32), ""}},
		"a worktree": {map[string]string{".git": "gitdir: main/.git/worktrees/w\n", "main/.git/worktrees/w/HEAD": "ref: refs/heads/w\n",
			"main/.git/worktrees/w/commondir": "../..\n", "main/.git/refs/heads/w": hash}, &Commit{hash, "w"}},
		"no commit yet":     {map[string]string{".git/HEAD": "ref: refs/heads/main\n"}, nil},
		"no hash":           {map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": "nonsense"}, nil},
		"nonsense":          {map[string]string{".git/HEAD": "nonsense"}, nil},
		"nothing":           {map[string]string{".git/x": ""}, nil},
		"a file that is no": {map[string]string{".git": "nonsense"}, nil},
		"a way out":         {map[string]string{".git/HEAD": "ref: ../../secret\n", "secret": hash}, nil},
	} {
		root := t.TempDir()
		for file, text := range tt.files {
			at := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		below := filepath.Join(root, "policies", "teams")
		if err := os.MkdirAll(below, 0o755); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, CommitOf(below)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
