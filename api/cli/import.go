package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newImport(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Make policies of other programs' rules",
	}
	return parent(c, newImportRelabel(t))
}

func newImportRelabel(t terminal) *cobra.Command {
	var team, list string
	c := &cobra.Command{
		Use:   "relabel FILE",
		Short: "Make a policy of Prometheus' relabelling rules",
		Long: `Read relabelling rules of Prometheus (metric_relabel_configs,
write_relabel_configs, relabel_configs, or a file that is one list) and print a
policy that does the same. FILE may be - for standard input.

Each step has a comment: what became of it, where the rule differs, or why it
has none. What cannot be expressed is never guessed. The reason is mostly this:
in Prometheus a step sees what the steps before it have done, while here
selectors see a series as it was reported. hashmod, lowercase, keepequal and
labels that are named by values have no counterpart.

Review the result before you use it: names of Flink's metrics here begin with
flink_ and have Flink's scope in them.`,
		Example: `  sluice import relabel prometheus.yml --team orders > teams/orders/imported.cue
  sluice import relabel prometheus.yml \
    --list 'scrape_configs[flink].metric_relabel_configs'`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return environment(fmt.Errorf("%s needs a file", c.CommandPath()))
			}
			return atMostOneArg(c, args)
		},
	}
	c.Flags().StringVar(&team, "team", "orders", "team whose policy it becomes")
	c.Flags().StringVar(&list, "list", "", "which list of the file, when it has several")
	c.RunE = func(_ *cobra.Command, args []string) error {
		name, text, err := t.file(args[0])
		if err != nil {
			return environment(err)
		}
		got, err := runtime.ImportRelabel(name, text, list, team)
		if err != nil {
			return err
		}
		if _, err := t.out.Write(got.Text); err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.err, "%s: %d do the same, %d with a difference, %d left out; comments say how and why\n",
			counted(got.Steps, "step"), got.Exact, got.Differ, got.LeftOut)
		return err
	}
	return c
}

// file reads a file, or standard input for "-", and says what to call it.
func (t terminal) file(given string) (name string, text []byte, err error) {
	if given == "-" {
		text, err = io.ReadAll(t.in)
		return "standard input", text, err
	}
	text, err = os.ReadFile(given)
	return filepath.ToSlash(given), text, err
}
