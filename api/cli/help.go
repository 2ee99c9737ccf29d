package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// newHelp explains commands and the codes of findings.
func newHelp(t terminal, root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | CODE | codes]",
		Short: "Explain a command, or the code of a finding",
		Example: `  sluice help check
  sluice help P102
  sluice help codes`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				if args[0] == "codes" {
					return listCodes(t.out)
				}
				if h, ok := diag.Lookup(diag.Code(strings.ToUpper(args[0]))); ok {
					return explainCode(t.out, h)
				}
			}
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return environment(fmt.Errorf("there is neither a command nor a code %q; see 'sluice help' and 'sluice help codes'", strings.Join(args, " ")))
			}
			c.SetOut(t.out)
			return c.Help()
		},
	}
}

func listCodes(w io.Writer) error {
	for _, h := range diag.Codes() {
		if _, err := fmt.Fprintf(w, "%s  %s\n", h.Code, h.Title); err != nil {
			return err
		}
	}
	return nil
}

func explainCode(w io.Writer, h diag.Help) error {
	_, err := fmt.Fprintf(w, "%s: %s\n\n%s\n\nWrong:\n\n%s\n\nRight:\n\n%s\n", h.Code, h.Title, h.Text, indented(h.Bad), indented(h.Good))
	return err
}

func indented(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
