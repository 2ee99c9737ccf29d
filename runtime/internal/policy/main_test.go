package policy

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what the tests get into testdata")

// childArgument makes the test binary the child process of Child. With
// anything behind it, it says on its standard error what it has cost.
const childArgument = "serve-policy-child"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		err := ServeChild(os.Stdin, os.Stdout, os.Stderr)
		if err == nil && len(os.Args) == 3 {
			err = tellCost()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func testChild(t testing.TB, limits Limits) *Child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Child{Command: []string{self, childArgument}, Limits: limits}
}
