package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

func newDegrade(t terminal) *cobra.Command {
	var length, reason, format string
	c := &cobra.Command{
		Use:   "degrade [P0|P1|P2|P3|auto]",
		Short: "See or set what a running instance gives up under overload",
		Long: `Show at which step of degradation an instance is, why, and what each rule of
the section degrade has given up. P0 gives nothing up, P3 what has priority P3,
and P2 and P1 what has these in addition.

With a step, set it by hand: for a time, and with a reason that the log and the
status show. Afterwards, or with "auto", the measures decide again. P0 by hand
gives nothing up whatever they say.

A step by hand is an override and holds in the whole fleet; the measures, and
what was given up, are those of the instance that is asked.`,
		Example: `  sluice degrade
  sluice degrade P2 --for 30m --reason "the store is being moved"
  sluice degrade auto --url http://sluice-1:7070`,
		Args: atMostOneArg,
	}
	f := c.Flags()
	f.StringVar(&length, "for", "", "how long the step is held, from 1s to 7d, such as 30m")
	f.StringVar(&reason, "reason", "", "why, in 3 to 500 characters")
	asking := instanceFlags(f)
	formatFlag(f, &format)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkFormat(format); err != nil {
			return err
		}
		if err := checkDegrade(args, length, reason); err != nil {
			return environment(err)
		}
		at, err := asking.client()
		if err != nil {
			return err
		}
		defer at.Close()
		status, err := degradeChange(c.Context(), at, args, length, reason)
		if err != nil {
			return err
		}
		if format == "json" {
			return printJSON(t.out, status)
		}
		return degradeText(t.out, &status, time.Now())
	}
	return c
}

// degradeChange does what the words ask for, and returns the status after it.
func degradeChange(ctx context.Context, at *client.Client, args []string, length, reason string) (runtime.DegradeStatus, error) {
	switch {
	case len(args) == 0:
		return at.Degrade(ctx)
	case args[0] == "auto":
		return at.EndDegrade(ctx)
	}
	return at.SetDegrade(ctx, strings.ToUpper(args[0]), length, reason)
}

// checkDegrade says what is wrong with the words.
func checkDegrade(args []string, length, reason string) error {
	given := length != "" || reason != ""
	switch {
	case len(args) == 0 && given:
		return errors.New("--for and --reason belong to a step: P0, P1, P2 or P3")
	case len(args) == 0:
		return nil
	case args[0] == "auto" && given:
		return errors.New("auto takes neither --for nor --reason")
	case args[0] == "auto":
		return nil
	case length == "":
		return errors.New("--for is missing: say how long the step is held, as in --for 30m")
	case reason == "":
		return errors.New("--reason is missing: say why in a few words")
	}
	return nil
}

// degradeText draws a status.
func degradeText(out io.Writer, s *runtime.DegradeStatus, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "step %s", s.Step)
	if !s.Since.IsZero() {
		fmt.Fprintf(&b, " since %s", now.Sub(s.Since).Round(time.Second))
	}
	switch {
	case s.Hand != nil:
		fmt.Fprintf(&b, ", by hand for another %s: %s; the measures would make it %s", s.Hand.Until.Sub(now).Round(time.Second), s.Hand.Reason, s.Automatic)
	case s.Cause != nil:
		b.WriteString(": " + s.Cause.Text())
	}
	b.WriteString("\n\n")
	measures := grid{named: true, rows: [][]string{{"MEASURE", "NOW", "P3 ABOVE", "P2 ABOVE", "P1 ABOVE"}}}
	for _, m := range s.Measures {
		now := "unknown"
		if m.Value != nil {
			now = m.Format(*m.Value)
		}
		row := []string{m.Measure, now}
		for _, step := range []string{"P3", "P2", "P1"} {
			text := ""
			if bound := m.Bounds[step]; bound > 0 {
				text = m.Format(bound)
			}
			row = append(row, cmp.Or(text, "-"))
		}
		measures.rows = append(measures.rows, row)
	}
	b.WriteString(measures.text(columnsOf(out)) + "\n")
	if _, err := io.WriteString(out, printable(b.String())); err != nil {
		return err
	}
	return table(out, "RULE\tPRIORITY\tACTION\tNOW\tGIVEN UP", "no rule of degradation: nothing is ever given up", s.Rules, func(r *runtime.DegradeRule) []string {
		doing := "-"
		if r.Shedding {
			doing = "shedding"
		}
		return []string{r.Rule, r.Priority, r.Action, doing, counted(int(r.Samples), "sample")}
	})
}

// degradeRows say at which step a series is given up, and by which rule.
func degradeRows(list []explain.ControlStage, all bool) []string {
	if len(list) == 0 {
		return nil
	}
	last := list[len(list)-1]
	if last.Mismatch != "" {
		return append(controlRows(list, all), "= never given up")
	}
	step := ""
	for _, f := range last.Fields {
		if f.Name == "priority" {
			step = strings.Trim(string(f.Value), `"`)
		}
	}
	return append(append(controlRows(list, all), "= given up from step "+step+" on"), fieldRows(last.Fields)...)
}
