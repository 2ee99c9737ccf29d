package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

func newRollout(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "rollout",
		Short: "Try a policy set on a part, or beside the set in force",
		Long: `A canary is a policy set that governs a share of the tasks, or some partitions,
while the set in force governs the rest. Every series is governed by one of the
two, and every record says by which. A share always has the same tasks, and a
larger one keeps those of a smaller one.

A shadow decides about every live series, too, but sends nothing: what it would
do otherwise is counted.`,
		Example: `  sluice rollout shadow policies --reason "do fewer metrics save?" --wait
  sluice rollout canary policies --share 5% --reason "fewer operator metrics"
  sluice rollout status
  sluice rollout canary --share 25%
  sluice rollout promote`,
	}
	return parent(c, newRolloutStatus(t), newCanary(t), newPromote(t), newAbort(t), newShadow(t))
}

// rolloutCommand is a command about the candidates of an instance. do returns what
// is printed: as JSON, or the status by draw.
func rolloutCommand(t terminal, c *cobra.Command, do func(ctx context.Context, at *client.Client, args []string) (runtime.RolloutStatus, error)) *cobra.Command {
	asking := instanceFlags(c.Flags())
	format := new(string)
	formatFlag(c.Flags(), format)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkFormat(*format); err != nil {
			return err
		}
		at, err := asking.client()
		if err != nil {
			return err
		}
		defer at.Close()
		status, err := do(c.Context(), at, args)
		if p := (*client.Problem)(nil); errors.As(err, &p) && len(p.Diagnostics) > 0 {
			if err := candidateFindings(t.err, p.Diagnostics, args); err != nil {
				return err
			}
			return rejected()
		}
		if err != nil {
			return err
		}
		return showRollout(t.out, &status, *format == "json")
	}
	return c
}

// showRollout prints the candidates of an instance.
func showRollout(out io.Writer, status *runtime.RolloutStatus, asJSON bool) error {
	if !asJSON {
		return rolloutText(out, status, time.Now())
	}
	return printJSON(out, status)
}

// candidateFindings prints what is wrong with a set in a directory.
func candidateFindings(out io.Writer, found []diag.Diagnostic, args []string) error {
	for _, d := range diag.Rebase(found, args[0]) {
		if _, err := fmt.Fprintln(out, d.Error()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "the instance refuses the set; sluice check %s shows the lines\n", args[0])
	return err
}

func newRolloutStatus(t terminal) *cobra.Command {
	return rolloutCommand(t, &cobra.Command{
		Use: "status", Short: "Show how a canary does, and what a shadow would change", Args: noArgs,
		Long: `Show the canary and the shadow of an instance: those that run, or ended last.
Of a canary, what became of its samples beside those of the rest, since it was
given what it governs; of a shadow, what it would do otherwise, by its last pass
over all live series.`,
		Example: `  sluice rollout status
  sluice rollout status --format json`,
	}, func(ctx context.Context, at *client.Client, _ []string) (runtime.RolloutStatus, error) {
		return at.Rollout(ctx)
	})
}

func newCanary(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "canary [DIR]", Short: "Let a policy set govern a share of the tasks, or partitions", Args: atMostOneArg,
		Long: `Let the policy set in DIR govern a part beside the set in force. Without DIR,
the canary that runs is given another part. Nothing is lost or doubled when it
begins, grows or ends: series that change hands are ended as with any other
change of policies, and rules that both sets have keep what they remember.

With --steps the share grows by itself every --every, while the canary keeps the
bounds that the instance sets for a probation; 100% puts the set in force.

Of two changes at once, wherever in the fleet they are made, one is refused.
With --if-match a change is refused when the canary was changed since it was
looked at.`,
		Example: `  sluice rollout canary policies --share 5% --reason "fewer operator metrics"
  sluice rollout canary policies --share 5% --steps 25%,100% --every 10m \
    --reason "fewer operator metrics"
  sluice rollout canary policies --partitions 0,1 --reason "another level"
  sluice rollout canary --share 25%`,
	}
	f := c.Flags()
	share := f.String("share", "", "share of the tasks, such as 5%")
	steps := f.StringSlice("steps", nil, "shares that follow, such as 25%,100%")
	every := f.Duration("every", 0, "time between steps, from 10s to 24h")
	reason := f.String("reason", "", "why, in 3 to 500 characters; needed with DIR")
	partitions := f.Int32Slice("partitions", nil, "partitions of every input topic, instead of a share")
	base := tagFlag(f)
	return rolloutCommand(t, c, func(ctx context.Context, at *client.Client, args []string) (s runtime.RolloutStatus, err error) {
		q := runtime.CanaryRequest{Partitions: *partitions, Every: *every, Base: *base}
		q.Reason = *reason
		if q.Share, err = shareOf("share", *share); err != nil {
			return s, environment(err)
		}
		for _, text := range *steps {
			step, err := shareOf("steps", text)
			if err != nil {
				return s, environment(err)
			}
			q.Steps = append(q.Steps, step)
		}
		if (q.Share == 0) == (len(q.Partitions) == 0) {
			return s, environment(errors.New("say what the canary governs: --share 5% or --partitions 0,1"))
		}
		if len(args) > 0 {
			if q.Reason == "" {
				return s, environment(errNoReason)
			}
			if q.Candidate, err = candidateOf(ctx, t, at, args[0], *reason); err != nil {
				return s, err
			}
		}
		if _, err := at.Canary(ctx, q); err != nil {
			return s, err
		}
		return at.Rollout(ctx)
	})
}

// tagFlag is the flag of a change that is meant for a canary as it was.
func tagFlag(f *pflag.FlagSet) *string {
	return f.String("if-match", "", `tag that the canary must have, as "rollout status --format json" gives it`)
}

// errNoReason says that a candidate is tried for no reason.
var errNoReason = errors.New("--reason is missing: say why in a few words")

// shareOf reads the share of a flag; "" is 0.
func shareOf(flag, text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !percent || !(n > 0 && n <= 100) {
		return 0, fmt.Errorf("--%s: %q is no share above 0%% and at most 100%%, such as 5%%", flag, text)
	}
	return n / 100, nil
}

func newPromote(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "promote", Short: "Put the set of the canary in force", Args: noArgs,
		Long: `Put the set of the canary in force. The tasks that it governs notice nothing;
the rest goes over with its next records.`,
		Example: `  sluice rollout promote --reason "a day without complaints"`,
	}
	reason, base := c.Flags().String("reason", "", "why, for the audit"), tagFlag(c.Flags())
	return rolloutCommand(t, c, func(ctx context.Context, at *client.Client, _ []string) (runtime.RolloutStatus, error) {
		if _, err := at.PromoteCanary(ctx, *base, *reason); err != nil {
			return runtime.RolloutStatus{}, err
		}
		return at.Rollout(ctx)
	})
}

func newAbort(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "abort", Short: "Give what the canary governs back to the set in force", Args: noArgs,
		Long:    "Give what the canary governs back to the set in force, which goes on as before.",
		Example: `  sluice rollout abort --reason "the pay team misses a metric"`,
	}
	reason, base := c.Flags().String("reason", "", "why, for the status and the audit"), tagFlag(c.Flags())
	return rolloutCommand(t, c, func(ctx context.Context, at *client.Client, _ []string) (runtime.RolloutStatus, error) {
		if _, err := at.AbortCanary(ctx, *base, *reason); err != nil {
			return runtime.RolloutStatus{}, err
		}
		return at.Rollout(ctx)
	})
}

func newShadow(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "shadow [DIR]", Short: "Let a policy set decide beside the one in force, with nothing sent", Args: atMostOneArg,
		Long: `Let the policy set in DIR decide about every live series of an instance, beside
the set in force, and count what it would do otherwise. Nothing is sent and no
series waits: it takes a fifth of one core at most. With --for it begins anew
every 15 seconds until the time is over; without, it looks at every live series
once.`,
		Example: `  sluice rollout shadow policies --reason "do fewer metrics save?" --wait
  sluice rollout shadow policies --for 1h --reason "over the night jobs"
  sluice rollout shadow --stop`,
	}
	f := c.Flags()
	length := f.Duration("for", 0, "how long to go on comparing, from 1s to 24h (default: all live series once)")
	reason := f.String("reason", "", "why, in 3 to 500 characters")
	wait := f.Bool("wait", false, "return when it has ended")
	stop := f.Bool("stop", false, "end the shadow that runs")
	return rolloutCommand(t, c, func(ctx context.Context, at *client.Client, args []string) (s runtime.RolloutStatus, err error) {
		switch {
		case *stop && (len(args) > 0 || *length > 0 || *wait):
			return s, environment(errors.New("--stop goes with nothing else"))
		case *stop:
			if _, err := at.EndShadow(ctx); err != nil {
				return s, err
			}
			return at.Rollout(ctx)
		case len(args) == 0:
			return s, environment(errors.New("say which policy set: sluice rollout shadow DIR"))
		case *reason == "":
			return s, environment(errNoReason)
		}
		q := runtime.ShadowRequest{For: *length}
		if q.Candidate, err = candidateOf(ctx, t, at, args[0], *reason); err != nil {
			return s, err
		}
		if _, err := at.Shadow(ctx, q); err != nil {
			return s, err
		}
		return shadowEnd(ctx, at, *wait)
	})
}

// shadowEnd returns how a shadow does; if it is waited for, when it has ended.
func shadowEnd(ctx context.Context, at *client.Client, wait bool) (runtime.RolloutStatus, error) {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		s, err := at.Rollout(ctx)
		if err != nil || !wait || s.Shadow == nil || s.Shadow.Ended != "" {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-again.C:
		}
	}
}
