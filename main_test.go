package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The architecture as a test. The tables are the rules; each message says what to do.

const module = "github.com/sluice-metrics/sluice"

// may lists, for each package, the packages of ours that it may import. A new
// package is entered here, with as few edges as it needs, or the test fails.
var may = map[string]string{
	".": "api/cli",

	"api/cli":    "api/rest api/client api/auth runtime runtime/metric runtime/diag runtime/explain runtime/whole plugins plugins/abi plugins/project plugins/verify",
	"api/client": "runtime runtime/diag runtime/explain",
	"api/rest":   "api/auth runtime runtime/metric runtime/diag runtime/explain",
	"api/auth":   "runtime runtime/whole",

	"api/cli/script": "", // for tests that run an instance

	"schema":   "",
	"policies": "",
	"examples": "",

	"examples/data": "", // what a real Flink reported: the demo and tests replay it

	// What guests are written with, and the example plugins.
	"plugins/sdk":                    "",
	"plugins/sdk/go":                 "plugins/abi",
	"examples/plugins":               "",
	"examples/plugins/mask-users":    "plugins/sdk/go",
	"examples/plugins/quickstart-go": "plugins/sdk/go",
	"examples/plugins/tables":        "plugins/sdk/go",

	"runtime":          "schema policies examples/data runtime/metric runtime/diag runtime/explain runtime/scaffold runtime/whole internal/* plugins plugins/abi",
	"runtime/metric":   "",
	"runtime/scaffold": "",
	"runtime/diag":     "",
	"runtime/whole":    "",
	"runtime/explain":  "runtime/metric runtime/diag internal/policy internal/program internal/catalogue internal/ledger internal/record internal/traffic internal/spell",

	"runtime/internal/policy":      "plugins/abi internal/confine internal/spell runtime/diag schema",
	"runtime/internal/catalogue":   "runtime/metric internal/policy",
	"runtime/internal/program":     "runtime/metric runtime/diag internal/policy internal/catalogue internal/ledger internal/ladder",
	"runtime/internal/transform":   "plugins plugins/abi runtime/metric internal/policy internal/program internal/engine",
	"runtime/internal/automaton":   "",
	"runtime/internal/spell":       "",
	"runtime/internal/analysis":    "runtime/metric runtime/diag internal/policy internal/program internal/catalogue internal/automaton internal/ledger internal/spell",
	"runtime/internal/policytest":  "runtime/metric runtime/diag runtime/explain internal/policy internal/program internal/traffic",
	"runtime/internal/record":      "runtime/metric",
	"runtime/internal/ledger":      "",
	"runtime/internal/ladder":      "",
	"runtime/internal/heavy":       "",
	"runtime/internal/engine":      "runtime/metric internal/record internal/program internal/ledger internal/ladder internal/catalogue internal/self plugins/abi",
	"runtime/internal/control":     "",
	"runtime/internal/kafka":       "runtime/metric internal/control internal/engine internal/self internal/secret",
	"runtime/internal/store":       "runtime/metric internal/engine internal/self",
	"runtime/internal/scrape":      "runtime/metric internal/engine internal/self",
	"runtime/internal/remotewrite": "runtime/metric internal/engine internal/self internal/egress internal/secret",
	"runtime/internal/egress":      "",
	"runtime/internal/secret":      "",
	"runtime/internal/lifecycle":   "",
	"runtime/internal/self":        "",
	"runtime/internal/fleet":       "internal/record",
	"runtime/internal/testkit":     "internal/policy internal/control",
	"runtime/internal/traffic":     "runtime/metric runtime/diag internal/record internal/program",
	"runtime/internal/starter":     "runtime/scaffold",
	"runtime/internal/source":      "",
	"runtime/internal/replay":      "runtime/diag internal/kafka internal/record internal/traffic",
	"runtime/internal/relabel":     "schema internal/policy",
	"runtime/internal/deadletter":  "runtime/diag internal/engine internal/kafka",
	"runtime/internal/depot":       "internal/control runtime/whole",
	"runtime/internal/doctor":      "runtime/diag internal/policy internal/kafka internal/store internal/host internal/egress internal/secret",
	"runtime/internal/confine":     "",

	// Transforms. What a guest is given and may do lies in plugins; it knows nothing of policies.
	"plugins":                   "plugins/abi plugins/internal/*",
	"plugins/abi":               "",
	"plugins/internal/assemble": "plugins/abi",
	"plugins/internal/meter":    "plugins/internal/module",
	"plugins/internal/module":   "plugins/abi",
	"plugins/project":           "plugins plugins/abi plugins/sdk plugins/internal/module runtime/scaffold",
	"plugins/verify":            "plugins plugins/abi plugins/internal/assemble",

	// The collector.
	"runtime/internal/flinkrest": "",
	"runtime/internal/host":      "runtime/metric",
	"runtime/internal/collector": "runtime/metric internal/record internal/flinkrest internal/host",
}

// Tests may also import every package that neither wires nor adapts, to build
// their input with; testMay lists what else a package's tests need, and why.
var (
	notForTests = "api/cli api/rest runtime internal/kafka internal/store internal/scrape internal/remotewrite"
	testMay     = map[string]string{
		"examples": "api/cli", "examples/plugins": "api/cli", // the examples are run as a user runs them
	}
)

// owners lists, for each dependency, the packages that may import it; "tests"
// allows the tests of every package, "tests-of-X" those of X.
var owners = map[string]string{
	"cuelang.org/go":                      "runtime/internal/policy",
	"github.com/twmb/franz-go":            "runtime/internal/kafka tests-of-runtime tests-of-runtime/internal/doctor",                       // a benchmark compares with the bare client
	"github.com/prometheus/prometheus":    "runtime/internal/store tests-of-runtime/internal/remotewrite tests-of-runtime/internal/relabel", // to do the same
	"github.com/prometheus/common":        "runtime runtime/internal/program runtime/internal/store tests",
	"github.com/prometheus/client_golang": "runtime/internal/self api/rest tests",
	"github.com/golang/snappy":            "tests-of-runtime/internal/remotewrite",
	"github.com/tetratelabs/wazero":       "plugins tests-of-plugins/internal/meter",
	"github.com/klauspost/compress":       "runtime/internal/remotewrite runtime/internal/traffic tests",
	"github.com/coreos/go-oidc":           "api/auth",
	"github.com/fsnotify/fsnotify":        "runtime/internal/source",
	"github.com/go-git/go-git":            "runtime/internal/source tests-of-runtime", // which makes the repository that an instance follows
	"github.com/ProtonMail/go-crypto":     "tests-of-runtime/internal/source",         // which signs commits
	"github.com/go-git/go-billy":          "runtime/internal/source",
	"github.com/labstack/echo":            "api/rest",
	"github.com/spf13/cobra":              "api/cli",
	"github.com/spf13/pflag":              "api/cli",
	"go.yaml.in/yaml":                     "runtime/internal/relabel",
	"golang.org/x/crypto":                 "runtime/internal/source",
	"golang.org/x/term":                   "api/cli",
	"golang.org/x/text":                   "runtime/internal/policy runtime/diag api/cli",
	"golang.org/x/sync":                   "api/cli runtime runtime/internal/kafka runtime/internal/store runtime/internal/remotewrite",
	"golang.org/x/tools":                  "plugins/project tests",
	"github.com/getkin/kin-openapi":       "tests-of-api/rest",
	"github.com/google/go-cmp":            "tests",
	"pgregory.net/rapid":                  "tests",
	"go.uber.org/goleak":                  "tests",
	"github.com/rogpeppe/go-internal":     "runtime api/cli/script tests", // its diff, its scripts
}

// topLevel is what the root may hold, besides dotfiles.
var topLevel = "schema policies runtime plugins api examples main.go main_test.go go.mod go.sum Taskfile.yml README.md LICENSE"

// Sizes in lines. A table test may be long, its code may not.
const (
	maxFile         = 500
	maxFunction     = 60
	maxTestFunction = 150
	maxReadme       = 150
)

// forbidden names say nothing about what a package or type is for.
var forbidden = "util utils common helper helpers types manager service impl base"

type file struct {
	path string // slash-separated, from the root
	pkg  string // folder, "." for the root
	test bool
	ast  *ast.File
}

var fset = token.NewFileSet()

// files parses every Go file of the module, once.
var files = sync.OnceValues(func() ([]file, error) {
	var out []file
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if base != "." && (base[0] == '.' || base[0] == '_' || base == "testdata" || base == "node_modules" || base == "target") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		p := filepath.ToSlash(name)
		out = append(out, file{p, path.Dir(p), strings.HasSuffix(base, "_test.go"), parsed})
		return err
	})
	return out, err
})

func sources(t *testing.T) []file {
	t.Helper()
	all, err := files()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// words splits a list of packages; internal/ is short for runtime/internal/.
func words(list string) []string {
	out := strings.Fields(list)
	for i, w := range out {
		if strings.HasPrefix(w, "internal/") {
			out[i] = "runtime/" + w
		}
	}
	return out
}

func allows(list, pkg string) bool {
	return slices.ContainsFunc(words(list), func(w string) bool {
		ok, _ := path.Match(w, pkg)
		return ok
	})
}

func imports(f file) (out []string) {
	for _, i := range f.ast.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			out = append(out, p)
		}
	}
	return out
}

func TestImportDirections(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range sources(t) {
		list, entered := may[f.pkg]
		if !entered && !seen[f.pkg] {
			t.Errorf("package %s: enter it in the table may of main_test.go, with the packages of ours that it needs", f.pkg)
		}
		seen[f.pkg] = true
		for _, p := range imports(f) {
			ours, found := strings.CutPrefix(p, module+"/")
			if !found || !entered || allows(list, ours) || ours == f.pkg {
				continue
			}
			if f.test && (!allows(notForTests, ours) || allows(testMay[f.pkg], ours)) {
				continue
			}
			t.Errorf("%s imports %s, which is no edge of the architecture: declare a port where it is called and let runtime wire it, or enter the edge in main_test.go and say why in runtime/RATIONALE.md", f.path, ours)
		}
	}
	for p := range may {
		if !seen[p] {
			t.Errorf("package %s is in the table may of main_test.go and nowhere else: remove the line", p)
		}
	}
}

func TestDependencyOwners(t *testing.T) {
	for _, f := range sources(t) {
		for _, p := range imports(f) {
			first, _, _ := strings.Cut(p, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(p, module) {
				continue
			}
			list, found := "", false
			for dep, l := range owners {
				if p == dep || strings.HasPrefix(p, dep+"/") {
					list, found = l, true
				}
			}
			switch {
			case !found:
				t.Errorf("%s imports %s: enter in the table owners of main_test.go which package owns this dependency, or do without it", f.path, p)
			case allows(list, f.pkg), f.test && (allows(list, "tests") || allows(list, "tests-of-"+f.pkg)):
			default:
				t.Errorf("%s imports %s: only %s may; use what that package offers", f.path, p, list)
			}
		}
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(strings.Fields(topLevel), e.Name()) {
			t.Errorf("%s: the top level is fixed (%s); put it where it belongs", e.Name(), topLevel)
		}
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^tool\b`).Match(mod) {
		t.Error("go.mod: pin tools in .ci/tools.mod, so that users do not download them")
	}
}

func TestPackageComments(t *testing.T) {
	commented := map[string]int{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		commented[f.pkg] += 0
		if f.ast.Doc != nil {
			commented[f.pkg]++
		}
		if slices.Contains(strings.Fields(forbidden), f.ast.Name.Name) {
			t.Errorf("%s: package %s: name it after what it is for", f.path, f.ast.Name.Name)
		}
	}
	for p, n := range commented {
		if n != 1 {
			t.Errorf("package %s has %d package comments: write one, saying what the package is for and what it refuses to know", p, n)
		}
	}
}

func TestExportedAreDocumented(t *testing.T) {
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		for _, name := range undocumented(f.ast) {
			t.Errorf("%s: %s has no doc comment: give its meaning, units, ranges and errors", f.path, name)
		}
	}
}

// undocumented returns the exported functions, methods of exported types, types,
// constants and variables without a comment; one comment serves a group of values.
func undocumented(f *ast.File) (out []string) {
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && !slices.Contains([]string{"Error", "String", "Unwrap"}, d.Name.Name) &&
				(d.Recv == nil || ast.IsExported(receiver(d))) {
				out = append(out, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
						out = append(out, s.Name.Name)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
							out = append(out, n.Name)
						}
					}
				}
			}
		}
	}
	return out
}

func receiver(d *ast.FuncDecl) string {
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

func TestSizes(t *testing.T) {
	check := func(name string, lines, most int) {
		if lines > most {
			t.Errorf("%s has %d lines, the most is %d: split it where its subject changes", name, lines, most)
		}
	}
	for _, f := range sources(t) {
		check(f.path, fset.File(f.ast.FileStart).LineCount(), maxFile)
		most := maxFunction
		if f.test {
			most = maxTestFunction
		}
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				check(f.path+":"+d.Name.Name, fset.Position(d.End()).Line-fset.Position(d.Pos()).Line+1, most)
			}
		}
	}
}

func TestForbiddenCode(t *testing.T) {
	virtual := map[string]bool{} // packages whose tests have a clock that sleeping moves on
	for _, f := range sources(t) {
		virtual[f.pkg] = virtual[f.pkg] || f.test && slices.Contains(imports(f), "testing/synctest")
	}
	for _, f := range sources(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					t.Errorf("%s: func init: write a literal table that one can see", at(n))
				}
			case *ast.TypeSpec:
				if slices.Contains(strings.Fields(forbidden), strings.ToLower(n.Name.Name)) {
					t.Errorf("%s: type %s: name it after what it is for", at(n), n.Name.Name)
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && n.Sel.Name == "Sleep" && !(f.test && virtual[f.pkg]) {
					t.Errorf("%s: time.Sleep: wait for what you mean (a channel, a timer with a context, testing/synctest)", at(n))
				}
			}
			return true
		})
	}
}

func at(n ast.Node) string {
	p := fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", filepath.ToSlash(p.Filename), p.Line)
}

func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if n := strings.Count(string(text), "\n"); err != nil || n > maxReadme {
		t.Errorf("README.md has %d lines, the most is %d: move detail to where it is read (error %v)", n, maxReadme, err)
	}
}
