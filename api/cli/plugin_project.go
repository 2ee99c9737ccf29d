package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/plugins/project"
)

func newPluginNew(t terminal) *cobra.Command {
	var language, dir string
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Start a plugin that works at once",
		Long: `Write the project of a plugin into a directory of its name: the source of a
small transform, its manifest, fixtures, and a copy of what plugins in its
language are written with, so that it builds without a network. It passes
"sluice plugin test" as it is. Nothing is ever overwritten.`,
		Example: `  sluice plugin new mask --lang go
  cd mask && sluice plugin test`,
		Args: oneName,
	}
	c.Flags().StringVar(&language, "lang", "go", "language: "+languages())
	c.Flags().StringVar(&dir, "dir", "", "directory to write into (default: the name)")
	c.RunE = func(_ *cobra.Command, args []string) error {
		if dir == "" {
			dir = args[0]
		}
		names, err := project.New(dir, args[0], project.Language(language))
		if err != nil {
			return pluginError(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, project.Copy+"/") {
				continue
			}
			if _, err := fmt.Fprintln(t.out, name); err != nil {
				return err
			}
		}
		next := []string{"cd " + dir, project.Setup(project.Language(language)), "sluice plugin test"}
		next = slices.DeleteFunc(next, func(command string) bool { return command == "" })
		_, err = fmt.Fprintf(t.out, "%s/\n\nNext: read README.md, then\n  %s\n", project.Copy, strings.Join(next, " && "))
		return err
	}
	return c
}

func languages() string {
	var out []string
	for _, l := range project.Languages() {
		out = append(out, string(l))
	}
	return strings.Join(out, ", ")
}

// projectIn opens the project that a command is about.
func projectIn(args []string) (*project.Project, error) {
	dir := "."
	if len(args) == 1 {
		dir = args[0]
	}
	p, err := project.Open(dir)
	return p, pluginError(err)
}

func newPluginBuild(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "build [DIR]",
		Short: "Build a plugin",
		Long: `Compile the project in DIR (default: the working directory) with the compiler
of its language, leave out what is for debuggers, put plugin.json in as the
manifest, and write NAME.wasm. What it is, and whether it is let in, is
printed.

A compiler that is not there is named, with how one gets it (exit code 3). Exit
code 2: it does not compile, or is not let in.`,
		Example: `  sluice plugin build
  sluice plugin build plugins/mask`,
		Args: atMostOneArg,
		RunE: func(c *cobra.Command, args []string) error {
			p, err := projectIn(args)
			if err != nil {
				return err
			}
			built, err := build(c.Context(), p)
			if err != nil {
				return err
			}
			return printBuilt(t.out, built)
		},
	}
}

// build builds a project whose module is let in.
func build(ctx context.Context, p *project.Project) (*project.Built, error) {
	built, err := p.Build(ctx)
	if err != nil {
		return nil, pluginError(err)
	}
	if built.Gate != nil {
		return nil, &exitError{exitRejected, fmt.Errorf("%s is written, but is not let in: %w", built.File, built.Gate)}
	}
	return built, nil
}

func printBuilt(out io.Writer, b *project.Built) error {
	var imports []string
	wasi := 0
	for _, s := range b.Info.Imports {
		if strings.HasPrefix(s.Name, "wasi_") {
			wasi++
		} else {
			imports = append(imports, s.Name)
		}
	}
	if wasi > 0 {
		imports = append(imports, fmt.Sprintf("and %d of WASI", wasi))
	}
	_, err := fmt.Fprintf(out, "built     %s\nsize      %s\nimports   %s\ngate      passed\ndigest    %s\nplugin    %s@%s\n",
		b.File, bytesText(uint64(b.Info.Size)), listed(imports, "nothing"), b.Info.Digest, b.Info.Manifest.Name, b.Info.Digest)
	return err
}

// isModule tells whether a command is about a module, by its name.
func isModule(args []string) bool { return len(args) == 1 && filepath.Ext(args[0]) == ".wasm" }

// moduleOf returns the module that a command is about: a file, or a project's, which
// is built.
func moduleOf(ctx context.Context, args []string) (wasm []byte, name string, err error) {
	if isModule(args) {
		wasm, err = readModule(args[0])
		return wasm, args[0], err
	}
	p, err := projectIn(args)
	if err != nil {
		return nil, "", err
	}
	built, err := build(ctx, p)
	if err != nil {
		return nil, "", err
	}
	return built.Wasm, built.File, nil
}

// aboutFixtures is the help of test.
const aboutFixtures = `Build the project in DIR (default: the working directory) and run its fixtures,
testdata/*.txtar. Each has a config, samples that go in, and what is expected:

  -- config.json --
  {"from": "task_name", "to": "task"}
  -- in.jsonl --
  {"name": "latency", "labels": {"task_name": "orders"}, "value": 1}
  -- out.jsonl --
  {"name": "latency", "labels": {"task": "orders"}, "value": 1}

A sample has name, labels, time (Unix ms), value, and kind: gauge, counter,
meter, histogram, or text, which has text in place of value. Samples that fail
stand in failed.jsonl, {"record": 0, "code": "record-failed", "reason": "why"};
where a config is refused, or all fails, the file error says the step and the
code, such as init: bad-config.

A fixture passes when it gives the same on both engines, with and without
metering, in batches of 1, 7 and 1000, and a second time: a plugin must not
depend on the batch, on what came before, or on chance.

Exit code 2: a fixture fails, or the plugin does not compile or is not let in.`

func newPluginTest(t terminal) *cobra.Command {
	var run, wasm, format string
	var update bool
	c := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run the fixtures of a plugin",
		Long:  aboutFixtures,
		Example: `  sluice plugin test
  sluice plugin test --run 'rename'
  sluice plugin test --update`,
		Args: atMostOneArg,
	}
	f := c.Flags()
	f.StringVar(&run, "run", "", "run the fixtures whose name this regular expression finds")
	f.StringVar(&wasm, "wasm", "", "module to test, in place of building one")
	f.BoolVar(&update, "update", false, "write what comes out into fixtures that expect something else")
	formatFlag(f, &format)
	c.RunE = func(c *cobra.Command, args []string) error {
		o := project.TestOptions{Update: update}
		if run != "" {
			pattern, err := regexp.Compile(run)
			if err != nil {
				return environment(fmt.Errorf("--run: %w", err))
			}
			o.Only = pattern.MatchString
		}
		if err := checkFormat(format); err != nil {
			return err
		}
		p, err := projectIn(args)
		if err != nil {
			return err
		}
		module, err := moduleToTest(c.Context(), p, wasm)
		if err != nil {
			return err
		}
		report, err := p.Test(c.Context(), module, o)
		if err != nil {
			return pluginError(err)
		}
		if run != "" && len(report.Fixtures) == 0 {
			return environment(fmt.Errorf("--run: %q finds no fixture", run))
		}
		return printTested(t.out, report, format)
	}
	return c
}

func moduleToTest(ctx context.Context, p *project.Project, file string) ([]byte, error) {
	if file != "" {
		return readModule(file)
	}
	built, err := build(ctx, p)
	if err != nil {
		return nil, err
	}
	return built.Wasm, nil
}

func printTested(out io.Writer, r *project.TestReport, format string) error {
	var err error
	if format == "json" {
		err = printJSON(out, r)
	} else {
		_, err = io.WriteString(out, testedText(r))
	}
	if err == nil && r.Failed > 0 {
		return rejected()
	}
	return err
}

func testedText(r *project.TestReport) string {
	var b strings.Builder
	for _, f := range r.Fixtures {
		switch {
		case f.Difference != "":
			fmt.Fprintf(&b, "FAIL  %s (%s)\n  %s\n", f.Name, f.Way, strings.ReplaceAll(f.Difference, "\n", "\n  "))
		case f.Updated:
			fmt.Fprintf(&b, "ok    %s, rewritten\n", f.Name)
		default:
			fmt.Fprintf(&b, "ok    %s\n", f.Name)
		}
	}
	fmt.Fprintf(&b, "%s, %d failed; %s\n", counted(len(r.Fixtures), "fixture"), r.Failed, counted(r.Runs, "run"))
	return b.String()
}
