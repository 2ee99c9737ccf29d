package diag

import (
	"bytes"
	"fmt"
	"strings"
)

// compact writes a line for each of ds, in the form that editors know from compilers:
//
//	orders.cue:7:21: error: unknown field oder; did you mean order? [P101]
func compact(b *bytes.Buffer, ds []Diagnostic, _ Output) error {
	for _, d := range ds {
		if pos := d.Pos.String(); pos != "" {
			fmt.Fprintf(b, "%s: ", oneLine(pos))
		}
		fmt.Fprintf(b, "%s: %s [%s]\n", d.Severity, oneLine(advice(d, "; ")), d.Code)
	}
	return nil
}

// oneLine is printable text without line breaks and tabs.
func oneLine(s string) string { return printable(strings.Join(strings.Fields(s), " ")) }

// lines is printable text that keeps its line breaks.
func lines(s string) string {
	split := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range split {
		split[i] = printable(l)
	}
	return strings.Join(split, "\n")
}

// Escapes of workflow commands. A property ends at a comma or colon, so there are
// more of them in it.
var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// github writes a workflow command for each of ds, which GitHub Actions shows
// beside the line of the change.
func github(b *bytes.Buffer, ds []Diagnostic, how Output) error {
	for _, d := range ds {
		var at []string
		property := func(name string, value any) {
			at = append(at, name+"="+commandProperty.Replace(printable(fmt.Sprint(value))))
		}
		if d.Pos.File != "" {
			property("file", how.relative(d.Pos.File))
		}
		if d.Pos.IsValid() {
			property("line", d.Pos.Line)
		}
		if d.Pos.Column > 0 {
			property("col", how.column(d.Pos))
		}
		property("title", title(d.Code))
		text := advice(d, "\n")
		for _, n := range d.Notes {
			text += fmt.Sprintf("\n%s: %s", n.Pos, n.Message)
		}
		fmt.Fprintf(b, "::%s %s::%s\n", d.Severity, strings.Join(at, ","), commandData.Replace(lines(text)))
	}
	return nil
}

// title is the code and, where it has help, its few words.
func title(c Code) string {
	if h, ok := Lookup(c); ok {
		return string(c) + " " + h.Title
	}
	return string(c)
}

// column counts characters, where [Pos] counts bytes; without the source they are
// taken for the same.
func (o Output) column(p Pos) int {
	line, ok := o.line(p)
	if !ok {
		return p.Column
	}
	return len([]rune(line[:min(p.Column-1, len(line))])) + 1
}

// line returns the line of the source in which p lies.
func (o Output) line(p Pos) (string, bool) {
	if o.Source == nil || !p.IsValid() || p.Column < 1 {
		return "", false
	}
	return lineOf(o.Source(p.File), p.Line)
}
