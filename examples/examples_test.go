// Package examples has a folder per promise. Each is a page for users and,
// through its run.txtar, a test.
package examples

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-metrics/sluice/api/cli"
	"github.com/sluice-metrics/sluice/api/cli/script"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sluice": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestExamples(t *testing.T) {
	scripts, err := filepath.Glob("*/run.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var addresses script.Addresses
	testscript.Run(t, testscript.Params{
		Files:               scripts,
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return setUp(env, &addresses) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await-ready": awaitReady, "promql": promql, "status": status, "await-rule": awaitRule,
		},
	})
}

// The policies that people copy from are in the form of sluice fmt.
func TestForm(t *testing.T) {
	var out bytes.Buffer
	if code := cli.Main([]string{"fmt", "--check", ".", "../policies"}, nil, &out, &out); code != 0 {
		t.Errorf("not in the form of sluice fmt:\n%s", &out)
	}
}

// setUp gives a script the example folders and an address of its own, ADDR.
func setUp(env *testscript.Env, addresses *script.Addresses) error {
	if err := copyFolders(env.WorkDir); err != nil {
		return err
	}
	address, err := addresses.Free()
	env.Setenv("ADDR", address)
	return err
}

func copyFolders(to string) error {
	return filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), b, 0o644)
	})
}

func get(ts *testscript.TestScript, path string) ([]byte, error) {
	resp, err := http.Get("http://" + ts.Getenv("ADDR") + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, err
}

func awaitReady(ts *testscript.TestScript, _ bool, _ []string) {
	script.Await(ts, func() error { return script.Answers("http://" + ts.Getenv("ADDR") + "/readyz") })
}

// promql EXPR VALUE waits until the expression has one result with the value.
func promql(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: promql EXPR VALUE")
	}
	script.Await(ts, func() error {
		body, err := get(ts, "/prometheus/api/v1/query?query="+url.QueryEscape(args[0]))
		if err != nil {
			return err
		}
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if r := answer.Data.Result; len(r) != 1 || r[0].Value[1] != args[1] {
			return fmt.Errorf("%s: %s, want one result with value %s", args[0], body, args[1])
		}
		return nil
	})
}

// status REGEXP waits until the status of the instance matches.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	script.Await(ts, func() error {
		body, err := get(ts, "/api/v1/status")
		if err == nil && !want.Match(body) {
			err = errors.New(string(body) + "\ndoes not match " + args[0])
		}
		return err
	})
}

// await-rule TEAM/NAME waits until the instance runs a rule.
func awaitRule(ts *testscript.TestScript, _ bool, args []string) {
	script.Await(ts, func() error {
		_, err := get(ts, "/api/v1/explain?rule="+url.QueryEscape(args[0]))
		return err
	})
}
