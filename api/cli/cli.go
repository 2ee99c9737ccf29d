// Package cli is the command line: it turns words into calls of package runtime
// and what comes back into text for people or JSON for programs. It decides
// nothing itself.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/plugins/project"
	"github.com/sluice-metrics/sluice/runtime"
)

// Exit codes: what a script can rely on.
const (
	exitOK       = 0
	exitFault    = 1 // Sluice could not do what was asked
	exitRejected = 2 // the policy set or the input is wrong
	exitEnv      = 3 // something around Sluice is: a flag, a file, an address, a broker
)

// exitError carries an exit code. A nil err has been told to the user already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func rejected() error { return &exitError{code: exitRejected} }

func environment(err error) error { return &exitError{exitEnv, err} }

// terminal is what a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// Main runs one command and returns the exit code of the process. SIGINT and
// SIGTERM stop it cleanly; a second one kills it.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	if runtime.IsChild(args) {
		return runtime.Child(args, in, out, errOut)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal finds the default handler

	root := newRoot(terminal{in, out, errOut})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return exitCode(root.ExecuteContext(ctx), errOut)
}

func exitCode(err error, errOut io.Writer) int {
	if err == nil {
		return exitOK
	}
	var exit *exitError
	code := exitFault
	switch {
	case errors.As(err, &exit):
		code = exit.code
	case errors.Is(err, runtime.ErrConfig), errors.Is(err, runtime.ErrUnreachable):
		code = exitEnv
	case errors.Is(err, runtime.ErrRejected):
		code = exitRejected
	}
	if text := told(err); text != "" {
		fmt.Fprintln(errOut, "sluice:", printable(strings.ReplaceAll(text, "\t", "    ")))
	}
	return code
}

// told is an error in the words for the user: what kind it is, the exit code says, and
// of a file that is not what it must be, what it is.
func told(err error) string {
	text := err.Error()
	for _, kind := range []error{runtime.ErrConfig, runtime.ErrUnreachable, runtime.ErrRejected, project.ErrInput} {
		text = strings.TrimPrefix(text, kind.Error()+": ")
		text = strings.ReplaceAll(text, ": "+kind.Error()+": ", ": ")
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		text = strings.Replace(text, at.Error(), pathText(at), 1)
	}
	return text
}

// pathText says what is wrong with a name in the file system, but not which call of the
// system found it.
func pathText(e *fs.PathError) string {
	switch {
	case errors.Is(e.Err, syscall.EISDIR):
		return e.Path + " is a directory; name a file"
	case errors.Is(e.Err, syscall.ENOTDIR):
		for at := e.Path; ; at = filepath.Dir(at) {
			info, err := os.Stat(at)
			switch {
			case err == nil && !info.IsDir() && at == e.Path:
				return at + " is a file; name a directory"
			case err == nil && !info.IsDir():
				return fmt.Sprintf("%s cannot be there: %s is a file, not a directory", e.Path, at)
			case err == nil || at == filepath.Dir(at):
				return e.Path + ": " + e.Err.Error()
			}
		}
	}
	return e.Path + ": " + e.Err.Error()
}

func newRoot(t terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Govern the metrics of Apache Flink fleets",
		Long: `Sluice sits between the metrics that Flink jobs send to Kafka and the monitoring
stack. Policies written in CUE say what is kept, dropped, sampled, rewritten and
where it goes; Sluice runs them and can prove what became of every sample.

Start here:
  sluice demo                 see it work: a broker, a fleet, default policies
  sluice init my-policies     a repository of policies that works at once
  sluice check policies/      find every mistake in a policy set, with its line
  sluice run --policies DIR   run an instance with your own policies

Exit codes: 0 fine, 1 fault, 2 policy or input rejected, 3 something around
Sluice: a flag, a file, an address, a broker.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	parent(root)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", flagColumns)))
	root.SetFlagErrorFunc(wrongFlag)
	addCommands(root, t)
	root.SetHelpCommand(newHelp(t, root))
	return root
}

// addCommands adds all commands, in the groups in which the help lists them.
func addCommands(root *cobra.Command, t terminal) {
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Write policies", []*cobra.Command{newInit(t), newCheck(t), newTest(t), newExplain(t), newPlan(t), newFmt(t), newImport(t), newSchema(t), newPlugin(t)}},
		{"Run", []*cobra.Command{newDemo(t), newRun(t), newCollect(t), newReplay(t), newRecord(t), newDoctor(t), newToken(t)}},
		{"See what runs", []*cobra.Command{newStatus(t), newFleet(t), newTop(t), newTap(t), newLedger(t), newDeadLetters(t), newAudit(t)}},
		{"Change what runs", []*cobra.Command{newApply(t), newReloadCommand(t), newHistory(t), newRollback(t), newRollout(t), newOverride(t), newTask(t), newDegrade(t), newStream(t), newDrain(t)}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title + ":"})
		for _, c := range group.commands {
			c.GroupID = group.title
			root.AddCommand(c)
		}
	}
	root.AddCommand(newVersion(t))
}

// flagColumns bounds the lines of flags in a help text; the last word of a line
// may go up to 5 columns beyond.
const flagColumns = 75

// wrongFlag says how a flag that there is none of may have been meant.
func wrongFlag(c *cobra.Command, err error) error {
	if none := (*pflag.NotExistError)(nil); errors.As(err, &none) {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := runtime.Nearest(none.GetSpecifiedName(), names); near != "" {
			return environment(fmt.Errorf("%w; did you mean --%s?", err, near))
		}
	}
	return environment(fmt.Errorf("%w; see '%s --help'", err, c.CommandPath()))
}

// parent makes of c a command that only has others below it: alone it helps, and a
// word that is none of them is a mistake.
func parent(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.AddCommand(below...)
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return environment(unknownCommand(c, args[0]))
	}
	return c
}

func unknownCommand(of *cobra.Command, name string) error {
	path := strings.TrimPrefix(of.CommandPath()+" "+name, of.Root().Name()+" ")
	if near := of.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s?", path, strings.Join(near, " or "))
	}
	return fmt.Errorf("there is no command %q; see '%s --help'", path, of.CommandPath())
}

func newVersion(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(t.out, "sluice", version())
			return err
		},
	}
}

// version is what the build says of itself: a release, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

// childCommand starts this binary to evaluate one policy set, or try one plugin; nothing when the
// binary cannot be found any more.
func childCommand() []string {
	exe, err := os.Executable()
	if err != nil {
		return nil
	}
	return append([]string{exe}, runtime.ChildArgs()...)
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return environment(fmt.Errorf("%s takes no arguments, but got %q", c.CommandPath(), args[0]))
}

func atMostOneArg(c *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return environment(fmt.Errorf("%s takes one argument, but got %d", c.CommandPath(), len(args)))
}
