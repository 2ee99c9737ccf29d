package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

// testRun is what the flags of test say.
type testRun struct {
	dir, run, format string
	set              loadingFlags

	update, write    bool
	coverage         bool
	minCoverage      float64
	fromTraffic, out string
	count            int
}

func newTest(t terminal) *cobra.Command {
	var x testRun
	c := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run the tests of a policy set",
		Long: `Run the tests that stand beside the rules of the policy set in DIR (default: the
working directory). A test gives samples and says which series come out of them,
with which value and to which sinks, which do not and by which rule, or what
becomes of each sample:

  policy: test: "debug-is-dropped": {
      given: [{task: "t-1", metric: "x_debug"}, {task: "t-1", metric: "up"}]
      expect: {
          kept: [{task: "t-1", metric: "up", value: 1}]
          dropped: [{metric: "x_debug", by: "no-debug"}]
      }
  }

The program is the one that an instance runs, and time is what the samples say:
"at" moves it on. A test that fails shows the explanation of its series.

--update shows, as a diff, what the expectations of failing tests would have to
be; with --write it puts that into the files. --coverage lists the rules that no
test exercises. --from-traffic writes tests of recorded series, spread over
rules and tasks, to start from.

Exit code 2: a test fails, the set is refused, or --min-coverage is not met.`,
		Example: `  sluice test
  sluice test policies/ --run 'order/.*latency' --env prod
  sluice test --coverage --min-coverage 80
  sluice test --update --write
  sluice test --from-traffic records.jsonl --count 20 --out traffic_test.cue
  sluice test --format junit > report.xml`,
		Args: atMostOneArg,
	}
	f := c.Flags()
	f.StringVar(&x.run, "run", "", "run the tests whose team/name this regular expression finds")
	x.set.add(f)
	formatFlag(f, &x.format, "pretty", "json", "junit")
	f.BoolVar(&x.update, "update", false, "show what the expectations of failing tests would have to be")
	f.BoolVar(&x.write, "write", false, "with --update: write it into the files")
	f.BoolVar(&x.coverage, "coverage", false, "list the rules that no test exercises")
	f.Float64Var(&x.minCoverage, "min-coverage", 0, "percentage of the rules that tests must exercise")
	f.StringVar(&x.fromTraffic, "from-traffic", "", "write tests of the records in this file, one JSON object a line")
	f.IntVar(&x.count, "count", 10, "with --from-traffic: how many")
	f.StringVar(&x.out, "out", "", "with --from-traffic: file to write, which must not exist (default standard output)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if x.dir = "."; len(args) == 1 {
			x.dir = args[0]
		}
		if err := x.sensible(f.Changed("count")); err != nil {
			return environment(err)
		}
		if x.fromTraffic != "" {
			return x.generate(c.Context(), t)
		}
		return x.runTests(c.Context(), t)
	}
	return c
}

// sensible refuses flags that have no meaning together; counts: --count was given.
func (x *testRun) sensible(counts bool) error {
	switch {
	case x.format != "pretty" && x.format != "json" && x.format != "junit":
		return fmt.Errorf("--format is %q; want pretty, json or junit", x.format)
	case x.write && !x.update:
		return errors.New("--write does nothing without --update")
	case x.update && x.format != "pretty":
		return errors.New("--update writes a diff: leave out --format")
	case x.minCoverage < 0 || x.minCoverage > 100:
		return fmt.Errorf("--min-coverage is %v; want a percentage from 0 to 100", x.minCoverage)
	case x.out != "" && x.fromTraffic == "":
		return errors.New("--out does nothing without --from-traffic")
	case counts && x.fromTraffic == "":
		return errors.New("--count does nothing without --from-traffic")
	}
	return nil
}

func (x *testRun) runTests(ctx context.Context, t terminal) error {
	result, report, err := runtime.Test(ctx, x.dir, x.set.loading(), x.run)
	if err != nil {
		return err
	}
	if result.Tests == nil {
		if err := renderReport(t.err, report); err != nil {
			return err
		}
		return rejected()
	}
	switch x.format {
	case "json":
		err = printJSON(t.out, result)
	case "junit":
		err = writeJUnit(t.out, &result)
	default:
		_, err = io.WriteString(t.out, testText(&result, x.coverage || x.minCoverage > 0, columnsOf(t.out)))
	}
	if err != nil {
		return err
	}
	if x.update && result.Failed > 0 {
		return x.rewrite(&result, t)
	}
	if result.Failed > 0 {
		return rejected()
	}
	if result.Coverage.Percent < x.minCoverage {
		return &exitError{exitRejected, fmt.Errorf("tests exercise %.1f %% of the rules, and --min-coverage is %v", result.Coverage.Percent, x.minCoverage)}
	}
	return nil
}

// rewrite shows what expectations would have to be, or writes it.
func (x *testRun) rewrite(result *runtime.TestReport, t terminal) error {
	patches, found, err := result.Update()
	if err != nil {
		return err
	}
	for i := range patches {
		p := &patches[i]
		if !x.write {
			if _, err := io.WriteString(t.out, "\n"+p.Diff); err != nil {
				return err
			}
			continue
		}
		if err := p.Write(); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(t.out, "rewritten: %s\n", p.File); err != nil {
			return err
		}
	}
	if err := renderFindings(t.err, found, os.ReadFile); err != nil {
		return err
	}
	if x.write && len(found) == 0 && len(patches) > 0 {
		return nil
	}
	return rejected()
}

// generate writes tests of recorded series.
func (x *testRun) generate(ctx context.Context, t terminal) error {
	in, err := os.Open(x.fromTraffic)
	if err != nil {
		return environment(err)
	}
	defer in.Close()
	text, report, err := runtime.TestsFromTraffic(ctx, x.dir, x.set.loading(), in, x.count)
	if err != nil {
		return err
	}
	if text == nil {
		if err := renderReport(t.err, report); err != nil {
			return err
		}
		return rejected()
	}
	if x.out == "" {
		_, err := t.out.Write(text)
		return err
	}
	f, err := os.OpenFile(x.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return environment(err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
