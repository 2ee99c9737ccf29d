package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/runtime"
)

func newToken(t terminal) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens of an instance",
		Long: `Write the file of tokens that "sluice run --tokens FILE" lets in by. It has the
digest of each token, not the token; an instance reads it again when it changes,
so that a new token is in and a revoked one is out at once.

A role is one of
  viewer    reads
  author    also has policy sets validated and planned
  operator  also changes what runs: apply, roll back, override, pause, degrade
  admin     also changes plugins and tokens
and with --team a token changes only what belongs to those teams.

Client certificates get their role in the same file, by hand:
  "certificates": [{"name": "prometheus", "role": "viewer"}]`,
		Example: `  sluice token new ci --role author --file tokens.json
  sluice token new anna --role operator --team pay --for 90d --file tokens.json
  sluice token list --file tokens.json
  sluice token revoke anna --file tokens.json`,
	}
	c.PersistentFlags().StringVar(&file, "file", "", "file of tokens; it is made when there is none")
	return parent(c, newTokenNew(t, &file), newTokenList(t, &file), newTokenRevoke(t, &file))
}

func newTokenNew(t terminal, file *string) *cobra.Command {
	var role, life string
	var teams []string
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token and print it, once",
		Long: `Make a token, put its digest into the file and print the token to standard
output. Nobody can print it again: keep it where it is used, or make another.`,
		Example: `  sluice token new ci --role author --file tokens.json > ci.token`,
		Args:    oneName,
	}
	c.Flags().StringVar(&role, "role", "", "viewer, author, operator or admin")
	c.Flags().StringSliceVar(&teams, "team", nil, "teams that it may change; without any, all")
	c.Flags().StringVar(&life, "for", "", "how long it holds, such as 90d; without it, until it is revoked")
	c.RunE = func(_ *cobra.Command, args []string) error {
		f, err := readTokens(*file)
		if err != nil {
			return environment(err)
		}
		var length time.Duration
		if life != "" {
			if length, err = runtime.ParseDuration(life); err != nil || length <= 0 {
				return environment(fmt.Errorf("--for is %q; want a duration such as 90d or 12h", life))
			}
		}
		if role == "" {
			return environment(errors.New("--role is missing; write viewer, author, operator or admin"))
		}
		if slices.ContainsFunc(f.Tokens, func(t auth.Token) bool { return t.Name == args[0] }) {
			return environment(fmt.Errorf("there is a token %s already; revoke it first, or take another name", args[0]))
		}
		secret, entry, err := auth.NewToken(args[0], runtime.Role(role), teams, time.Now(), length)
		if err != nil {
			return environment(err)
		}
		f.Tokens = append(f.Tokens, entry)
		if err := f.Write(*file); err != nil {
			return environment(err)
		}
		fmt.Fprintf(t.err, "token %s, %s, in %s; it is shown this once:\n", entry.Name, rightsText(entry.Role, entry.Teams), *file)
		_, err = fmt.Fprintln(t.out, secret)
		return err
	}
	return c
}

func newTokenList(t terminal, file *string) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens and certificates of a file",
		Example: `  sluice token list --file tokens.json`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			f, err := existingTokens(*file)
			if err != nil {
				return environment(err)
			}
			if format == "json" {
				return printJSON(t.out, withoutDigests(f))
			}
			return listTokens(t.out, f, time.Now())
		},
	}
	formatFlag(c.Flags(), &format)
	return c
}

func newTokenRevoke(t terminal, file *string) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Take a token out of a file",
		Example: `  sluice token revoke anna --file tokens.json`,
		Args:    oneName,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := existingTokens(*file)
			if err != nil {
				return environment(err)
			}
			before := len(f.Tokens)
			f.Tokens = slices.DeleteFunc(f.Tokens, func(t auth.Token) bool { return t.Name == args[0] })
			if len(f.Tokens) == before {
				return environment(fmt.Errorf("%s has no token %s; 'sluice token list' shows what it has", *file, args[0]))
			}
			if err := f.Write(*file); err != nil {
				return environment(err)
			}
			_, err = fmt.Fprintf(t.err, "token %s is revoked\n", args[0])
			return err
		},
	}
}

// readTokens reads the file, or returns an empty one where there is none.
func readTokens(name string) (auth.File, error) {
	f, err := existingTokens(name)
	if name != "" && errors.Is(err, fs.ErrNotExist) {
		return auth.File{Tokens: []auth.Token{}}, nil
	}
	return f, err
}

func existingTokens(name string) (auth.File, error) {
	if name == "" {
		return auth.File{}, errors.New("--file is missing: the file of tokens, as of 'sluice run --tokens'")
	}
	return auth.Read(name)
}

// withoutDigests is what a file says of tokens that is for everybody.
func withoutDigests(f auth.File) auth.File {
	f.Tokens = slices.Clone(f.Tokens)
	for i := range f.Tokens {
		f.Tokens[i].Hash = ""
	}
	return f
}

func listTokens(out io.Writer, f auth.File, now time.Time) error {
	var rows [][]string
	for _, t := range f.Tokens {
		expires := "-"
		if !t.Expires.IsZero() {
			if expires = t.Expires.UTC().Format(time.RFC3339); !now.Before(t.Expires) {
				expires += " (expired)"
			}
		}
		rows = append(rows, []string{t.Name, rightsText(t.Role, t.Teams), t.Created.UTC().Format(time.RFC3339), expires})
	}
	for _, c := range f.Certificates {
		rows = append(rows, []string{c.Name + " (certificate)", rightsText(c.Role, c.Teams), "-", "-"})
	}
	return table(out, "NAME\tRIGHTS\tCREATED\tEXPIRES", "no token: 'sluice token new' makes one", rows, func(row *[]string) []string { return *row })
}

func rightsText(role runtime.Role, teams []string) string {
	if len(teams) == 0 {
		return string(role)
	}
	return string(role) + " of " + strings.Join(teams, ", ")
}

func oneName(c *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return environment(fmt.Errorf("%s takes one name, but got %d", c.CommandPath(), len(args)))
}
