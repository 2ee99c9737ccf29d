package diag

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// columns returns how many columns of a terminal s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

const (
	maxLead = 100 // columns shown before a caret
	maxTail = 80  // columns shown from a caret on
)

// window cuts a long line around the caret that stands between lead and tail.
func window(lead, tail string) (string, string) {
	if columns(lead) > maxLead {
		lead = "…" + lastColumns(lead, maxLead-1)
	}
	if columns(tail) > maxTail {
		tail = firstColumns(tail, maxTail-1) + "…"
	}
	return lead, tail
}

func firstColumns(s string, n int) string {
	for i, r := range s {
		if n -= runeColumns(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

func lastColumns(s string, n int) string {
	for i := len(s); i > 0; {
		r, size := utf8.DecodeLastRuneInString(s[:i])
		if n -= runeColumns(r); n < 0 {
			return s[i:]
		}
		i -= size
	}
	return s
}
