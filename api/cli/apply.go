package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// applyFlags are those of commands that change the policies in force.
type applyFlags struct {
	asking      *questions
	reason      string
	plan        string
	base        string
	fleet, wait bool
	canary      string // share or partitions; "": not as a canary
	shadow      bool
}

func (f *applyFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.reason, "reason", "", "why, for the history")
	flags.BoolVar(&f.fleet, "fleet", false, "wait until every instance that is heard of runs it")
	flags.BoolVar(&f.wait, "wait", false, "wait until it has passed its probation; exit code 2 when it was rolled back")
	f.asking = questionFlags(flags)
}

func newApply(t terminal) *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use:   "apply DIR",
		Short: "Put a policy set in force in a running fleet",
		Long: `Send the policy set in DIR to an instance. The instance evaluates it, runs its
tests, pushes it to the control topic, and answers when every worker runs it;
the other instances take it up from there. What is wrong is shown as "sluice
check" shows it, and the set before goes on.

Plugins that the set names by path and that the fleet does not have are pushed
first, as "sluice plugin push" does, which takes the role admin.

The instance must take its policies from the topic (sluice run --policies
topic). One that follows a directory or a git repository refuses, because that
source would take the change back, unless it was started with --allow-push.

With --plan FILE, the JSON of "sluice plan", the change is refused unless these
files are those of the plan and what is in force is what the plan started from.
With --if-match REVISION it is refused when another revision is in force.

With --canary the set governs a part beside the set in force: a share of the
tasks, such as 5%, or partitions of every input topic, such as 0,1. With
--shadow it only decides beside it, about every live series once, and what it
would do otherwise is counted. "sluice rollout" shows how it does, and ends it.

Exit code 0: in force. 2: refused, or rolled back. 3: no instance answers, or
not every worker or instance runs it in time.`,
		Example: `  sluice apply policies --reason "fewer series of the state backend"
  sluice plan policies --base deployed --format json > plan.json
  sluice apply policies --plan plan.json --fleet --wait
  sluice apply policies --canary 5% --reason "fewer operator metrics"
  sluice apply policies --shadow --wait --reason "do fewer metrics save?"`,
		Args: oneDir,
	}
	f.add(c)
	c.Flags().StringVar(&f.canary, "canary", "", "let the set govern a share of the tasks (5%) or partitions (0,1) only")
	c.Flags().BoolVar(&f.shadow, "shadow", false, "let the set decide beside the one in force, with nothing sent")
	c.Flags().StringVar(&f.plan, "plan", "", "file with the plan that was agreed to, as plan --format json writes it")
	c.Flags().StringVar(&f.base, "if-match", "", "revision that must be in force")
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.canary != "" || f.shadow {
			return f.try(c.Context(), t, args[0])
		}
		return f.apply(c.Context(), t, args[0])
	}
	return c
}

// apply puts the set in dir in force.
func (f *applyFlags) apply(ctx context.Context, t terminal, dir string) error {
	plan, err := f.agreed()
	if err != nil {
		return environment(err)
	}
	return f.send(ctx, t, dir, func(at *client.Client, set *policyFiles) error {
		out, err := at.Apply(ctx, runtime.ApplyRequest{
			Files: set.texts, Plugins: set.plugins, Reason: f.reason, Base: f.base, Fleet: f.fleet, Plan: plan,
		})
		if err != nil {
			return refusedPolicies(t, err, dir)
		}
		return f.done(ctx, t, at, &out)
	})
}

// send reads the set in dir, gives the fleet the plugins of it that it lacks, and has
// the rest done with both.
func (f *applyFlags) send(ctx context.Context, t terminal, dir string, do func(*client.Client, *policyFiles) error) error {
	set, err := readPolicies(t, dir)
	if err != nil {
		return err
	}
	at, err := f.asking.open()
	if err != nil {
		return err
	}
	defer at.Close()
	if err := set.pushPlugins(ctx, t, at, f.reason); err != nil {
		return err
	}
	return do(at, set)
}

func oneDir(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return environment(errors.New("say which directory has the policies, as in: sluice apply policies"))
	}
	return nil
}

// agreed reads the plan that the change is bound to; nil: none.
func (f *applyFlags) agreed() (*runtime.PlanBinding, error) {
	if f.plan == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.plan)
	if err != nil {
		return nil, fmt.Errorf("--plan: %w", err)
	}
	var plan runtime.Plan
	if err := json.Unmarshal(text, &plan); err != nil || plan.Format != runtime.PlanFormat || plan.Digest == "" {
		return nil, fmt.Errorf("--plan: %s is no plan; write one with: sluice plan --base deployed --format json", f.plan)
	}
	return &runtime.PlanBinding{Digest: plan.Digest, Base: plan.Base.Revision, Revision: plan.New.Revision}, nil
}

// refusedPolicies shows what an instance found wrong with the set in dir.
func refusedPolicies(t terminal, err error, dir string) error {
	problem := (*client.Problem)(nil)
	if !errors.As(err, &problem) || len(problem.Diagnostics) == 0 {
		return err
	}
	if rendered := renderFindings(t.err, diag.Rebase(problem.Diagnostics, filepath.ToSlash(dir)), os.ReadFile); rendered != nil {
		return rendered
	}
	return rejected()
}

// done tells what became of a change, and waits for its probation.
func (f *applyFlags) done(ctx context.Context, t terminal, at *client.Client, out *runtime.ApplyResult) error {
	if err := f.show(t.out, out); err != nil {
		return err
	}
	switch {
	case len(out.Waiting) > 0:
		return environment(fmt.Errorf("not all workers run it yet, they wait for their outputs: %s", strings.Join(out.Waiting, ", ")))
	case len(out.Behind) > 0:
		return environment(fmt.Errorf("not all instances run it yet: %s", strings.Join(out.Behind, ", ")))
	case !f.wait:
		return nil
	}
	return f.awaitGood(ctx, t, at, out.Revision)
}

func (f *applyFlags) show(w io.Writer, out *runtime.ApplyResult) error {
	if f.asking.format == "json" {
		return printJSON(w, out)
	}
	text := fmt.Sprintf("revision %.12s is in force already\n", out.Revision)
	if out.Changed {
		text = fmt.Sprintf("revision %.12s is in force (before: %.12s), %s, number %d of the history\n",
			out.Revision, out.Before, counted(out.Rules, "rule"), out.Number)
	}
	_, err := io.WriteString(w, text)
	return err
}

// awaitGood waits until a revision has passed its probation.
func (f *applyFlags) awaitGood(ctx context.Context, t terminal, at *client.Client, revision string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		p, err := at.Policies(ctx)
		switch {
		case err != nil:
			return err
		case p.Revision != revision && p.Refused != nil && p.Refused.Revision == revision:
			return &exitError{exitRejected, fmt.Errorf("revision %.12s did not pass its probation: %s; %.12s is in force", revision, p.Refused.Error, p.Revision)}
		case p.Revision != revision:
			return &exitError{exitRejected, fmt.Errorf("revision %.12s was replaced by %.12s", revision, p.Revision)}
		case p.State == runtime.PolicyGood:
			if f.asking.format == "json" {
				return nil
			}
			_, err := fmt.Fprintf(t.out, "revision %.12s has passed its probation\n", revision)
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func newRollback(t terminal) *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use:   "rollback [REVISION]",
		Short: "Put a policy set of the history in force again",
		Long: `Put a revision of the history in force again, in the whole fleet: the one
before the present one or, with REVISION, that one, by six digits or more of
its digest. "sluice history" lists them.`,
		Example: `  sluice rollback --reason "alerts are silent"
  sluice rollback 4f1c09ab --fleet`,
		Args: atMostOneArg,
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		at, err := f.asking.open()
		if err != nil {
			return err
		}
		defer at.Close()
		out, err := at.Rollback(c.Context(), strings.Join(args, ""), f.reason, f.fleet)
		if err != nil {
			return err
		}
		return f.done(c.Context(), t, at, &out)
	}
	return c
}

func newReloadCommand(t terminal) *cobra.Command {
	var asking *asking
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have an instance look at its source of policies now",
		Long: `Have an instance load its policies again, from where it takes them, and put them
in force. It does so by itself when a directory, a repository or the topic
changes; this does not wait for that, and tries a set again that was rolled
back.`,
		Args: noArgs,
	}
	asking = instanceFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := asking.client()
		if err != nil {
			return err
		}
		defer at.Close()
		revision, err := at.Reload(c.Context())
		if err != nil {
			return refusedPolicies(t, err, "")
		}
		_, err = fmt.Fprintf(t.out, "revision %.12s is in force\n", revision)
		return err
	}
	return c
}

func newHistory(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "history [FROM [TO]]",
		Short: "List the policy sets that were pushed, or say how two differ",
		Long: `List the revisions that were pushed to the fleet, the newest first: who, when
and why. The one that the instance runs has a star.

With FROM, and TO or what is in force, say how these differ, rule by rule.`,
		Example: `  sluice history
  sluice history 4f1c09ab`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) <= 2 {
				return nil
			}
			return environment(fmt.Errorf("%s takes two revisions, but got %d", c.CommandPath(), len(args)))
		},
	}
	q := questionFlags(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		if len(args) == 0 {
			list, err := at.History(c.Context())
			if err != nil {
				return err
			}
			if q.format == "json" {
				return printJSON(t.out, list)
			}
			if len(list) == 0 {
				return noHistory(c.Context(), t.out, at)
			}
			return historyText(t.out, list)
		}
		rules, err := at.Diff(c.Context(), args[0], strings.Join(args[1:], ""))
		if err != nil {
			return err
		}
		if q.format == "json" {
			return printJSON(t.out, rules)
		}
		return diffText(t.out, rules)
	}
	return c
}

// noHistory says that nothing was pushed, and where the policies come from then.
func noHistory(ctx context.Context, out io.Writer, at *client.Client) error {
	p, err := at.Policies(ctx)
	if err != nil {
		return err
	}
	text := "nothing was pushed yet"
	if k := p.Origin.Kind; k == runtime.OriginDirectory || k == runtime.OriginGit {
		text += ": the policies come from " + p.Origin.Place
		if c := p.Origin.Commit; c != "" {
			text += fmt.Sprintf(", commit %.12s", c)
		}
	}
	_, err = fmt.Fprintln(out, printable(text))
	return err
}

func historyText(out io.Writer, list []runtime.HistoryEntry) error {
	return table(out, "\tNUMBER\tREVISION\tAT\tBY\tHOW\tREASON", "nothing was pushed yet", list, func(e *runtime.HistoryEntry) []string {
		star := ""
		if e.InForce {
			star = "*"
		}
		return []string{star, fmt.Sprint(e.Number), fmt.Sprintf("%.12s", e.Revision), e.Origin.At.UTC().Format(time.RFC3339),
			cmp.Or(e.Origin.By, "-"), e.Origin.Kind, cmp.Or(e.Origin.Reason, "-")}
	})
}

func diffText(out io.Writer, rules []runtime.RuleChange) error {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s %s %s%s\n", r.Change, r.Section, r.Rule, placeText(r.Pos))
		for _, f := range r.Fields {
			fmt.Fprintf(&b, "    %s: %s -> %s\n", f.Path, cmp.Or(string(f.Before), "(none)"), cmp.Or(string(f.After), "(none)"))
		}
	}
	if len(rules) == 0 {
		b.WriteString("no rule differs\n")
	}
	_, err := io.WriteString(out, printable(b.String()))
	return err
}

func placeText(p diag.Pos) string {
	if !p.IsValid() {
		return ""
	}
	return "  " + p.String()
}
