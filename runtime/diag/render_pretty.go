package diag

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// pretty draws ds for people: place, message and code, then the line of the source
// with carets under what is meant, then the hint and the notes.
//
//	orders.cue:7:21: unknown field oder [P101]
//	    control: a: {oder: 3}
//	                 ^^^^
//	    hint: did you mean order?
//
// Tabs are drawn as four spaces, long lines are cut around the caret, characters
// that would act on a terminal are replaced, and text that may be a secret is
// masked.
func pretty(b *bytes.Buffer, ds []Diagnostic, how Output) error {
	r := renderer{out: b, source: how.Source, color: how.Color, secret: secretColumns(ds)}
	for _, d := range ds {
		r.diagnostic(d)
	}
	return nil
}

type renderer struct {
	out    *bytes.Buffer
	source func(string) []byte
	color  bool
	secret map[Pos][]int
}

// The escape sequences of a terminal that is not asked for anything unusual.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	reset  = "\x1b[0m"
)

func (r *renderer) paint(style, text string) string {
	if !r.color || text == "" {
		return text
	}
	return style + text + reset
}

const indent = "    "

func (r *renderer) diagnostic(d Diagnostic) {
	style := red
	if pos := d.Pos.String(); pos != "" {
		fmt.Fprintf(r.out, "%s: ", r.paint(bold, printable(pos)))
	}
	if d.Severity == Warning {
		style = yellow
		r.out.WriteString(r.paint(style, "warning: "))
	}
	fmt.Fprintf(r.out, "%s %s\n", r.paint(bold, printable(d.Message)), r.paint(style, "["+string(d.Code)+"]"))
	r.excerpt(d.Pos, style)
	if d.Hint != "" {
		fmt.Fprintf(r.out, "%s%s %s\n", indent, r.paint(cyan, "hint:"), printable(d.Hint))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(r.out, "%s%s: %s\n", indent, printable(n.Pos.String()), printable(n.Message))
	}
}

func (r *renderer) excerpt(p Pos, style string) {
	if r.source == nil || !p.IsValid() {
		return
	}
	line, ok := lineOf(r.source(p.File), p.Line)
	if !ok {
		return
	}
	at := min(max(p.Column-1, 0), len(line))
	spans := secrets(line, r.secret[Pos{File: p.File, Line: p.Line}])
	lead, tail := drawn(conceal(line, 0, at, spans)), drawn(conceal(line, at, len(line), spans))
	lead, tail = window(lead, tail)
	fmt.Fprintf(r.out, "%s%s%s\n", indent, lead, tail)
	if p.Column > 0 {
		carets := strings.Repeat("^", max(columns(word(tail)), 1))
		fmt.Fprintf(r.out, "%s%s%s\n", indent, strings.Repeat(" ", columns(lead)), r.paint(style, carets))
	}
}

func lineOf(text []byte, n int) (string, bool) {
	for ; n > 1; n-- {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return "", false
		}
		text = text[i+1:]
	}
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	if len(text) == 0 {
		return "", false
	}
	return strings.TrimSuffix(string(text), "\r"), true
}

// word returns what carets underline: the identifier, number or quoted text
// with which s begins.
func word(s string) string {
	if strings.HasPrefix(s, hidden) {
		return hidden
	}
	if strings.HasPrefix(s, `"`) {
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '"':
				return s[:i+1]
			}
		}
		return s
	}
	end := strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_#$.-", r)
	})
	if end < 0 {
		return s
	}
	return s[:end]
}

// printable replaces what would act on a terminal rather than be seen on it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func drawn(s string) string {
	return printable(strings.ReplaceAll(s, "\t", "    "))
}
