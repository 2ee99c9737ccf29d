package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newOverride(t terminal) *cobra.Command {
	var length, reason string
	var unseen bool
	c := &cobra.Command{
		Use:   "override [list | set task|rule|step TARGET | end ID]",
		Short: "Switch tasks or rules off for a time, in the whole fleet",
		Long: `An override holds in every instance of the fleet, and at the reporters, whatever
the policies say. It has a reason and an end: afterwards the policies decide
again by themselves. It outlives restarts and other policies.

set task switches off the tasks that an id, a job name or a pattern matches;
set rule switches off a rule, team/rule; set step sets the step of degradation,
P0 to P3. One on the same target takes the place of the one before. end ends one
before its time.

A task must be known to the instance that is asked; --unseen leaves that out.`,
		Example: `  sluice override
  sluice override set task t-184467 --for 1h --reason "it floods the store"
  sluice override set rule pay/drop-debug --for 30m --reason "looking for a bug"
  sluice override end 5f1c09ab12`,
		Args: func(_ *cobra.Command, args []string) error { return checkOverride(args) },
	}
	f := c.Flags()
	f.StringVar(&length, "for", "", "how long it holds, from 1s to 30d, such as 1h30m")
	f.StringVar(&reason, "reason", "", "why, in 3 to 500 characters")
	f.BoolVar(&unseen, "unseen", false, "the tasks need not be known to the instance")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, args []string) error {
		setting := len(args) > 0 && args[0] == "set"
		if setting && (length == "" || reason == "") {
			return environment(errors.New("set needs --for and --reason: how long it holds, and why"))
		}
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		var list []runtime.Override
		switch {
		case setting:
			o, err := at.SetOverride(c.Context(), args[1], args[2], length, reason, unseen)
			if err != nil {
				return err
			}
			list = []runtime.Override{o}
		case len(args) > 0 && args[0] == "end":
			list, err = at.EndOverride(c.Context(), args[1])
		default:
			list, err = at.Overrides(c.Context())
		}
		if err != nil {
			return err
		}
		return printOverrides(t.out, q, list)
	}
	return c
}

// checkOverride says what is wrong with the words.
func checkOverride(args []string) error {
	want := map[string]int{"list": 1, "set": 3, "end": 2}
	switch {
	case len(args) == 0 || want[args[0]] == len(args):
		return nil
	case want[args[0]] == 0:
		return environment(fmt.Errorf("%q is none of list, set, end", args[0]))
	case args[0] == "set":
		return environment(errors.New("write set task, set rule or set step, and on what"))
	}
	return environment(fmt.Errorf("%s takes %s", args[0], map[string]string{"list": "nothing", "end": "the id of one override"}[args[0]]))
}

func printOverrides(out io.Writer, q *questions, list []runtime.Override) error {
	if q.format == "json" {
		return printJSON(out, list)
	}
	return table(out, "ID\tKIND\tTARGET\tENDS IN\tBY\tREASON", "no override: the policies hold as they are", list, func(o *runtime.Override) []string {
		reason := o.Reason
		if o.Idle != "" {
			reason += " (without effect: " + o.Idle + ")"
		}
		return []string{o.ID, o.Kind, o.Target, sinceText(time.Until(o.Until).Round(time.Second)), cmp.Or(o.By, "-"), reason}
	})
}
