package verify

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedCase = regexp.MustCompile("`([a-z]+/[a-z0-9-]+)`")
	namedTest = regexp.MustCompile("(?:`(?:Test|Fuzz|Benchmark)[A-Za-z]+` ?)+\\([a-z/]+\\)")
	nameOf    = regexp.MustCompile("`([A-Za-z]+)`")
)

// The page names every case, and nothing that there is not.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| --- | --- |")
	named := map[string]bool{}
	for _, m := range namedCase.FindAllStringSubmatch(table, -1) {
		named[m[1]] = true
	}
	for _, c := range Cases() {
		if !named[c.Name] {
			t.Errorf("README.md does not name the case %s", c.Name)
		}
		delete(named, c.Name)
	}
	for name := range named {
		t.Errorf("README.md names %s, which is no case", name)
	}
	tests := namedTest.FindAllString(table, -1)
	if len(tests) < 10 {
		t.Fatalf("only %d tests are found in README.md", len(tests))
	}
	for _, list := range tests {
		names, folder, _ := strings.Cut(list, "(")
		source := testsIn(t, strings.TrimSuffix(folder, ")"))
		for _, m := range nameOf.FindAllStringSubmatch(names, -1) {
			if !strings.Contains(source, "\nfunc "+m[1]+"(") {
				t.Errorf("README.md names %s, which is not in %s", m[1], folder)
			}
		}
	}
}

// testsIn returns the tests of a package.
func testsIn(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
