package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newDoctor(t terminal) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what an instance needs, and say what to do",
		Long: `Look at what an instance with this configuration needs: is the policy set right,
can the data directory be written and how fast, do the brokers answer and let
this user in, are the topics there. It takes the flags of sluice run, and at
most half a minute. Nothing of what it does stays, and no instance is asked.

Exit code 3: something fails. Warnings leave it at 0.`,
		Example: `  sluice doctor --policies ./policies --data-dir /var/lib/sluice
  sluice doctor --brokers kafka-1:9092 --json`,
		Args: noArgs,
	}
	s := newSettings(c.Flags(), defaultConfigFile)
	s.listen(listenUsage, tokenUsage)
	s.instance()
	s.group()
	s.kafka("Kafka brokers, host:port; without any, one runs inside the process")
	c.Flags().BoolVar(&asJSON, "json", false, "write the checks as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		checks := runtime.Doctor(c.Context(), cfg, runtime.Options{Version: version(), Child: childCommand()})
		if asJSON {
			err = printJSON(t.out, checks)
		} else {
			err = printChecks(t.out, checks)
		}
		for i := range checks {
			if err == nil && checks[i].Outcome == runtime.CheckFail {
				return &exitError{code: exitEnv}
			}
		}
		return err
	}
	return c
}

func printChecks(out io.Writer, checks []runtime.HealthCheck) error {
	paint := painterFor(out)
	colour := map[string]func(string) string{runtime.CheckOK: paint.green, runtime.CheckWarn: paint.yellow, runtime.CheckFail: paint.red}
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "%s  %-15s  %s\n", colour[c.Outcome](fmt.Sprintf("%-4s", c.Outcome)), c.Name, printable(strings.ReplaceAll(c.Seen, "\n", "; ")))
		if c.Do != "" {
			fmt.Fprintf(&b, "      %-15s  -> %s\n", "", c.Do)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
