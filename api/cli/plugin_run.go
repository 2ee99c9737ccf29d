package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/plugins/project"
	"github.com/sluice-metrics/sluice/plugins/verify"
	"github.com/sluice-metrics/sluice/runtime"
)

func newPluginRun(t terminal) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "run [FILE | DIR]",
		Short: "Pass samples through a plugin",
		Long: `Read samples from standard input, one JSON object a line, pass them through a
plugin, and print what comes out. FILE is a module; the project in DIR
(default: the working directory) is built first.

A line is a sample as fixtures have it, or a record as it lies on a topic,
which is taken apart: each of its points is a sample. Samples that fail are
named on standard error, by their number from 0, with the reason (exit code 2).`,
		Example: `  sluice plugin run mask.wasm --config config.json < samples.jsonl
  sluice plugin run --config config.json < records.jsonl`,
		Args: atMostOneArg,
	}
	c.Flags().StringVar(&config, "config", "", "file of the config, JSON (default: {})")
	c.RunE = func(c *cobra.Command, args []string) error {
		given, err := readConfig(config)
		if err != nil {
			return err
		}
		wasm, _, err := moduleOf(c.Context(), args)
		if err != nil {
			return err
		}
		in := &sampleReader{lines: project.NewLines(t.in)}
		failed := 0
		err = project.Run(c.Context(), wasm, given, in.next, func(o *project.Outcome) error {
			failed += len(o.Failed)
			for _, f := range o.Failed {
				fmt.Fprintf(t.err, "sample %d: %s: %s\n", f.Record, f.Code, printable(f.Reason))
			}
			enc := json.NewEncoder(t.out)
			enc.SetEscapeHTML(false)
			for i := range o.Out {
				if err := enc.Encode(&o.Out[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && failed > 0 {
			return rejected()
		}
		return configured(err, config)
	}
	return c
}

// readConfig reads the config of a plugin; "" is none.
func readConfig(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, environment(err)
	}
	if !json.Valid(text) {
		return nil, &exitError{exitRejected, fmt.Errorf("%s is no JSON", name)}
	}
	return text, nil
}

// sampleReader reads samples, and records as the samples that they have.
type sampleReader struct {
	lines *project.Lines
	ready []project.Sample
}

func (r *sampleReader) next() (project.Sample, bool, error) {
	for len(r.ready) == 0 {
		line, err := r.lines.Next()
		if errors.Is(err, io.EOF) {
			return project.Sample{}, false, nil
		}
		if err == nil {
			r.ready, err = samplesOf(line)
			err = r.lines.Wrong(err)
		}
		if err != nil {
			return project.Sample{}, false, err
		}
	}
	s := r.ready[0]
	r.ready = r.ready[1:]
	return s, true, nil
}

// samplesOf reads one line.
func samplesOf(line []byte) ([]project.Sample, error) {
	if !bytes.Contains(line, []byte(`"torrent_task_id"`)) || !bytes.Contains(line, []byte(`"report_timestamp"`)) {
		s, err := project.ParseSample(line)
		return []project.Sample{s}, err
	}
	list, err := runtime.SamplesOfRecord(line)
	out := make([]project.Sample, len(list))
	for i, x := range list {
		out[i] = project.Sample{Name: x.Name, Labels: x.Labels, Time: x.Time, Value: project.Number(x.Value), Text: x.Text, Kind: x.Kind.String()}
		if x.IsText {
			out[i].Kind = "text"
		}
	}
	return out, err
}

// aboutBench is the help of bench.
const aboutBench = `Pass batches of 1,000 records through a plugin and print what a record costs:
time, with validation, and fuel, which is what its instructions weigh: the same
on every machine and in every run. Fuel compares versions of a plugin, not
languages. FILE is a module; the project in DIR (default: the working directory)
is built first.

The samples are those of --input, or of the first fixture of the project.
--against measures an older module too; more than 10 % more fuel a record is an
error (exit code 2), so that a check in CI does not depend on how busy it is.
So is memory of an instance that still grows after 240 batches: a plugin that
keeps something of every batch is given up for a new instance over and over.`

func newPluginBench(t terminal) *cobra.Command {
	var against, input, config, format string
	var length time.Duration
	c := &cobra.Command{
		Use:   "bench [FILE | DIR]",
		Short: "Measure what a record costs in a plugin",
		Long:  aboutBench,
		Example: `  sluice plugin bench
  sluice plugin bench --against mask-1.0.0.wasm
  sluice plugin bench mask.wasm --input samples.jsonl --config config.json`,
		Args: atMostOneArg,
	}
	f := c.Flags()
	f.StringVar(&against, "against", "", "module to compare with")
	f.StringVar(&input, "input", "", "file of samples, or records, one JSON object a line")
	f.StringVar(&config, "config", "", "file of the config, JSON (default: the fixture's, or {})")
	durationFlag(f, &length, "for", time.Second, "how long to measure each module")
	formatFlag(f, &format)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkFormat(format); err != nil {
			return err
		}
		if length < 0 || length > time.Hour {
			return environment(fmt.Errorf("--for is %s; want a duration from 0s to 1h", length))
		}
		load, err := benchLoad(args, input, config)
		if err != nil {
			return err
		}
		load.For = length
		wasm, _, err := moduleOf(c.Context(), args)
		if err != nil {
			return err
		}
		var x measured
		if x.Cost, err = project.Bench(c.Context(), wasm, load); err != nil {
			return configured(err, config)
		}
		x.Growth = x.Cost.Growth()
		if against != "" {
			old, err := readModule(against)
			if err != nil {
				return err
			}
			if x.Against, err = project.Bench(c.Context(), old, load); err != nil {
				return pluginError(fmt.Errorf("%s: %w", against, err))
			}
			x.Regression = x.Cost.Regression(x.Against)
		}
		return x.print(t.out, format)
	}
	return c
}

// measured is what bench tells.
type measured struct {
	*project.Cost
	Against    *project.Cost `json:"against,omitempty"`
	Regression string        `json:"regression,omitempty"`
	Growth     string        `json:"growth,omitempty"`
}

func (x *measured) print(out io.Writer, format string) error {
	var err error
	if format == "json" {
		err = printJSON(out, x)
	} else {
		err = x.write(out)
	}
	if wrong := strings.Join(slices.DeleteFunc([]string{x.Growth, x.Regression}, func(s string) bool { return s == "" }), "; "); err == nil && wrong != "" {
		return &exitError{exitRejected, errors.New(wrong)}
	}
	return err
}

func (x *measured) write(out io.Writer) error {
	costs := []*project.Cost{x.Cost}
	head := "\tNOW"
	if x.Against != nil {
		costs, head = append(costs, x.Against), head+"\tBEFORE"
	}
	rows := []struct {
		name string
		text func(*project.Cost) string
	}{
		{"fuel per record", func(c *project.Cost) string { return fmt.Sprintf("%.1f", c.Fuel) }},
		{"ns per record, median", func(c *project.Cost) string { return fmt.Sprintf("%.0f", c.Median) }},
		{"ns per record, p99", func(c *project.Cost) string { return fmt.Sprintf("%.0f", c.P99) }},
		{"memory at first", func(c *project.Cost) string { return bytesText(uint64(c.Memory[0])) }},
		{"memory after 240 batches", func(c *project.Cost) string { return bytesText(uint64(c.Memory[len(c.Memory)-1])) }},
		{"instances given up", func(c *project.Cost) string { return fmt.Sprint(c.Replaced) }},
		{"host allocations per batch", func(c *project.Cost) string { return fmt.Sprintf("%.1f", c.Allocs) }},
		{"compiled in", func(c *project.Cost) string { return fmt.Sprintf("%.3f s", c.Ready) }},
		{"batches of 1,000", func(c *project.Cost) string { return fmt.Sprint(c.Batches) }},
	}
	return table(out, head, "", rows, func(row *struct {
		name string
		text func(*project.Cost) string
	}) []string {
		cells := []string{row.name}
		for _, c := range costs {
			cells = append(cells, row.text(c))
		}
		return cells
	})
}

// benchLoad is what there is to measure with: files, or a fixture of the project.
func benchLoad(args []string, input, config string) (load project.Load, err error) {
	if input == "" {
		if isModule(args) {
			return load, environment(fmt.Errorf("%s is a module, which has no samples to measure with: give some with --input", args[0]))
		}
		p, err := projectIn(args)
		if err != nil {
			return load, err
		}
		if load, err = p.BenchLoad(); err != nil {
			return load, pluginError(err)
		}
	} else if load.In, err = readSamples(input); err != nil {
		return load, pluginError(err)
	}
	given, err := readConfig(config)
	if given != nil {
		load.Config = given
	}
	return load, err
}

func readSamples(name string) (out []project.Sample, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := &sampleReader{lines: project.NewLines(f)}
	for len(out) < 1000 {
		s, more, err := in.next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !more {
			break
		}
		out = append(out, s)
	}
	return out, nil
}

func newPluginVerify(t terminal) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "verify [FILE | DIR]",
		Short: "Show that the sandbox holds, or that a plugin keeps the rules",
		Long: `Without an argument, try the sandbox of this program with modules that do what
a plugin must not: loops without end, bombs, wrong pointers, too much of
everything, crashes. Each is stopped with its code, and the next batch is right
again.

With FILE, a module, or DIR, a project, which is built first, pass batches
through a plugin that are legal and unusual: empty ones, infinities, the longest
texts. What it makes of them must not depend on the engine, on the size of a
batch, or on what came before. Exit code 2: something is wrong.`,
		Example: `  sluice plugin verify
  sluice plugin verify mask.wasm --config config.json`,
		Args: atMostOneArg,
	}
	c.Flags().StringVar(&config, "config", "", "file of the config of the plugin, JSON (default: {})")
	c.RunE = func(c *cobra.Command, args []string) error {
		given, err := readConfig(config)
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return printFindings(t.out, verify.Sandbox(c.Context()))
		}
		wasm, _, err := moduleOf(c.Context(), args)
		if err != nil {
			return err
		}
		found, err := verify.Plugin(c.Context(), wasm, given)
		if err != nil {
			return configured(err, config)
		}
		return printFindings(t.out, found)
	}
	return c
}

func printFindings(out io.Writer, found []verify.Finding) error {
	wrong := 0
	for _, f := range found {
		if f.Err != nil {
			wrong++
			fmt.Fprintf(out, "FAIL  %s: %s\n      %s\n", f.Name, f.About, printable(f.Err.Error()))
			continue
		}
		fmt.Fprintf(out, "ok    %s: %s\n", f.Name, f.About)
	}
	if _, err := fmt.Fprintf(out, "%d checks, %d failed\n", len(found), wrong); err != nil {
		return err
	}
	if wrong > 0 {
		return rejected()
	}
	return nil
}
