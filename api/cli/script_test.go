package cli

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/cli/script"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sluice": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs what users run: one script per promise.
func TestScripts(t *testing.T) {
	with, addresses := newTools(t), &script.Addresses{}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(env *testscript.Env) error { return setUp(env, addresses) },
		Condition:           with.condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready, "hup": hup, "says": says, "cue": with.run, "answers": answers,
		},
	})
}

// setUp gives each script an address where nothing listens, and the name of a
// plugin and of a directory of others, and the digest of rename.wasm there.
func setUp(env *testscript.Env, addresses *script.Addresses) error {
	module, err := filepath.Abs("../../plugins/project/testdata/rename.wasm")
	if err != nil {
		return err
	}
	env.Setenv("MODULE", module)
	modules, err := filepath.Abs("../../runtime/internal/transform/testdata")
	if err != nil {
		return err
	}
	env.Setenv("MODULES", modules)
	rename, err := os.ReadFile(filepath.Join(modules, "rename.wasm"))
	if err != nil {
		return err
	}
	env.Setenv("RENAME", fmt.Sprintf("sha256:%x", sha256.Sum256(rename)))
	address, err := addresses.Free()
	env.Setenv("ADDRESS", address)
	return err
}

// ready waits until the instance at an address is ready.
func ready(ts *testscript.TestScript, not bool, args []string) {
	answers(ts, not, []string{"http://" + args[0] + "/readyz"})
}

// answers waits until there is a good answer at a URL.
func answers(ts *testscript.TestScript, _ bool, args []string) {
	script.Await(ts, func() error { return script.Answers(args[0]) })
}

// TestHelpFits draws the help of every command for a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	var fits func(c *cobra.Command)
	fits = func(c *cobra.Command) {
		var out, errOut bytes.Buffer
		if code := Main(append(strings.Fields(c.CommandPath())[1:], "--help"), nil, &out, &errOut); code != exitOK {
			t.Errorf("%s --help: exit code %d: %s", c.CommandPath(), code, &errOut)
		}
		for line := range strings.Lines(out.String()) {
			if len(line) > 81 {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), len(line)-1, line)
			}
		}
		for _, below := range c.Commands() {
			fits(below)
		}
	}
	fits(newRoot(terminal{}))
}
