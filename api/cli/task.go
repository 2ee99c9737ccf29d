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

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

func newTask(t terminal) *cobra.Command {
	var length, reason, match, team string
	var unseen, off bool
	c := &cobra.Command{
		Use:   "task [list | show ID | off ID | on ID]",
		Short: "See the tasks of a running instance, switch them off and on",
		Long: `Without arguments, list the tasks that an instance knows: those that report to
its partitions, with what they report, and those that the policies or overrides
name. In a fleet, another instance knows others.

off switches a task off for a time, in the whole fleet and at its reporter; it
is an override, see sluice override. on ends that. A task is named by its
torrent_task_id or its job name.`,
		Example: `  sluice task --team pay
  sluice task show t-184467
  sluice task off t-184467 --for 1h --reason "it floods the store"
  sluice task on t-184467`,
		Args: func(_ *cobra.Command, args []string) error { return checkTask(args) },
	}
	f := c.Flags()
	f.StringVar(&match, "match", "", "list: pattern of ids or job names")
	f.StringVar(&team, "team", "", "list: whose they are")
	f.BoolVar(&off, "off", false, "list: only those that are switched off")
	f.StringVar(&length, "for", "", "off: how long, from 1s to 30d, such as 1h30m")
	f.StringVar(&reason, "reason", "", "off, on: why, in 3 to 500 characters")
	f.BoolVar(&unseen, "unseen", false, "off: the task need not be known to the instance")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, args []string) error {
		verb := "list"
		if len(args) > 0 {
			verb = args[0]
		}
		if verb == "off" && (length == "" || reason == "") {
			return environment(errors.New("off needs --for and --reason: how long, and why"))
		}
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		if verb == "list" {
			list, err := at.Tasks(c.Context(), taskQuery(match, team, off))
			if err != nil {
				return err
			}
			return printTasks(t.out, q, list)
		}
		task, err := changeTask(c, at, verb, args[1], length, reason, unseen)
		if err != nil {
			return err
		}
		return printTask(t.out, q, &task)
	}
	return c
}

// checkTask says what is wrong with the words.
func checkTask(args []string) error {
	want := map[string]int{"list": 1, "show": 2, "off": 2, "on": 2}
	switch {
	case len(args) == 0 || want[args[0]] == len(args):
		return nil
	case want[args[0]] == 0:
		return environment(fmt.Errorf("%q is none of list, show, off, on", args[0]))
	case args[0] == "list":
		return environment(errors.New("list takes nothing; --match chooses"))
	}
	return environment(fmt.Errorf("%s takes the id of one task", args[0]))
}

func taskQuery(match, team string, off bool) url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"match": match, "team": team} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if off {
		query.Set("off", "true")
	}
	return query
}

func changeTask(c *cobra.Command, at *client.Client, verb, id, length, reason string, unseen bool) (runtime.TaskInfo, error) {
	if verb == "show" {
		return at.Task(c.Context(), id)
	}
	return at.EnableTask(c.Context(), id, verb == "on", length, reason, unseen)
}

func printTasks(out io.Writer, q *questions, list []runtime.TaskInfo) error {
	if q.format == "json" {
		return printJSON(out, list)
	}
	return table(out, "TASK\tJOB\tTEAM\tSTATE\tSERIES\tSAMPLES/S\tSEEN", "no task that this instance knows, or none that fits", list, func(t *runtime.TaskInfo) []string {
		return []string{t.ID, cmp.Or(t.Job, "-"), cmp.Or(t.Team, "-"), taskState(t), fmt.Sprint(t.Series), fmt.Sprintf("%.1f", t.Samples), seenText(t)}
	}, 4, 5)
}

func taskState(t *runtime.TaskInfo) string {
	switch {
	case !t.Enabled:
		return "off"
	case t.Live:
		return "reports"
	}
	return "silent"
}

func seenText(t *runtime.TaskInfo) string {
	if t.Seen.IsZero() {
		return "-"
	}
	return sinceText(time.Since(t.Seen).Round(time.Second)) + " ago"
}

func printTask(out io.Writer, q *questions, t *runtime.TaskInfo) error {
	if q.format == "json" {
		return printJSON(out, t)
	}
	var tags []string
	for _, name := range slices.Sorted(maps.Keys(t.Tags)) {
		tags = append(tags, name+"="+t.Tags[name])
	}
	g := grid{}
	for _, row := range [][]string{
		{"task", t.ID}, {"job", t.Job}, {"tags", strings.Join(tags, ", ")}, {"state", taskState(t)}, {"off", t.Off},
		{"series", fmt.Sprint(t.Series)}, {"samples/s", fmt.Sprintf("%.1f", t.Samples)}, {"seen", seenText(t)},
	} {
		if row[1] != "" {
			g.rows = append(g.rows, row)
		}
	}
	_, err := io.WriteString(out, g.text(columnsOf(out)))
	return err
}
