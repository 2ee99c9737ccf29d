package plugins_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/api/cli"
	"github.com/sluice-metrics/sluice/plugins/project"
)

// TestMain is the program, too: commands start it to evaluate policies.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// session is a block of a page that begins with a prompt.
var session = regexp.MustCompile("(?s)```\n(\\$ .*?)```\n")

// The commands of every page are run, and print what the page says; UPDATE=1 puts what
// they print into the page.
func TestReadmes(t *testing.T) {
	pages, err := filepath.Glob("*/README.md")
	if err != nil || len(pages) < 8 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		t.Run(filepath.Dir(page), func(t *testing.T) {
			t.Chdir(filepath.Dir(page))
			text, err := os.ReadFile("README.md")
			if err != nil {
				t.Fatal(err)
			}
			ran := ""
			got := session.ReplaceAllStringFunc(string(text), func(block string) string {
				out := "```\n"
				for line := range strings.Lines(session.FindStringSubmatch(block)[1]) {
					if command, ok := strings.CutPrefix(line, "$ sluice "); ok {
						ran += command
						out += line + run(t, strings.TrimSpace(command))
					}
				}
				return out + "```\n"
			})
			if !strings.Contains(ran, "plugin test") || !strings.Contains(ran, "plugin run") {
				t.Errorf("it does not show how the plugin is tested and run: %q", ran)
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile("README.md", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(string(text), got); d != "" {
				t.Errorf("the commands print something else:\n%s", d)
			}
		})
	}
}

// How a page names its plugin in a policy.
var (
	inPolicy   = regexp.MustCompile("(?s)```\n(policy: transform.*?)```\n")
	pluginName = regexp.MustCompile(`plugin: "[^"]*"`)
)

// The policies of pages are right, those of a new project too.
func TestPoliciesOfPages(t *testing.T) {
	all, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	started := filepath.Join(t.TempDir(), "mask")
	if _, err := project.New(started, "mask", project.C); err != nil {
		t.Fatal(err)
	}
	for dir, p := range map[string]*project.Project{
		"mask-users": all["mask-users"], "tables": all["tables"], "tier": all["tier"], "units": all["units"], started: all["quickstart-c"],
	} {
		page, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		block := inPolicy.FindSubmatch(page)
		if block == nil {
			t.Errorf("%s has no policy", dir)
			continue
		}
		set := t.TempDir()
		text := "package policies\n\npolicy: {team: \"pages\", stream: native: topics: [\"flink.native\"], sink: store: {type: \"store\", default: true}}\n" + pluginName.ReplaceAllString(string(block[1]), `plugin: "./it.wasm"`)
		for name, b := range map[string][]byte{"policy.cue": []byte(text), "it.wasm": module(t, p)} {
			if err := os.WriteFile(filepath.Join(set, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if said := run(t, "check "+set); !strings.HasPrefix(said, "ok: ") {
			t.Errorf("the policy of %s:\n%s", dir, said)
		}
	}
}

// run runs a command of the program, whose input may be a file, and returns what it
// prints.
func run(t *testing.T, command string) string {
	t.Helper()
	command, input, redirected := strings.Cut(command, " < ")
	in := io.Reader(strings.NewReader(""))
	if redirected {
		f, err := os.Open(input)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		in = f
	}
	var out, said bytes.Buffer
	if code := cli.Main(strings.Fields(command), in, &out, &said); code != 0 {
		t.Errorf("%s: exit code %d: %s", command, code, &said)
	}
	return out.String()
}
