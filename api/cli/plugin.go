package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/project"
	"github.com/sluice-metrics/sluice/runtime"
)

func newPlugin(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin",
		Short: "Write, test, measure and push transforms in WebAssembly",
		Long: `A plugin is a WebAssembly module that changes series or samples: a policy names
it in a transform, with its config, and Sluice runs it in a sandbox. It has no
files, no network, no clock and no chance: the same input gives the same
output. What it may see and change, its manifest says, plugin.json, and the
sandbox enforces it.

  sluice plugin new mask --lang go     a project that works at once
  cd mask && sluice plugin test        build it and run its fixtures
  sluice plugin push                   give it to a fleet, for policies to name`,
	}
	return parent(c, newPluginNew(t), newPluginBuild(t), newPluginTest(t), newPluginBench(t), newPluginRun(t), newPluginVerify(t),
		newPluginInspect(t), newPluginPush(t), newPluginList(t), newPluginDelete(t))
}

// pluginError gives an error its exit code: what is wrong with a plugin or what it
// was given is not what is wrong around it.
func pluginError(err error) error {
	var missing *project.ToolError
	var path *fs.PathError
	var fault *plugins.Error
	var build *project.BuildError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing), errors.As(err, &path), errors.Is(err, project.ErrNone):
		return environment(err)
	case errors.Is(err, project.ErrInput), errors.As(err, &fault), errors.As(err, &build):
		return &exitError{exitRejected, err}
	}
	return err
}

// configured says of a plugin that refused a config which nobody has given it how to
// give it one.
func configured(err error, config string) error {
	if fault := (*plugins.Error)(nil); config == "" && errors.As(err, &fault) && fault.Step == plugins.StepInit && fault.Code == abi.BadConfig {
		err = fmt.Errorf("%w; give it a config with --config FILE", err)
	}
	return pluginError(err)
}

// readModule reads a file that may be a plugin.
func readModule(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, environment(err)
	}
	defer f.Close()
	wasm, err := io.ReadAll(io.LimitReader(f, runtime.MaxPlugin+1))
	switch {
	case err != nil:
		return nil, environment(err)
	case len(wasm) > runtime.MaxPlugin:
		return nil, &exitError{exitRejected, fmt.Errorf("%s has more than %d bytes, and a plugin has %d at most", name, runtime.MaxPlugin, runtime.MaxPlugin)}
	}
	return wasm, nil
}

// inspected is what inspect tells of a module.
type inspected struct {
	File     string                 `json:"file"`
	Digest   string                 `json:"digest"`
	Size     int                    `json:"size"` // bytes
	Manifest abi.Manifest           `json:"manifest"`
	Pages    int                    `json:"pages"` // of 64 KiB of memory, that it starts with
	Imports  []string               `json:"imports"`
	Exports  []string               `json:"exports"`
	Figures  []runtime.PluginFigure `json:"figures"`
	Refused  string                 `json:"refused,omitempty"` // why it is not let in
}

func newPluginInspect(t terminal) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a plugin is, without running it",
		Long: `Read a module without running or compiling it: its manifest, what it may see
and change, what it imports and exports, its sizes beside the most that they
may be, and its digest, by which policies name it. Exit code 2: it would not be
let in.`,
		Example: `  sluice plugin inspect mask.wasm
  sluice plugin inspect mask.wasm --format json`,
		Args: oneFile,
	}
	formatFlag(c.Flags(), &format)
	c.RunE = func(_ *cobra.Command, args []string) error {
		if err := checkFormat(format); err != nil {
			return err
		}
		wasm, err := readModule(args[0])
		if err != nil {
			return err
		}
		info, refused := plugins.Inspect(wasm)
		x := inspectedOf(args[0], &info, refused)
		if format == "json" {
			err = printJSON(t.out, x)
		} else {
			err = x.write(t.out)
		}
		if err == nil && refused != nil {
			return &exitError{exitRejected, fmt.Errorf("%s is not let in: %w", args[0], refused)}
		}
		return err
	}
	return c
}

func inspectedOf(name string, info *plugins.Info, refused error) *inspected {
	x := &inspected{
		File: name, Digest: info.Digest, Size: info.Size, Manifest: info.Manifest, Pages: info.Pages,
		Imports: []string{}, Exports: []string{}, Figures: []runtime.PluginFigure{},
	}
	for _, s := range info.Imports {
		x.Imports = append(x.Imports, strings.TrimSpace(s.Name+" "+cmp.Or(s.Type, s.Kind)))
	}
	for _, s := range info.Exports {
		x.Exports = append(x.Exports, strings.TrimSpace(s.Name+" "+cmp.Or(s.Type, s.Kind)))
	}
	for _, f := range info.Figures {
		x.Figures = append(x.Figures, runtime.PluginFigure(f))
	}
	if refused != nil {
		x.Refused = refused.Error()
	}
	return x
}

// write draws it for people.
func (x *inspected) write(out io.Writer) error {
	var g grid
	m := &x.Manifest
	row := func(name, value string) {
		if value != "" {
			g.rows = append(g.rows, []string{name, value})
		}
	}
	row("name", strings.TrimSpace(m.Name+" "+m.Version))
	row("summary", m.Summary)
	row("license", m.License)
	row("source", m.Source)
	row("sdk", m.SDK)
	row("digest", x.Digest)
	row("size", bytesText(uint64(x.Size)))
	row("scope", string(m.Scope))
	if m.Name != "" {
		row("sees", "labels "+listed(m.Needs.Labels, "none")+"; series "+listed(m.Needs.Names, "all"))
		row("changes", changesText(&m.Writes))
	}
	row("config", strings.Join(strings.Fields(m.Config), " "))
	row("memory", fmt.Sprintf("%d pages to begin with", x.Pages))
	row("metrics", strings.Join(m.Metrics, ", "))
	for i, name := range x.Imports {
		row([]string{"imports", ""}[min(i, 1)], name)
	}
	for i, name := range x.Exports {
		row([]string{"exports", ""}[min(i, 1)], name)
	}
	for i, f := range x.Figures {
		row([]string{"sizes", ""}[min(i, 1)], fmt.Sprintf("%d %s, of %d at most", f.Value, f.Name, f.Most))
	}
	row("refused", x.Refused)
	_, err := io.WriteString(out, g.text(columnsOf(out)))
	return err
}

func listed(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, " ")
}

// changesText says what a plugin may do.
func changesText(w *abi.Writes) string {
	var out []string
	if len(w.Labels) > 0 {
		out = append(out, "labels "+strings.Join(w.Labels, " "))
	}
	for _, c := range []struct {
		may  bool
		what string
	}{{w.Value, "values"}, {w.Name, "names"}, {w.Drop, "drops"}, {w.Emit, "adds"}} {
		if c.may {
			out = append(out, c.what)
		}
	}
	return cmp.Or(strings.Join(out, ", "), "nothing")
}

func oneFile(c *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return environment(fmt.Errorf("%s takes one file, but got %d", c.CommandPath(), len(args)))
}
