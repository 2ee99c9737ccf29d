package diag

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Output says how findings are written. The zero Output is fine.
type Output struct {
	// Source returns the text of a file, or nil where there is none.
	Source func(file string) []byte

	Color bool // pretty: for a terminal that has colours

	// Root is a directory that absolute file names are made relative to, as
	// platforms want them that show findings beside the code.
	Root string

	// Fail is the mildest severity that counts as a failure; Error when not set.
	Fail Severity

	Suite   string // what was checked, such as "sluice check"
	Version string // of the program
}

// A format is one way to write findings.
type format struct {
	name, purpose string
	write         func(*bytes.Buffer, []Diagnostic, Output) error
}

// formats are all there are; the first is the default.
var formats = []format{
	{"pretty", "for people: source line, carets, hint", pretty},
	{"compact", "one line each, as editors and grep read it", compact},
	{"json", "for programs", asJSON},
	{"sarif", "SARIF 2.1.0, for code scanning", sarif},
	{"github", "annotations of GitHub Actions", github},
	{"junit", "JUnit XML, for test reports", junit},
}

// Formats returns the names that [Render] knows, the default one first.
func Formats() []string {
	out := make([]string, len(formats))
	for i, f := range formats {
		out[i] = f.name
	}
	return out
}

// FormatHelp returns a line for each format, saying what it is for.
func FormatHelp() string {
	var b strings.Builder
	for _, f := range formats {
		fmt.Fprintf(&b, "  %-8s %s\n", f.name, f.purpose)
	}
	return b.String()
}

// IsFormat reports whether [Render] knows name.
func IsFormat(name string) bool {
	for _, f := range formats {
		if f.name == name {
			return true
		}
	}
	return false
}

// Render writes ds in the format of that name. No format shows text that may be a
// secret, or characters that would act on whatever reads it. The error is that of
// w, or says that there is no such format.
func Render(w io.Writer, name string, ds []Diagnostic, how Output) error {
	for _, f := range formats {
		if f.name != name {
			continue
		}
		var b bytes.Buffer
		if err := f.write(&b, ds, how); err != nil {
			return fmt.Errorf("write findings as %s: %w", name, err)
		}
		_, err := w.Write(b.Bytes())
		return err
	}
	return fmt.Errorf("there is no format %q; want one of %s", name, strings.Join(Formats(), ", "))
}

// asJSON writes ds as one JSON array, each element on a line of its own. Without
// findings it is empty, not null.
func asJSON(b *bytes.Buffer, ds []Diagnostic, _ Output) error {
	b.WriteByte('[')
	for i, d := range ds {
		if i > 0 {
			b.WriteByte(',')
		}
		line, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("finding %s: %w", d.Code, err)
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	if len(ds) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	return nil
}

// relative returns a file name, slash-separated, as seen from Root where it lies below it.
func (o Output) relative(file string) string {
	if o.Root != "" && filepath.IsAbs(file) {
		if rel, err := filepath.Rel(o.Root, file); err == nil && filepath.IsLocal(rel) {
			file = rel
		}
	}
	return filepath.ToSlash(file)
}

// advice is the message of d and, where there is one, its hint.
func advice(d Diagnostic, between string) string {
	if d.Hint == "" {
		return d.Message
	}
	return d.Message + between + d.Hint
}

// Fails reports whether one of ds is at least as severe as Fail.
func (o Output) Fails(ds []Diagnostic) bool {
	for _, d := range ds {
		if d.Severity <= o.Fail {
			return true
		}
	}
	return false
}
