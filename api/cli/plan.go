package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

// exitChanges is what plan --detailed-exitcode answers when there are changes.
const exitChanges = 4

// planFlags are those of the command.
type planFlags struct {
	asking *asking
	set    loadingFlags

	base, traffic, format, out string
	maxDropped, maxNewSeries   string
	detailed                   bool
}

func newPlan(t terminal) *cobra.Command {
	var f planFlags
	c := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "Show what a change of policies does to real traffic",
		Long: `Compare the policy set in DIR (default: the working directory) with the base,
over traffic: which rules change, which series get another verdict, other labels
or another way, and what that does to series, samples and bytes of each team and
task. Both sets are run by the program that an instance runs.

  --base deployed        the set in force at the instance (--url)
  --base DIR             a directory
  --base git:REV[:PATH]  a revision of the repository around DIR, and the path
                         of the set from its root; without it that of DIR.
                         Needs git

  --traffic live         the last ten minutes of the instance
  --traffic FILE         what "sluice record" wrote, or records, one JSON object
                         a line; gzip and zstd are read; - is standard input

Bytes are an estimate: those of the input, by the length of name and labels.
What passes a thin, sample or limit rule is worked out from rates, not counted.
A series counts as new when no series of the base has its name and labels: one
that loses a label is a new one for every store.

The plan has a digest over both revisions, the traffic and the results.

Exit code 0: compared, whatever changes. 2: a gate fails, or a set or the
traffic is refused. 3: an instance, a file or a revision is not there. With
--detailed-exitcode, 4: compared, and something changes.`,
		Example: `  sluice plan policies/ --traffic traffic.jsonl.gz --base git:origin/main
  sluice plan --env prod --url http://sluice-1:7070
  sluice plan --max-dropped 5% --max-new-series 10% --format markdown > c.md
  sluice plan --out plan.json --format json | jq .impact.moves`,
		Args: atMostOneArg,
	}
	flags := c.Flags()
	flags.StringVar(&f.base, "base", "deployed", "what to compare with: deployed, DIR or git:REV[:PATH]")
	flags.StringVar(&f.traffic, "traffic", "live", "what to compare over: live, FILE or -")
	f.asking = instanceFlags(flags)
	f.set.add(flags)
	formatFlag(flags, &f.format, "pretty", "json", "markdown")
	flags.StringVar(&f.maxDropped, "max-dropped", "", "gate: share of the samples going on in the base that may be lost, such as 5%")
	flags.StringVar(&f.maxNewSeries, "max-new-series", "", "gate: share by which series may be new, of those going on in the base, such as 10%")
	flags.StringVar(&f.out, "out", "", "file for the plan as JSON, too")
	flags.BoolVar(&f.detailed, "detailed-exitcode", false, "exit code 4 when something changes")
	c.RunE = func(c *cobra.Command, args []string) error {
		dir := "."
		if len(args) == 1 {
			dir = args[0]
		}
		return plan(c.Context(), dir, f, t)
	}
	return c
}

// planFormats are the forms of a plan.
var planFormats = map[string]func(io.Writer, *runtime.Plan) error{
	"pretty": writePlanText, "json": writePlanJSON, "markdown": writePlanMarkdown,
}

func plan(ctx context.Context, dir string, f planFlags, t terminal) error {
	write, ok := planFormats[f.format]
	if !ok {
		return environment(fmt.Errorf("--format is %q; want pretty, json or markdown", f.format))
	}
	opts := runtime.PlanOptions{Loading: f.set.loading()}
	var err error
	if opts.MaxDropped, err = share("max-dropped", f.maxDropped); err != nil {
		return err
	}
	if opts.MaxNewSeries, err = share("max-new-series", f.maxNewSeries); err != nil {
		return err
	}
	if opts.New, err = runtime.DirSource(dir); err != nil {
		return err
	}
	at, err := f.asking.client()
	if err != nil {
		return err
	}
	defer at.Close()
	opts.Loading.Modules = func(digest string) ([]byte, error) { return at.PluginModule(ctx, digest) }
	if opts.Base, err = baseSource(ctx, dir, f.base, at); err != nil {
		return err
	}
	in, name, err := openTraffic(ctx, f.traffic, at, t)
	if err != nil {
		return err
	}
	defer in.Close()
	opts.Traffic, opts.TrafficName = in, name
	if f.traffic == "live" {
		fleet, err := at.Fleet(ctx)
		if err != nil {
			return err
		}
		opts.Notes = fleetNotes(&fleet)
	}
	p, err := runtime.NewPlan(ctx, opts)
	if err != nil {
		return err
	}
	return tellPlan(t, p, f, write)
}

// tellPlan writes the plan and says by the exit code what it comes to.
func tellPlan(t terminal, p *runtime.Plan, f planFlags, write func(io.Writer, *runtime.Plan) error) error {
	if p.Refused() {
		for _, s := range []*runtime.PlannedSet{&p.Base, &p.New} {
			if report := s.Report(); report.Refused() {
				if err := renderReport(t.err, report); err != nil {
					return err
				}
				return &exitError{exitRejected, fmt.Errorf("there is no plan: the set %s is refused", s.Name)}
			}
		}
	}
	if f.out != "" {
		if err := writeFile(f.out, func(w io.Writer) error { return writePlanJSON(w, p) }); err != nil {
			return err
		}
	}
	if err := write(t.out, p); err != nil {
		return err
	}
	switch {
	case !p.Passed():
		return rejected()
	case f.detailed && p.Changes():
		return &exitError{code: exitChanges}
	}
	return nil
}

func writePlanJSON(w io.Writer, p *runtime.Plan) error {
	return printJSON(w, p)
}

// share reads 5% or 0.05; nil for nothing. A bare number above 1 is refused: the 5
// that was to be 5 % would be a gate that lets everything through.
func share(flag, text string) (*float64, error) {
	if text == "" {
		return nil, nil
	}
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	most := 1.0
	if percent {
		v /= 100
		most = 1000
	}
	if err != nil || !(v >= 0 && v <= most) {
		return nil, environment(fmt.Errorf("--%s is %q; want a share such as 5%% or 0.05, and more than all of it as 150%%", flag, text))
	}
	return &v, nil
}

// baseSource finds the set to compare with.
func baseSource(ctx context.Context, dir, base string, at *client.Client) (runtime.PolicySource, error) {
	if spec, ok := strings.CutPrefix(base, "git:"); ok {
		return runtime.GitSource(ctx, dir, spec)
	}
	if base != "deployed" {
		if _, err := os.Stat(base); errors.Is(err, fs.ErrNotExist) {
			return runtime.PolicySource{}, environment(fmt.Errorf("--base is %q, and there is no such directory; want deployed, DIR or git:REV[:PATH]", base))
		}
		return runtime.DirSource(base)
	}
	text, err := at.Bundle(ctx)
	if err != nil {
		return runtime.PolicySource{}, err
	}
	return runtime.PolicySource{Name: "deployed at " + at.URL(), Prefix: "deployed", Bundle: text}, nil
}

// fleetNotes says that the traffic of an instance is not that of its fleet.
func fleetNotes(fleet *runtime.FleetStatus) []string {
	others := 0
	for i := range fleet.Instances {
		x := &fleet.Instances[i]
		if reads := len(x.Roles) == 0 || slices.Contains(x.Roles, "hop1"); reads && !x.This && x.State != runtime.StateStale {
			others++
		}
	}
	if others == 0 {
		return nil
	}
	return []string{fmt.Sprintf("this traffic is that of one instance; what %s of the fleet read is not in it: "+
		"sluice record with --url for each, and --traffic FILE here, has all of it", counted(others, "other"))}
}

// openTraffic finds what to compare over.
func openTraffic(ctx context.Context, from string, at *client.Client, t terminal) (in io.ReadCloser, name string, err error) {
	switch from {
	case "live":
		in, err = at.Traffic(ctx, runtime.TrafficSince)
		return in, "live at " + at.URL(), err
	case "-":
		return io.NopCloser(t.in), "standard input", nil
	}
	f, err := os.Open(from)
	if err != nil {
		return nil, "", environment(err)
	}
	return f, from, nil
}
