package secret_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/secret"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}
	t.Setenv("SLUICE_TEST_TOKEN", "abc")
	t.Setenv("SLUICE_TEST_EMPTY", "")

	for _, c := range []struct {
		name, ref, want, err string
	}{
		{"environment", "env://SLUICE_TEST_TOKEN", "abc", ""},
		{"file", write("a", "s3cret"), "s3cret", ""},
		{"file with line break", write("b", "s3cret\r\n"), "s3cret", ""},
		{"inner line breaks stay", write("c", "a\nb\n\n"), "a\nb\n", ""},
		{"no such variable", "env://SLUICE_TEST_NONE", "", "no such environment variable"},
		{"empty variable", "env://SLUICE_TEST_EMPTY", "", "is empty"},
		{"empty file", write("d", "\n"), "", "is empty"},
		{"no such file", "file:///nonexistent/x", "", "no such file"},
		{"directory", "file://" + dir, "", "not a regular file"},
		{"relative path", "file://x", "", "must be absolute"},
		{"large file", write("e", strings.Repeat("x", secret.MaxBytes+1)), "", "more than"},
		{"nothing", "", "", "written as a reference"},
		{"other scheme", "vault://a", "", "written as a reference"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := secret.Resolve(c.ref)
			if got != c.want {
				t.Errorf("Resolve(%q) = %q, want %q", c.ref, got, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want one with %q", err, c.err)
			}
		})
	}
}

func TestErrorsNeverHoldTheValue(t *testing.T) {
	const value = "hunter2hunter2"
	path := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(path, []byte(strings.Repeat(value, secret.MaxBytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{value, "file://" + path} { // a value instead of a reference; a value too long
		_, err := secret.Resolve(ref)
		if err == nil || strings.Contains(err.Error(), value) {
			t.Errorf("Resolve: error %v, want one without the value", err)
		}
	}
}

func TestResolveReadsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := secret.Resolve("file://" + path); got != want || err != nil {
			t.Fatalf("Resolve = %q, %v, want %q", got, err, want)
		}
	}
}
