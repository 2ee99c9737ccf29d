package cli

import (
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newInit(t terminal) *cobra.Command {
	var team string
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Start a repository of policies that works at once",
		Long: `Write a policy repository into DIR (default: the working directory): limits for
all teams, policies of the platform and of one team with tests, differences in
production, checks for GitHub and GitLab, tasks for VS Code, and a copy of the
schema, so that plain cue and editors know every field.

What is written passes "sluice check" and "cue vet -c ./...". Nothing is ever
overwritten: if one of the files is there, it is named and none is written.`,
		Example: `  sluice init metrics-policies --team orders
  cd metrics-policies && sluice check`,
		Args: atMostOneArg,
	}
	c.Flags().StringVar(&team, "team", "orders", "name of the first team, beside the platform's")
	c.RunE = func(_ *cobra.Command, args []string) error {
		dir := "."
		if len(args) == 1 {
			dir = args[0]
		}
		names, err := runtime.Init(dir, team, version())
		if err != nil {
			return err
		}
		for _, dirOf := range shown(names) {
			if _, err := fmt.Fprintln(t.out, dirOf); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(t.out, "\nNext: read README.md, then\n  sluice check %s\n", shellWord(dir))
		return err
	}
	return c
}

// shown are the names of files, with one line for the copy of the schema.
func shown(names []string) []string {
	var out []string
	for _, name := range names {
		if ok, _ := path.Match("cue.mod/pkg/*/*/*/*/*.cue", name); ok {
			name = path.Dir(name) + "/"
		}
		if len(out) == 0 || out[len(out)-1] != name {
			out = append(out, name)
		}
	}
	return out
}

// shellWord quotes a name that a shell would take apart.
func shellWord(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+=:,@", r)
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
