package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

func newCheck(t terminal) *cobra.Command {
	var format, env string
	c := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Find every mistake in a policy set",
		Long: `Check the policy set in DIR (default: the working directory): its shape against
the schema, every reference, pattern and expression, and its own tests.

Each mistake gives one finding, at the line and column where it was written,
with a hint. "sluice help CODE" explains a finding with an example of wrong and
right.

Exit code 0: the set can run (warnings do not count). 2: it is refused.`,
		Example: `  sluice check
  sluice check policies/ --env prod
  sluice check --format json | jq '.findings[].code'`,
		Args: atMostOneArg,
	}
	c.Flags().StringVar(&format, "format", "pretty", "pretty or json")
	c.Flags().StringVar(&env, "env", "", "environment that the set is evaluated for (its @tag(env))")
	c.RunE = func(c *cobra.Command, args []string) error {
		if format != "pretty" && format != "json" {
			return environment(fmt.Errorf("--format is %q; want pretty or json", format))
		}
		dir := "."
		if len(args) == 1 {
			dir = args[0]
		}
		report, err := runtime.Check(c.Context(), dir, runtime.Loading{Env: env, Child: childCommand()})
		if err != nil {
			return err
		}
		if err := writeReport(t.out, report, format); err != nil {
			return err
		}
		if report.Refused() {
			return rejected()
		}
		return nil
	}
	return c
}

func writeReport(w io.Writer, report runtime.Report, format string) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	if err := renderReport(w, report); err != nil {
		return err
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
	return diag.Render(w, found, source, isTerminal(w) && os.Getenv("NO_COLOR") == "")
}
