package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

func newCheck(t terminal) *cobra.Command {
	var set loadingFlags
	var view findingsView
	c := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Find every mistake in a policy set",
		Long: `Check the policy set in DIR (default: the working directory): its shape against
the schema, every reference, pattern and expression, and its own tests.

Each mistake gives one finding, at the line and column where it was written,
with a hint. "sluice help CODE" explains a finding with an example of wrong and
right.

` + formatsHelp + `
Exit code 0: the set can run (warnings do not count, unless --fail-level says
so). 2: it is refused.`,
		Example: `  sluice check
  sluice check policies/ --env prod
  sluice check --format json | jq '.findings[].code'
  sluice check --format github --fail-level warning    # in a workflow
  sluice check --format sarif > sluice.sarif           # for code scanning`,
		Args: atMostOneArg,
	}
	view.flags(c)
	set.add(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		how, err := view.output(t.out)
		if err != nil {
			return err
		}
		dir := "."
		if len(args) == 1 {
			dir = args[0]
		}
		report, err := runtime.Check(c.Context(), dir, set.loading())
		if err != nil {
			return err
		}
		how.Suite, how.Source = "sluice check", report.Source
		if err := writeReport(t.out, report, view.format, how); err != nil {
			return err
		}
		if how.Fails(report.Findings) {
			return rejected()
		}
		return nil
	}
	return c
}

// formatsHelp tells, in the help of a command with findings, what --format takes.
var formatsHelp = "Formats of findings:\n" + diag.FormatHelp()

// findingsView are the flags of every command that shows findings.
type findingsView struct{ format, failLevel string }

func (v *findingsView) flags(c *cobra.Command) {
	formatFlag(c.Flags(), &v.format, diag.Formats()...)
	c.Flags().StringVar(&v.failLevel, "fail-level", diag.Error.String(), "mildest finding that gives exit code 2: warning or error")
}

// output checks the flags and says how findings are written to w.
func (v *findingsView) output(w io.Writer) (diag.Output, error) {
	if !diag.IsFormat(v.format) {
		return diag.Output{}, environment(fmt.Errorf("--format is %q; want one of %s", v.format, strings.Join(diag.Formats(), ", ")))
	}
	how := diag.Output{Color: isTerminal(w) && os.Getenv("NO_COLOR") == "", Version: version()}
	if err := how.Fail.UnmarshalText([]byte(v.failLevel)); err != nil {
		return diag.Output{}, environment(fmt.Errorf("--fail-level is %q; want warning or error", v.failLevel))
	}
	root, err := os.Getwd()
	if err != nil {
		return diag.Output{}, environment(err)
	}
	how.Root = root
	return how, nil
}

// writeReport writes findings in any format. JSON is the whole report, and the
// formats for people end in a summary.
func writeReport(w io.Writer, report runtime.Report, format string, how diag.Output) error {
	if format == "json" {
		return printJSON(w, report)
	}
	if err := diag.Render(w, format, report.Findings, how); err != nil {
		return err
	}
	if format != "pretty" && format != "compact" {
		return nil
	}
	_, err := fmt.Fprintln(w, report.Summary())
	return err
}

// renderReport draws the findings of a policy set.
func renderReport(w io.Writer, report runtime.Report) error {
	return renderFindings(w, report.Findings, func(file string) ([]byte, error) { return report.Source(file), nil })
}

func renderFindings(w io.Writer, found []diag.Diagnostic, read func(string) ([]byte, error)) error {
	source := func(file string) []byte {
		b, err := read(file)
		if err != nil {
			return nil // the finding stands without its line
		}
		return b
	}
	return diag.Render(w, "pretty", found, diag.Output{Source: source, Color: isTerminal(w) && os.Getenv("NO_COLOR") == ""})
}
