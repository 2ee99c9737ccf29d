package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestPages keeps what the pages of the repository tell people to run what there is to
// run: commands, their flags, and tasks.
func TestPages(t *testing.T) {
	const root = "../.."
	tasks, seen := taskNames(t, filepath.Join(root, "Taskfile.yml")), 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{".git", ".out", "node_modules", "target", "testdata"}, d.Name()) {
			return fs.SkipDir
		}
		if err != nil || d.Name() != "README.md" {
			return err
		}
		text, err := os.ReadFile(name)
		for _, c := range spoken(string(text)) {
			seen++
			if why := wrongWith(c, tasks); why != "" {
				t.Errorf("%s says %q: %s", name, strings.Join(c, " "), why)
			}
		}
		return err
	})
	if err != nil || seen < 20 {
		t.Errorf("%d commands, error %v", seen, err)
	}
}

// wrongWith says why a command that a page has is none, "" when it is one.
func wrongWith(words, tasks []string) string {
	if words[0] == "task" {
		if slices.Contains(tasks, words[1]) {
			return ""
		}
		return fmt.Sprintf("the tasks are %v", tasks)
	}
	root := newRoot(terminal{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	c, rest, err := root.Find(words[1:])
	switch {
	case err != nil:
		return err.Error()
	case c.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-"):
		return fmt.Sprintf("%s has no command %s", c.CommandPath(), rest[0])
	}
	c.InitDefaultHelpFlag()
	for _, word := range rest {
		name, long := strings.CutPrefix(word, "--")
		if name, _, _ = strings.Cut(name, "="); long && name != "" && !hasFlag(c, name) {
			return fmt.Sprintf("%s has no flag --%s", c.CommandPath(), name)
		}
	}
	return ""
}

func hasFlag(c *cobra.Command, name string) bool {
	return c.Flags().Lookup(name) != nil || c.InheritedFlags().Lookup(name) != nil
}

var (
	codeSpan = regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]+`")
	// A command begins a line or a span, or stands behind a prompt or in a pipeline.
	command = regexp.MustCompile("(?m)(?:^|[|&;]|\\$)[ \t`]*(?:(?:\\./)?(sluice)|(task)|go run (?:\\.|github\\.com/sluice-metrics/sluice@\\S+)|(go run github\\.com/go-task/task/\\S+)) +([a-z][a-z0-9-]*[^\n`|&;#>]*)")
)

// spoken finds the commands in the code of a page, as words: sluice or task, and what
// follows.
func spoken(page string) (out [][]string) {
	for _, code := range codeSpan.FindAllString(page, -1) {
		for _, m := range command.FindAllStringSubmatch(strings.ReplaceAll(code, "\\\n", " "), -1) {
			tool := "sluice"
			if m[2] != "" || m[3] != "" {
				tool = "task"
			}
			out = append(out, append([]string{tool}, strings.Fields(m[4])...))
		}
	}
	return out
}

// taskNames returns the tasks of a Taskfile.
func taskNames(t *testing.T, name string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\ntasks:\n")
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z][a-z0-9:-]*):$`).FindAllStringSubmatch(list, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestSpoken keeps the search for commands honest: a page whose commands are not found
// would pass every check.
func TestSpoken(t *testing.T) {
	page := "Run `sluice check DIR` or `task test`, not sluice dance.\n```\n$ go run . demo --for 15s\n" +
		"go run github.com/go-task/task/v3/cmd/task@v3.45.4 bench\ncat x | sluice replay - \\\n  --topic t  # again\nout: sluice sings\n./sluice run\n```\n"
	var got []string
	for _, c := range spoken(page) {
		got = append(got, strings.Join(c, " "))
	}
	want := []string{"sluice check DIR", "task test", "sluice demo --for 15s", "task bench", "sluice replay - --topic t", "sluice run"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	tasks := []string{"test"}
	for text, wrong := range map[string]bool{
		"sluice check DIR --format json": false, "sluice plugin push x.wasm": false, "sluice help check": false, "task test": false, "sluice plan --help": false,
		"sluice dance": true, "sluice plugin dance": true, "sluice check DIR --dance": true, "task dance": true,
	} {
		if why := wrongWith(strings.Fields(text), tasks); (why != "") != wrong {
			t.Errorf("%s: %q", text, why)
		}
	}
}
