package cli

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/rest"
	"github.com/sluice-metrics/sluice/runtime"
)

func newDoctor(t terminal) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what an instance needs, and say what to do",
		Long: `Look at what an instance with this configuration needs: its policies, what it
keeps and where it listens; the machine (disk, files, memory); the brokers: do
they answer and let this user in, are topics there with settings that lose
nothing, which rights lack, how far are the groups behind; and the receivers of
remote write. It takes the flags of sluice run, and at most 20 seconds. Nothing
of what it does stays, and no instance is asked.

Exit code 0: everything is ok, or a warning. 1: something of Sluice fails, its
policies or what it keeps. 3: something around it fails, and nothing of Sluice.`,
		Example: `  sluice doctor --policies ./policies --data-dir /var/lib/sluice
  sluice doctor --brokers kafka-1:9092 --json`,
		Args: noArgs,
	}
	s := newSettings(c.Flags(), defaultConfigFile)
	s.listen(listenUsage, tokenUsage)
	s.instance()
	s.group()
	s.kafka("Kafka brokers, host:port; without any, one runs inside the process")
	formatFlag(c.Flags(), &format)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkFormat(format); err != nil {
			return err
		}
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		checks := runtime.Doctor(c.Context(), cfg, runtime.Options{Version: version(), Child: childCommand()})
		checks = slices.Insert(checks, 0, listenCheck(cfg))
		if format == "json" {
			err = printJSON(t.out, checks)
		} else {
			err = printChecks(t.out, checks, columnsOf(t.out))
		}
		if code := checkCode(checks); err == nil && code != exitOK {
			return &exitError{code: code}
		}
		return err
	}
	return c
}

// listenCheck tells whether sluice run would listen where it is told to.
func listenCheck(cfg runtime.Config) runtime.HealthCheck {
	c := runtime.HealthCheck{Area: runtime.AreaSluice, Name: "listen", Outcome: runtime.CheckOK, Seen: cfg.Listen + " can be listened at"}
	inUse, err := rest.Admits(rest.Options{Listen: cfg.Listen, Token: cfg.ListenToken, Tokens: cfg.Tokens, OIDC: cfg.OIDC, TLS: cfg.ListenTLS, Log: slog.New(slog.DiscardHandler)})
	if err == nil && cfg.ListenToken != "" {
		_, err = runtime.Secret(cfg.ListenToken)
	}
	switch {
	case inUse:
		c.Outcome, c.Seen, c.Do = runtime.CheckWarn, cfg.Listen+" is in use", "by an instance that runs? else choose another with --listen"
	case err != nil:
		c.Outcome, c.Seen, c.Do = runtime.CheckFail, err.Error(), "sluice run would refuse it: mend what the message names"
	}
	return c
}

// checkCode tells faults of Sluice from faults around it.
func checkCode(checks []runtime.HealthCheck) int {
	code := exitOK
	for i := range checks {
		switch c := &checks[i]; {
		case c.Outcome != runtime.CheckFail:
		case c.Area == runtime.AreaSluice:
			return exitFault
		default:
			code = exitEnv
		}
	}
	return code
}

// printChecks draws the checks by area, and how many there are of each outcome, in
// lines of so many columns; 0: as long as they are.
func printChecks(out io.Writer, checks []runtime.HealthCheck, columns int) error {
	paint := painterFor(out)
	colour := map[string]func(string) string{runtime.CheckOK: paint.green, runtime.CheckWarn: paint.yellow, runtime.CheckFail: paint.red, runtime.CheckSkip: paint.dim}
	var b strings.Builder
	area, tally := "", map[string]int{}
	for i := range checks {
		c := &checks[i]
		if c.Area != area {
			area = c.Area
			fmt.Fprintf(&b, "%s\n", paint.bold(area))
		}
		tally[c.Outcome]++
		seen := printable(c.Name + ": " + strings.ReplaceAll(c.Seen, "\n", "; "))
		fmt.Fprintf(&b, "  %s  %s\n", colour[c.Outcome](fmt.Sprintf("%-4s", c.Outcome)), hanging(seen, 8, columns))
		if c.Do != "" {
			fmt.Fprintf(&b, "        -> %s\n", hanging(printable(c.Do), 11, columns))
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d to look at, %d wrong, %d skipped\n",
		tally[runtime.CheckOK], tally[runtime.CheckWarn], tally[runtime.CheckFail], tally[runtime.CheckSkip])
	_, err := io.WriteString(out, b.String())
	return err
}
