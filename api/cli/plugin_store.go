package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

func newPluginPush(t terminal) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "push [FILE | DIR]",
		Short: "Give a plugin to a fleet",
		Long: `Store a plugin for every instance of the fleet. FILE is a module; the project
in DIR (default: the working directory) is built first. The instance that is
asked judges it, and compiles and tries it in a process with bounds of time and
memory.

What is printed is how policies name it: the name, and the digest of its bytes.
Nothing runs it until they do, and a later version never takes its place by
itself. It takes the role admin.`,
		Example: `  sluice plugin push mask.wasm --reason "users are masked"
  sluice plugin push --url https://sluice.example:7070 --token env://TOKEN`,
		Args: atMostOneArg,
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	q := questionFlags(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := q.check(); err != nil {
			return err
		}
		wasm, _, err := moduleOf(c.Context(), args)
		if err != nil {
			return err
		}
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		p, err := at.PushPlugin(c.Context(), wasm, reason)
		if err != nil {
			return err
		}
		if q.format == "json" {
			return printJSON(t.out, p)
		}
		_, err = fmt.Fprintf(t.out, "%s@%s\n", p.Name, p.Digest)
		return err
	}
	return c
}

func newPluginList(t terminal) *cobra.Command {
	var running bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the plugins that policies can name",
		Long: `List the plugins that an instance has: those that were pushed to the fleet, and
those that lie in its data directory alone. USED BY are the transforms of the
policies in force. Digests are cut; --format json has them whole, as policies
name them.

With --running: those that its policies run, or ran since it started, and what
they did. IN and OUT are records, FAILED those that were not transformed; a
BREAKER that is open says that it fails too often to be called. TRIED are the
samples that transforms with a shadow only tried it on, and how many of them it
would have changed, dropped or failed for.`,
		Example: `  sluice plugin list
  sluice plugin list --running
  sluice plugin list --format json`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&running, "running", false, "what the plugins of the policies do")
	q := questionFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		if running {
			return listRunning(c.Context(), t, at, q.format)
		}
		list, err := at.Plugins(c.Context())
		if err != nil {
			return err
		}
		if q.format == "json" {
			return printJSON(t.out, list)
		}
		return printPlugins(t.out, list, time.Now())
	}
	return c
}

func listRunning(ctx context.Context, t terminal, at *client.Client, format string) error {
	list, err := at.RunningPlugins(ctx)
	if err != nil {
		return err
	}
	if format == "json" {
		return printJSON(t.out, list)
	}
	return printRunning(t.out, list)
}

func printRunning(out io.Writer, list []runtime.RunningPlugin) error {
	head := "NAME\tVERSION\tDIGEST\tSTATE\tBATCHES\tIN\tOUT\tDROPPED\tFAILED\tNS/RECORD\tMEMORY\tBREAKER\tTRIED"
	return table(out, head, "no policies have run a plugin since the instance started", list, func(p *runtime.RunningPlugin) []string {
		state, failed, each := "ran", uint64(0), "-"
		if p.Running {
			state = "runs"
		}
		for _, n := range p.Failed {
			failed += n
		}
		if p.In > 0 {
			each = fmt.Sprintf("%.0f", 1e9*p.Seconds/float64(p.In))
		}
		return []string{p.Name, p.Version, p.Digest[:min(len(p.Digest), shortDigest)], state,
			countText(float64(p.Calls)), countText(float64(p.In)), countText(float64(p.Out)), countText(float64(p.Dropped)), countText(float64(failed)), each,
			bytesText(uint64(p.Memory)), p.Breaker, triedCell(p.Tried)}
	})
}

// triedCell is what a plugin was tried on, in brief.
func triedCell(t *explain.TriedPlugin) string {
	if t == nil {
		return "-"
	}
	return fmt.Sprintf("%s: %s changed, %s dropped, %s failed", countText(float64(t.Samples)), countText(float64(t.Changed)),
		countText(float64(t.Dropped)), countText(float64(t.Failed)))
}

// shortDigest is as much of a digest as tells plugins apart: sha256: and 12 digits.
const shortDigest = len("sha256:") + 12

func printPlugins(out io.Writer, list []runtime.StoredPlugin, now time.Time) error {
	return table(out, "NAME\tVERSION\tDIGEST\tSCOPE\tSIZE\tPUSHED\tUSED BY", "no plugin: 'sluice plugin push' gives one to the fleet", list, func(p *runtime.StoredPlugin) []string {
		when := "here alone"
		if p.Fleet {
			when = sinceText(now.Sub(p.At)) + " ago by " + cmp.Or(p.By, "an instance")
		}
		used := listed(p.UsedBy, "-")
		if p.Damaged != "" {
			used = "DAMAGED: " + p.Damaged
		}
		return []string{cmp.Or(p.Name, "-"), cmp.Or(p.Version, "-"), p.Digest[:min(len(p.Digest), shortDigest)],
			cmp.Or(p.Scope, "-"), bytesText(uint64(p.Size)), when, used}
	})
}

func newPluginDelete(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "delete DIGEST",
		Short: "Delete a plugin in the whole fleet",
		Long: `Delete a plugin, by its digest or the first digits of it, as list shows them.
It takes the role admin.

One that policies name which are in force, a canary or a shadow stays: apply
policies without it first. So does one that a revision of the history names,
since that could not be rolled back to; --force deletes it all the same.`,
		Example: `  sluice plugin delete sha256:4f0c1b9d2a77
  sluice plugin delete sha256:4f0c1b9d2a77 --force`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return environment(fmt.Errorf("%s takes one digest, but got %d", c.CommandPath(), len(args)))
		},
	}
	force := c.Flags().Bool("force", false, "although revisions of the history name it")
	q := questionFlags(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		p, err := at.DeletePlugin(c.Context(), args[0], *force)
		if err != nil {
			return err
		}
		if q.format == "json" {
			return printJSON(t.out, p)
		}
		_, err = fmt.Fprintf(t.out, "%s@%s is deleted\n", p.Name, p.Digest)
		return err
	}
	return c
}
