package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newFleet(t terminal) *cobra.Command {
	var converged time.Duration
	c := &cobra.Command{
		Use:   "fleet",
		Short: "See every instance of the fleet, and the policies that it runs",
		Long: `List the instances that the one that is asked has heard of within ten minutes.
They tell of themselves every two seconds on the control topic; one that is
silent for ten seconds is stale. One that reads none of its streams, since they
were paused or drained, is paused, draining or drained; WHY names the streams.

--wait-converged waits until every instance that is not stale runs the same
policies as the one that is asked; the exit code is 1 when that takes longer.`,
		Example: `  sluice fleet
  sluice fleet --wait-converged 30s --url http://sluice-1:7070`,
		Args: noArgs,
	}
	f := c.Flags()
	durationFlag(f, &converged, "wait-converged", 0, "wait so long for all to run the same policies")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		deadline := time.Now().Add(converged)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			s, err := at.Fleet(c.Context())
			if err != nil {
				return err
			}
			if waits := converged > 0 && !s.Converged; !waits || time.Now().After(deadline) {
				if err := printFleet(t.out, q, &s); err != nil || !waits {
					return err
				}
				return fmt.Errorf("the fleet has not converged within %v", converged)
			}
			select {
			case <-tick.C:
			case <-c.Context().Done():
				return c.Context().Err()
			}
		}
	}
	return c
}

func printFleet(out io.Writer, q *questions, s *runtime.FleetStatus) error {
	if q.format == "json" {
		return printJSON(out, s)
	}
	err := table(out, "INSTANCE\tSTATE\tREVISION\tVERSION\tHEARD\tADDRESS\tWHY", "no instance was heard of yet", s.Instances, func(in *runtime.FleetInstance) []string {
		name := in.Name
		if in.This {
			name += " (this)"
		}
		return []string{name, in.State, fmt.Sprintf("%.12s", in.Revision), cmp.Or(in.Version, "-"),
			sinceText(time.Since(in.Heard).Round(time.Second)) + " ago", cmp.Or(in.Address, "-"), cmp.Or(in.Error, in.Waiting, notReadText(in.NotRead), "-")}
	})
	if err == nil && s.Error != "" {
		_, err = fmt.Fprintln(out, printable(s.Error))
	}
	return err
}

// notReadText names the streams that an instance does not read; "" when there is none.
func notReadText(streams map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		out = append(out, name+" is "+streams[name])
	}
	return strings.Join(out, ", ")
}

func newAudit(t terminal) *cobra.Command {
	var since time.Duration
	var who, operation, target string
	var limit int
	c := &cobra.Command{
		Use:   "audit",
		Short: "See who changed what in the fleet",
		Long: `List what was done, the newest first: at most 90 days and 10,000 entries. What
was refused is in the list, too: of what somebody may not, 20 requests an hour
and 100 of all together; how many more came is said at the next one. Who is
not known is only counted, in sluice_auth_refused_total. It is about the whole
fleet.`,
		Example: `  sluice audit
  sluice audit --since 24h --who ann
  sluice audit --operation setOverride --format json`,
		Args: noArgs,
	}
	f := c.Flags()
	durationFlag(f, &since, "since", 0, "how far back, such as 24h; without it, all of it")
	f.StringVar(&who, "who", "", "name of who did it")
	f.StringVar(&operation, "operation", "", "what was asked, such as setOverride")
	f.StringVar(&target, "target", "", `what it was done to, such as "task t-1"`)
	f.IntVar(&limit, "limit", 50, "how many entries at most")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if since < 0 || limit < 1 {
			return environment(errors.New("--since is a time back, such as 24h, and --limit at least 1"))
		}
		query := url.Values{}
		for name, value := range map[string]string{"who": who, "operation": operation, "target": target} {
			if value != "" {
				query.Set(name, value)
			}
		}
		if since > 0 {
			query.Set("since", time.Now().Add(-since).UTC().Format(time.RFC3339))
		}
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		list, err := at.Audit(c.Context(), query)
		if err != nil {
			return err
		}
		list = list[:min(len(list), limit)]
		if q.format == "json" {
			return printJSON(t.out, list)
		}
		return printAudit(t.out, list)
	}
	return c
}

func printAudit(out io.Writer, list []runtime.AuditEntry) error {
	return table(out, "WHEN\tWHO\tOPERATION\tTARGET\tRESULT\tWHY", "nothing was done, or nothing that fits the filter", list, func(e *runtime.AuditEntry) []string {
		return []string{e.At.UTC().Format(time.RFC3339), cmp.Or(e.Actor.Name, "-"), e.Operation, cmp.Or(e.Target, "-"), e.Result, cmp.Or(e.Error, e.Reason, "-")}
	})
}
