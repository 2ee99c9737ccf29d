package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

func newFmt(t terminal) *cobra.Command {
	var f formatting
	c := &cobra.Command{
		Use:   "fmt [DIR | FILE]...",
		Short: "Write policies in one form",
		Long: `Format policy files in place, and name those that change. The form is that of
"cue fmt --simplify", with the fields of each rule in one order: description,
order, tier, enabled, expires, match, unless, action, and then what the action
needs. The meaning does not change, and comments stay where they belong.

--diff and --check write nothing. --fix also rewrites what would be refused, or
has no effect, where there is only one thing that can have been meant:
  labels: _env: [..]       to  labels: "_env": [..]    (it was a hidden field)
  control: a?: {..}        to  control: a: {..}        (it declared nothing)
  a: {action: "drop", ..}  to  a: schema.#Drop & {..}  (editors complete it)

A file that is not CUE is reported and left alone.

Exit code 0: fine. 2: a file is not CUE, or with --diff or --check: something
would change.`,
		Example: `  sluice fmt
  sluice fmt policies/ --diff
  sluice fmt --check           # for CI
  sluice fmt --fix teams/orders/policy.cue`,
	}
	c.Flags().BoolVar(&f.diff, "diff", false, "show what would change, and write nothing")
	c.Flags().BoolVar(&f.check, "check", false, "name the files that would change, and write nothing")
	c.Flags().BoolVar(&f.fix, "fix", false, "also rewrite what would be refused or has no effect")
	c.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			args = []string{"."}
		}
		files, err := runtime.Format(args, f.fix)
		if err != nil {
			return err
		}
		return f.finish(t.out, files)
	}
	return c
}

// formatting are the flags of fmt.
type formatting struct{ diff, check, fix bool }

// finish writes or shows what was formatted.
func (f formatting) finish(out io.Writer, files []runtime.FormattedFile) error {
	var bad bool
	for _, file := range files {
		if len(file.Findings) > 0 {
			bad = true
			if err := renderFindings(out, file.Findings, func(string) ([]byte, error) { return file.Before, nil }); err != nil {
				return err
			}
		}
		if !file.Changed() {
			continue
		}
		bad = bad || f.diff || f.check
		if err := f.show(out, file); err != nil {
			return err
		}
		if f.diff || f.check {
			continue
		}
		if err := file.Save(); err != nil {
			return err
		}
	}
	if bad {
		return rejected()
	}
	return nil
}

func (f formatting) show(out io.Writer, file runtime.FormattedFile) error {
	if f.diff {
		_, err := io.WriteString(out, file.Diff())
		return err
	}
	if _, err := fmt.Fprintln(out, file.Name); err != nil {
		return err
	}
	for _, n := range file.Fixed {
		if err := writeNote(out, n); err != nil {
			return err
		}
	}
	return nil
}

func writeNote(out io.Writer, n diag.Note) error {
	_, err := fmt.Fprintf(out, "    %s: %s\n", n.Pos, n.Message)
	return err
}
